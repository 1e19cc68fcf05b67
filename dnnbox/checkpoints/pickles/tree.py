"""From what a pickle would build to what a person asks: the containers of weights, their tensors, modules, metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TypeGuard

from dnnbox.checkpoints.dtypes import BITS
from dnnbox.checkpoints.pickles.calls import Array
from dnnbox.checkpoints.pickles.values import Blob, Call, Dict, Global, Storage, Tensor, Value, Word
from dnnbox.errors import InputLimit

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_MAX_STEPS = 400_000
_MAX_NAME = 1_000
_MAX_TEXT = 20_000
_MAX_DEPTH = 6

_PREFERRED = (
    "state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema", "model_ema_state_dict",
    "state_dict", "model_state_dict", "model_state", "model", "module", "params", "net", "network", "weights",
    "generator", "g_ema", "student", "encoder", "teacher",
)  # fmt: skip
"""Usual names of the container of weights; averaged weights come first, as they are what an author evaluates."""
_WHOLE = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params")
"""Those of them that no part of a model is called by."""
_HELPERS = frozenset(("dis", "disc", "discriminator", "critic", "target", "netd"))
"""Words in the names of networks that only train another: a discriminator, a critic, and what lags behind."""
_NOT_WEIGHTS = ("optim", "sched", "scaler", "discriminator", "amp", "ema_updates", "criterion", "loss", "rng")


@dataclass
class Container:
    """One set of named tensors. ``entry`` is the dotted way to it, ``top_class`` the module's class where it is one."""

    entry: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    top_class: str = ""
    is_mixed: bool = False  # more other values than tensors: a checkpoint's top level, not a state_dict

    @property
    def elements(self) -> int:
        """Numbers in all tensors, ties counted twice."""
        return sum(prod(tensor.shape) for tensor in self.tensors.values())


def _holds_the_weights(children: Mapping[object, Value], beside: int) -> bool:
    """Tell whether a mapping of a usual name holds more tensors than lie beside it: those are figures, not weights."""
    usual = [item for key, item in children.items() if key in _WHOLE and isinstance(item, Dict)]
    return any(sum(_is_weight(part) for part in item.values()) > beside for item in usual)


def module_state(value: Value) -> Mapping[object, object] | None:
    """Return the attributes of a pickled torch module, None for anything else."""
    if not isinstance(value, Call):
        return None
    state = value.state
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Dict):
        state = state[0]
    if isinstance(state, Dict) and ("_modules" in state or "_parameters" in state):
        return state
    return None


class Walker:
    """Finds containers in a tree of values; a budget of steps bounds trees that refer to themselves."""

    def __init__(self) -> None:
        self._steps = 0

    def _step(self, children: int = 0) -> None:
        self._steps += 1 + children // 4
        if self._steps > _MAX_STEPS:
            raise InputLimit(f"the pickle's objects refer to each other more than {_MAX_STEPS} times")

    def containers(self, root: Value) -> list[Container]:
        """Return every container of weights, outermost first; a lone tensor is one without a name."""
        if _is_weight(root):
            return [Container("", {"": root})]
        return list(self._containers(root, "", 0))

    def _containers(self, value: Value, entry: str, depth: int) -> Iterator[Container]:
        if module_state(value) is not None:
            yield self.module(value, entry)
            return
        children = _children(value)
        self._step(len(children))
        tensors = {str(key): item for key, item in children.items() if _is_weight(item)}
        if tensors and (len(tensors) * 2 >= len(children) or entry == ""):
            is_mixed = len(tensors) * 2 < len(children) or _holds_the_weights(children, len(tensors))
            yield Container(entry, self._flat(value, tensors, not is_mixed), is_mixed=is_mixed)
            if not is_mixed:
                return
        if depth >= _MAX_DEPTH:
            return
        for key, item in children.items():
            if isinstance(item, (Dict, Call, list, tuple)) and isinstance(key, (str, int)):
                yield from self._containers(item, f"{entry}.{key}" if entry else str(key), depth + 1)

    def _flat(self, value: Value, tensors: dict[str, Tensor], deep: bool) -> dict[str, Tensor]:
        """Return a state_dict's tensors; those one level deeper under joined names."""
        found: dict[str, Tensor] = {}
        for key, item in _children(value).items():
            self._step()
            if str(key) in tensors and _is_weight(item):
                found[str(key)] = item
            elif deep and isinstance(item, (Dict, list, tuple)):
                inner = ((f"{key}.{name}", part) for name, part in _children(item).items())
                found.update({name: part for name, part in inner if _is_weight(part)})
        return found

    def module(self, value: Value, entry: str) -> Container:
        """Return what ``state_dict()`` of a pickled module would hold, in its order, and the class of each module."""
        container = Container(entry)
        stack: list[tuple[str, Value, int]] = [("", value, 0)]
        while stack:
            prefix, item, depth = stack.pop()
            self._step()
            state = module_state(item)
            if state is None or not isinstance(item, Call) or depth > 200 or len(prefix) > _MAX_NAME:
                continue
            container.classes[prefix[:-1]] = class_of(item)
            skipped = _children(state.get("_non_persistent_buffers_set")).values()
            for group in ("_parameters", "_buffers"):
                members = _children(state.get(group))
                self._step(len(members))
                for name, part in members.items():
                    if _is_weight(part) and not (group == "_buffers" and name in skipped):
                        container.tensors[f"{prefix}{name}"] = part
            modules = list(_children(state.get("_modules")).items())
            stack.extend((f"{prefix}{name}.", part, depth + 1) for name, part in reversed(modules))
        container.top_class = container.classes.get("", "")
        return container


