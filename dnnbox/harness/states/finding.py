"""Data of a checkpoint → every set of named tensors in it, the one that a loader would take first.

Optimizer states, schedulers and the like are passed over. Averaged weights go before raw ones: they are what upstream
publishes and evaluates; where both fit, the caller is told.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, Tuple

MAX_DEPTH = 5
_DEEPEST_MODULE = 60
_OTHERS = re.compile(
    r"(?i)optim|^opts?$|sched|scaler|loops|callbacks|rng|random_state|criterion$|^loss|discriminator|^net_?d$|^d$"
)
_AVERAGED = re.compile(r"(?i)(^|_)(ema|averaged?|swa)(_|$)|g_ema|ema_")
_HELPERS = ("dis", "disc", "discriminator", "critic", "target", "netd")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WHOLE = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params")
_USUAL = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "params",
    "generator",
    "net_g",
    "weights",
    "module",
)


class StateDict:
    """One set of named tensors. ``entry`` is the way to it (keys as they are), ``averaged`` that it is an average."""

    def __init__(self, path: List[str], tensors: Dict[str, Any]) -> None:
        self.path = path
        self.tensors = tensors
        self.averaged = any(_AVERAGED.search(part) for part in path)

    @property
    def entry(self) -> str:
        """The dotted way, as the host writes it."""
        return ".".join(self.path)

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return sum(int(tensor.numel()) for tensor in self.tensors.values() if hasattr(tensor, "numel"))


def is_tensor(value: Any) -> bool:
    """Tell whether it is a torch tensor, without importing torch."""
    return hasattr(value, "data_ptr") and hasattr(value, "shape")


def found(data: Any) -> List[StateDict]:
    """Return every set, best first: averaged before raw, usual names before others, large before small."""
    sets = list(_walk(data, [], 0))
    half = sum(item.elements for item in sets) / 2
    return sorted(sets, key=lambda item: (not item.averaged, _rank(item, half), -item.elements))


def _rank(item: StateDict, half: float) -> int:
    """A few tensors beside the dictionaries are counters; the bulk of them there are the weights themselves.

    Networks that only train another one come last: a discriminator, a critic, and what lags behind.
    """
    if any(word.lower() in _HELPERS for word in _WORDS.findall(item.entry)):
        return len(_USUAL) + 2
    if not item.path:
        return -1 if item.elements >= half else len(_USUAL) + 1
    ranks = [_USUAL.index(part.lower()) for part in item.path if part.lower() in _USUAL]
    return min(ranks) if ranks else len(_USUAL)


def _walk(data: Any, path: List[str], depth: int) -> Iterator[StateDict]:
    if not isinstance(data, Mapping) or depth > MAX_DEPTH:
        return
    if _is_module(data):
        yield StateDict(path, dict(_held(data, "", 0)))
        return
    tensors = {key: value for key, value in data.items() if isinstance(key, str) and is_tensor(value)}
    inner = [(key, value) for key, value in data.items() if isinstance(key, str) and isinstance(value, Mapping)]
    apart = [key for key, value in inner if key in _WHOLE and len(value) > len(tensors)]  # beside it: figures
    if tensors:
        tensors.update(_one_deeper([(key, value) for key, value in inner if key not in apart]))
        yield StateDict(path, tensors)
    for key, value in inner:
        if not _OTHERS.search(key) and (key in apart or not (tensors and _is_flat(value))):
            for item in _walk(value, [*path, key], depth + 1):
                yield item


def _is_module(data: Mapping[Any, Any]) -> bool:
    """Tell whether it is what a whole module was saved as, read without its class."""
    return isinstance(data.get("_parameters"), Mapping) and isinstance(data.get("_modules"), Mapping)


def _held(module: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[Tuple[str, Any]]:
    """Yield the tensors of a module and of its parts, by the names that its state dict has for them."""
    passing = module.get("_non_persistent_buffers_set") or ()
    for group in ("_parameters", "_buffers"):
        for name, value in dict(module.get(group) or {}).items():
            if is_tensor(value) and name not in passing:
                yield "%s%s" % (prefix, name), value
    for name, part in dict(module["_modules"]).items() if depth < _DEEPEST_MODULE else ():
        if isinstance(part, Mapping) and _is_module(part):
            for held in _held(part, "%s%s." % (prefix, name), depth + 1):
                yield held


def _one_deeper(inner: Any) -> Dict[str, Any]:
    """Return tensors one level below a set's own: some savers nest a module's dictionary in its parent's."""
    flat = [(key, part) for key, part in inner if _is_flat(part)]
    return {"%s.%s" % (key, name): value for key, part in flat for name, value in part.items()}


def _is_flat(part: Any) -> bool:
    return bool(part) and all(isinstance(name, str) and is_tensor(value) for name, value in part.items())
