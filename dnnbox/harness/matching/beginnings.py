"""A value to begin with for an argument of which only the name is known: the solver changes it."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

_WIDTHS = tuple("dim width chan feat size hidden embed class vocab _ch _nc nc nf in out".split())
_LISTS = ("depths", "dims", "layers", "num_blocks", "block_config", "channels", "filters", "num_heads")
_DEVICES = ("device", "dev", "devices")


def begin(
    words: Optional[Sequence[str]], common: List[int], name: str, annotation: str, number: int, flat: bool
) -> Any:
    """Return the value. ``words``: those that the name is compared with; ``common``: the sizes that most tensors have,
    ``number``: which of them; ``flat``: no size is taken for a width."""
    if annotation == "str" or (words and annotation != "int"):
        return words[0] if words else ""
    if annotation == "bool" or name.startswith(("use_", "is_", "with_")):
        return False
    if "list" in annotation.lower() or "tuple" in annotation.lower() or name in _LISTS:
        return [2] * 4
    if annotation == "float":
        return 1.0
    is_width = any(part in name.lower() for part in _WIDTHS)
    return common[number % len(common)] if is_width != flat else 2


def on_cpu(name: str, value: Any) -> Any:
    """Return the argument; the number of a GPU, ``"0,1"``, is the CPU where the name says that it is a device."""
    numbers = str(value).replace(",", "").replace(" ", "")
    is_number = name in _DEVICES and isinstance(value, (str, int)) and (numbers.isdigit() or not numbers)
    return "cpu" if is_number else value
