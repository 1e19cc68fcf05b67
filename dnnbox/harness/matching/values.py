"""The plain form of made-up inputs."""

from __future__ import annotations

from typing import Any, Dict, List


def tensor(dtype: str, shape: List[int], high: int = 0) -> Dict[str, Any]:
    """Return the plain form of a made-up tensor; ``high``: the number of tokens."""
    return {"$tensor": [dtype, shape, high]}


def is_tensor(value: Any) -> bool:
    """Tell whether a plain form is one of a tensor."""
    return isinstance(value, dict) and "$tensor" in value
