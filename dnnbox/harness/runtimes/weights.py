"""Weights of a bare checkpoint into a module: read without running code, unwrapped, and matched strictly."""

from __future__ import annotations

import os
from typing import Any, Dict, List

from ..failures import Failure
from ..protocol import Check
from .torch_base import TorchRuntime


def read_state(runtime: TorchRuntime) -> Dict[str, Any]:
    """Return {name: tensor} from ``options["entry"]`` of the checkpoint, without ``options["prefix"]``."""
    path = runtime.request.checkpoint
    data = _read(runtime, path)
    entry = str(runtime.options.get("entry") or "")
    state = _descend(data, entry)
    if not isinstance(state, dict):
        raise Failure("load_failed", "%r holds a %s, not tensors by name" % (entry, type(state).__name__), "load")
    tensors = {str(name): value for name, value in state.items() if hasattr(value, "data_ptr")}
    if not tensors:
        raise Failure("load_failed", "no tensors at %r of the checkpoint" % entry, "load")
    return _strip(runtime, tensors, str(runtime.options.get("prefix") or ""))


def _read(runtime: TorchRuntime, path: str) -> Any:
    if os.path.isdir(path):
        path = _weights_in(path)
    if runtime.options.get("format") == "safetensors" or path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path, device="cpu")
    import pickle

    try:
        return runtime.torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = "the checkpoint holds more than tensors, so it is not unpickled here: %s" % str(error).partition("\n")[0]
        raise Failure("load_failed", text, "load") from error


def _weights_in(folder: str) -> str:
    endings = (".safetensors", ".bin", ".pth", ".pt")
    names = sorted(name for name in os.listdir(folder) if name.endswith(endings))
    if len(names) != 1:
        raise Failure("load_failed", "the folder has %d weight files, one is expected" % len(names), "load")
    return os.path.join(folder, names[0])


def _descend(data: Any, entry: str) -> Any:
    """Follow a dotted path; a key may have dots of its own, so the longest key that fits is taken."""
    while entry:
        if not isinstance(data, dict):
            raise Failure("load_failed", "the checkpoint has no %r" % entry, "load")
        keys = [key for key in data if isinstance(key, str) and (entry == key or entry.startswith(key + "."))]
        if not keys:
            raise Failure("load_failed", "the checkpoint has no %r" % entry, "load")
        key = max(keys, key=len)
        data, entry = data[key], entry[len(key) + 1 :]
    return data


def _strip(runtime: TorchRuntime, tensors: Dict[str, Any], prefix: str) -> Dict[str, Any]:
    if not prefix:
        return tensors
    if not prefix.endswith(".") and any(name.startswith(prefix + ".") for name in tensors):
        prefix += "."
    kept = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    left_out = sorted(name for name in tensors if not name.startswith(prefix))
    if left_out:
        shown = ", ".join(left_out[:5])
        runtime.note("%d tensors outside the prefix %r were left out: %s" % (len(left_out), prefix, shown))
    return kept


def load_strictly(runtime: TorchRuntime, model: Any, state: Dict[str, Any]) -> None:
    """Put the weights into the model; every name and shape must match. Adds the check ``strict_load``."""
    own = model.state_dict()
    missing = sorted(set(own) - set(state))
    unexpected = sorted(set(state) - set(own))
    shapes = [name for name in own if name in state and tuple(own[name].shape) != tuple(state[name].shape)]
    if missing or unexpected or shapes:
        parts = [_some("missing", missing), _some("not in the model", unexpected), _some("of another shape", shapes)]
        detail = "; ".join(part for part in parts if part)
        runtime.checks.append(Check("strict_load", False, detail))
        raise Failure("load_failed", "the weights do not fit the architecture: %s" % detail, "load")
    model.load_state_dict(state, strict=True)
    runtime.checks.append(Check("strict_load", True, "%d tensors, every name and shape matches" % len(own)))


def _some(text: str, names: List[str]) -> str:
    if not names:
        return ""
    more = ", …" if len(names) > 4 else ""
    return "%d %s (%s%s)" % (len(names), text, ", ".join(names[:4]), more)
