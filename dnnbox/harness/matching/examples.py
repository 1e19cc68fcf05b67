"""Calls that the source shows, as inputs: random, zero or one tensors, numbers of a range, plain values."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .values import tensor

_RANDOM = ("randn", "rand", "empty", "normal", "Tensor", "FloatTensor")
_FILLED = {"zeros": 0, "ones": 1}
_WHOLE = [{"$ref": "torch:%s" % name} for name in ("long", "int64", "int", "int32")]
_NO_VALUE = object()


def of_example(example: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Return a call that the source shows; None where not all that it gives is known."""
    args = [_value(value) for value in example["args"]]
    kwargs = {name: _value(value) for name, value in example["kwargs"].items()}
    if any(value is _NO_VALUE for value in list(args) + list(kwargs.values())):
        return None
    return {"method": example["method"], "args": args, "kwargs": kwargs, "why": "as %s does" % example["where"]}


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "$call" not in value:
        return _NO_VALUE
    callee, args, kwargs = value["$call"]
    name = callee.get("$ref", "").rpartition(":")[2]
    if name == "Variable" and args:
        return _value(args[0])
    if name == "randint":
        return _of_range(args, kwargs)
    if name == "arange" and len(args) == 1 and type(args[0]) is int:
        return tensor("int64", args, args[0])
    if name == "tensor" and args and isinstance(args[0], list) and args[0]:
        return _listed(args[0])
    sizes = _sizes(args) or _sizes([kwargs.get("size", ())])
    if not sizes or name not in _RANDOM and name not in _FILLED:
        return _NO_VALUE
    if kwargs.get("dtype") in _WHOLE:
        return tensor("int64", sizes, _FILLED.get(name, 0) + 1)
    return tensor("float32", sizes)


def _of_range(args: List[Any], kwargs: Dict[str, Any]) -> Any:
    """Return what ``randint(high, size)`` or ``randint(low, high, size)`` makes, any of them by name too."""
    is_from = len(args) > 2 or (len(args) > 1 and "size" in kwargs)
    given = dict(zip(("low", "high", "size") if is_from else ("high", "size"), args))
    given.update(kwargs)
    sizes, high = _sizes([given.get("size")]), given.get("high")
    return tensor("int64", sizes, high) if sizes and type(high) is int else _NO_VALUE


def _listed(values: List[Any]) -> Any:
    """Return what a list of whole numbers is as a tensor; of others only the shape counts, and it is one of numbers."""
    if all(type(value) is int and value >= 0 for value in values):
        return tensor("int64", [len(values)], max(values) + 1)
    return tensor("float32", [len(values)]) if all(isinstance(value, float) for value in values) else _NO_VALUE


def _sizes(args: List[Any]) -> List[int]:
    """Return sizes that are given one by one, or together; [] where they are none."""
    first = args[0] if args else None
    if isinstance(first, dict):
        first = first.get("$tuple")
    sizes = list(first if isinstance(first, (list, tuple)) else args)
    return sizes if all(type(size) is int for size in sizes) else []
