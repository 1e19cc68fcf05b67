"""The plain form of made-up inputs, and of numbers that JSON has none for."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional


def tensor(
    dtype: str, shape: List[int], high: int = 0, filled: Optional[int] = None, is_array: bool = False
) -> Dict[str, Any]:
    """Return the plain form of a made-up tensor; ``high``: the number of tokens, ``filled``: one number that all of it
    is, ``is_array``: the code that takes it wants an array of NumPy's."""
    value: Dict[str, Any] = {"$tensor": [dtype, shape, high]}
    if filled is not None:
        value["filled"] = filled
    if is_array:
        value["array"] = True
    return value


def is_tensor(value: Any) -> bool:
    """Tell whether a plain form is one of a tensor."""
    return isinstance(value, dict) and "$tensor" in value


def retyped(value: Any, dtype: str, shape: List[int], high: int = 0) -> Dict[str, Any]:
    """Return the plain form of another tensor in place of one; what was an array stays one."""
    return tensor(dtype, shape, high, is_array=bool(is_tensor(value) and value.get("array")))


def finite(value: Any) -> Any:
    """Return plain values with calls for what JSON has no number for: ``float("inf")``."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$call": [{"$ref": "builtins:float"}, [repr(value)], {}]}
    return value
