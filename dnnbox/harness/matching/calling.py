"""Made-up inputs from their plain form, a call of a module with them, and the call in words."""

from __future__ import annotations

import operator
from typing import Any, Dict, List

from .. import trees
from .building import BUSY, at_most
from . import oldnames
from .values import is_tensor

SECONDS = 60.0  # of the processor, for one forward pass
CLOCK_SECONDS = BUSY * SECONDS

Spec = Dict[str, Any]


def made(value: Any, seed: int = 0) -> Any:
    """Return the objects of a plain form; the same seed gives the same numbers."""
    import torch

    if isinstance(value, list):
        return [made(item, seed + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "$tuple" in value:
        return tuple(made(item, seed) for item in value["$tuple"])
    if "$object" in value:
        return Things(**{name: made(item, seed + place) for place, (name, item) in enumerate(value["$object"].items())})
    if "$tensor" in value:
        dtype, shape, high = value["$tensor"]
        generator = torch.Generator().manual_seed(seed)
        if "filled" in value:
            numbers = torch.full(shape, value["filled"], dtype=getattr(torch, dtype))
        elif dtype.startswith("int"):
            numbers = torch.randint(0, max(1, high or 100), shape, generator=generator, dtype=getattr(torch, dtype))
        else:
            numbers = torch.rand(shape, generator=generator)
        return numbers.numpy() if value.get("array") else numbers
    return {key: made(item, seed + index) for index, (key, item) in enumerate(value.items())}


class Things:
    """Several inputs as the attributes of one, as libraries of graphs hand them over."""

    def __init__(self, **held: Any) -> None:
        vars(self).update(held)

    def to(self, *_args: Any, **_kwargs: Any) -> "Things":
        """Return itself: its tensors are where the model is."""
        return self

    cuda = cpu = to


def call(module: Any, spec: Spec, seed: int = 0, seconds: float = CLOCK_SECONDS) -> Any:
    """Run a module on made-up inputs, for at most so many seconds on the clock; what has to be called before is."""
    import torch

    for way in spec.get("ways", ()):
        oldnames.WAYS[way](module)
    with torch.no_grad(), at_most(SECONDS, seconds):
        for step in (*spec.get("before", ()), spec):
            function = operator.attrgetter(step["method"])(module) if step["method"] else module
            args = [made(value, seed + place) for place, value in enumerate(step["args"])]
            kwargs = {
                name: made(value, seed + 100 + place) for place, (name, value) in enumerate(step["kwargs"].items())
            }
            answer = function(*args, **kwargs)
        return _put(args, step) if answer is None else answer


class Put(Dict[str, Any]):
    """What a method put into the mapping that it was given, instead of returning something."""


def _put(args: List[Any], step: Spec) -> Any:
    """Return what a method that returns nothing has put into its only input; None where that is no mapping."""
    if len(args) != 1 or not isinstance(args[0], dict):
        return None
    return Put((key, value) for key, value in args[0].items() if key not in step["args"][0])


def tensors_of(value: Any) -> List[Any]:
    """Return all tensors in a result, in order, those that a distribution is made of too."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict) or hasattr(value, "items"):
        return [found for item in value.values() for found in tensors_of(item)]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in tensors_of(item)]
    return [found for _, item in trees.parameters_of(value) for found in tensors_of(item)]


def all_finite(tensors: List[Any]) -> bool:
    """Tell whether every number is one."""
    import torch

    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point())


def text_of(spec: Spec) -> str:
    """Return inputs in words: ``forward(float32[1, 3, 224, 224])``."""
    parts = [_value_text(value) for value in spec["args"]]
    parts += ["%s=%s" % (name, _value_text(value)) for name, value in spec["kwargs"].items()]
    called = "%s(%s)" % (spec["method"] or "forward", ", ".join(parts))
    return "; ".join([*map(text_of, spec.get("before", ())), called])


def _value_text(value: Any) -> str:
    if is_tensor(value):
        return "%s%s%s" % (value["$tensor"][0], value["$tensor"][1], " of NumPy" if value.get("array") else "")
    if isinstance(value, list):
        return "[%s]" % ", ".join(_value_text(item) for item in value)
    if isinstance(value, dict) and "$tuple" in value:
        return "(%s)" % ", ".join(_value_text(item) for item in value["$tuple"])
    if isinstance(value, dict) and "$object" in value:
        return "an object of %s" % _value_text(value["$object"])
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (key, _value_text(item)) for key, item in value.items())
    return repr(value)
