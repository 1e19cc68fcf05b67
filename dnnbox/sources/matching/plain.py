"""Plain values: what may be one, what is known of it, its items, sums and products."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Value = Any
_LARGEST_POWER = 1 << 40


class Unknown(Exception):
    """The expression's value depends on what only a run can tell."""


def is_reference(value: Value) -> bool:
    """Tell whether a value is a reference."""
    return isinstance(value, dict) and set(value) == {"$ref"}


def is_known(value: Value) -> bool:
    """Tell whether nothing in a value is unknown."""
    if isinstance(value, dict):
        return "$unknown" not in value and all(is_known(item) for item in value.values())
    return all(is_known(item) for item in value) if isinstance(value, list) else True


def is_mapping(value: Value) -> bool:
    """Tell whether a value is a mapping, and no other object."""
    return isinstance(value, dict) and not any(key.startswith("$") for key in value)


def is_made(value: Value) -> bool:
    """Tell whether a value is an object that a call makes."""
    return isinstance(value, dict) and "$call" in value


def items(base: Value, keys: Sequence[Value]) -> Iterator[Value]:
    """Yield the items of a list or a mapping under the keys that it has; all of them where it has none."""
    if isinstance(base, dict) and "$tuple" in base:
        base = base["$tuple"]
    if is_mapping(base):
        named = [base[key] for key in keys if isinstance(key, str) and key in base]
        yield from named or base.values()
    elif isinstance(base, list):
        numbers = [key for key in keys if isinstance(key, int) and -len(base) <= key < len(base)]
        yield from [base[number] for number in numbers] or base


def calculated(action: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    """Return a sum, product or the like of two plain values; raises Unknown for others, and where it would be huge."""
    left, right = (v["$tuple"] if isinstance(v, dict) and "$tuple" in v else v for v in (left, right))
    sizes = [v for v in (left, right) if isinstance(v, (int, float))]
    if any(abs(size) > _LARGEST_POWER for size in sizes) or any(isinstance(v, dict) for v in (left, right)):
        raise Unknown
    if action is operator.mul and any(isinstance(v, (list, str)) for v in (left, right)) and max(sizes) > 256:
        raise Unknown
    return action(left, right)


def is_plain(value: Value) -> bool:
    """Tell whether a value is one, or a list of some: an array counts, another object does not."""
    if isinstance(value, dict) and "$call" in value:
        return value["$call"][0].get("$ref", "") in ("numpy:array", "np:array")
    return is_known(value) and not is_reference(value)


def encoded(value: object) -> Value:
    """Return a Python literal as JSON; raises Unknown for what has no form here (bytes, sets, complex numbers)."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [encoded(item) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, (str, int)) for key in value):
        return {str(key): encoded(item) for key, item in value.items()}
    raise Unknown


def jsonable(values: Any) -> Value:
    """Return what a configuration says as plain values; what JSON does not know becomes a text."""
    if isinstance(values, Mapping):
        return {str(key): jsonable(value) for key, value in values.items()}
    if isinstance(values, list):
        return [jsonable(value) for value in values]
    return values if values is None or isinstance(values, (bool, int, float, str)) else str(values)


def finite(value: Value) -> Value:
    """Return plain values with calls for what JSON has no number for: ``float("inf")``, ``.inf`` of YAML."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$call": [{"$ref": "builtins:float"}, [repr(value)], {}]}
    return value