def class_of(value: Call) -> str:
    """Return the dotted class of an object; ``copyreg._reconstructor`` names it in its arguments."""
    function = value.function
    if function.module in ("copyreg", "copy_reg") and value.arguments and isinstance(value.arguments[0], Global):
        return value.arguments[0].path
    return function.path


def choose(containers: list[Container]) -> Container | None:
    """Return the container that a loader would take: the top level, then the usual names, then the largest."""
    filled = [item for item in containers if item.tensors]
    if not filled:
        return None
    pure = [item for item in filled if not item.is_mixed]
    filled = pure or filled
    if filled[0].entry == "":
        return filled[0]
    return min(filled, key=lambda item: (_preference(item.entry), -item.elements, len(item.entry)))


def _preference(entry: str) -> int:
    parts = entry.lower().split(".")
    if any(word in part for part in parts for word in _NOT_WEIGHTS):
        return len(_PREFERRED) + 2
    if any(word.lower() in _HELPERS for word in _WORDS.findall(entry)):
        return len(_PREFERRED) + 1
    ranks = [_PREFERRED.index(part) for part in parts if part in _PREFERRED]
    return min(ranks) if ranks else 0 if not entry else len(_PREFERRED)


def _is_weight(value: object) -> TypeGuard[Tensor]:
    """Whether it is a tensor of numbers; numpy arrays of texts and objects are not."""
    return isinstance(value, Tensor) and (value.storage is not None or value.dtype in BITS or value.device == "meta")


def _children(value: object) -> Mapping[object, object]:
    if isinstance(value, Dict):
        return value
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value[:10_000]))
    if isinstance(value, Call):
        state = value.state
        inner = state if isinstance(state, Dict) else Dict()
        return {**value.pairs, **inner, **dict(enumerate(value.items[:10_000]))}
    return {}


class Copier:
    """Makes the bounded plain-JSON copy of what a pickle says beside its tensors."""

    _ITEMS, _NODES, _DEPTH = 1_500, 30_000, 20

    def __init__(self) -> None:
        self._left = self._NODES

    def copy(self, value: Value, depth: int = 0) -> object:
        """Return ``value`` as JSON; tensors, blobs and what is too deep or too much become short texts."""
        self._left -= 1
        if self._left < 0 or depth > self._DEPTH:
            return "…"
        if value is None or isinstance(value, (bool, int, float, str)):
            return _scalar(value)
        if isinstance(value, (Dict, list, tuple)):
            return self._container(value, depth)
        if isinstance(value, Call):
            return self._object(value, depth)
        return _described(value)

    def _container(self, value: Value, depth: int) -> object:
        children = _children(value)
        self._left -= len(children) // 20  # a large container that is met again and again must cost
        weights = sum(_is_weight(item) for item in children.values())
        if weights > 3 and weights * 2 > len(children):
            return f"<{weights} tensors>"
        if isinstance(value, Dict):
            shown = list(value.items())[: self._ITEMS]
            return {_key_text(key): self.copy(item, depth + 1) for key, item in shown}
        return [self.copy(item, depth + 1) for item in list(children.values())[: self._ITEMS]]

    def _object(self, value: Call, depth: int) -> object:
        state = module_state(value)
        if state is not None:
            hidden = {"_modules", "_parameters", "_buffers"}
            plain = {_key_text(key): item for key, item in state.items() if key not in hidden}
            kept = {key: item for key, item in plain.items() if not key.startswith("_") and item not in (None, ())}
            return {"__class__": class_of(value), **{key: self.copy(item, depth + 1) for key, item in kept.items()}}
        if value.function.path in ("argparse.Namespace", "types.SimpleNamespace") and isinstance(value.state, Dict):
            return self.copy(value.state, depth)
        content = value.state if value.state is not None else value.pairs or value.items or value.arguments
        if isinstance(content, dict) and not isinstance(content, Dict):
            content = _as_dict(content)
        if not content:
            return {"__class__": class_of(value)}
        return {"__class__": class_of(value), "content": self.copy(content, depth + 1)}


def _as_dict(pairs: Mapping[object, object]) -> Dict:
    made = Dict()
    made.update(pairs)
    return made


def _scalar(value: bool | float | str | None) -> object:
    if isinstance(value, str):
        return str(value) if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "…"
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
        return f"<integer of {value.bit_length()} bits>"
    return value


def _described(value: Value) -> object:
    if isinstance(value, Array) and value.items and len(value.items) <= 2000:
        return [item if isinstance(item, (str, int, float)) else "…" for item in value.items]
    if isinstance(value, Tensor):
        return f"<tensor {value.dtype} {list(value.shape)}>"
    if isinstance(value, Word):
        return value.text
    if isinstance(value, Global):
        return value.path
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    if isinstance(value, Blob):
        return f"<{value.length} bytes>"
    return f"<storage {value.dtype}>" if isinstance(value, Storage) else f"<{type(value).__name__}>"


def _key_text(key: object) -> str:
    return (key.path if isinstance(key, Global) else str(key))[:200]
