"""Bounded plain JSON: strict parsing of small documents, and bounded copies of what they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dnnbox.errors import Corrupt, InputLimit, UnsafeCheckpoint
from dnnbox.text import visible

MAX_DOCUMENT_BYTES = 64 << 20
_TEXT = 20_000
_ITEMS = 1_500
_NODES = 30_000
_DEPTH = 24


def loads(data: bytes, what: str, limit: int = MAX_DOCUMENT_BYTES, *, unique: bool = False) -> Any:
    """Parse JSON of at most ``limit`` bytes; raises InputLimit or Corrupt, never RecursionError.

    ``unique``: a key given twice is refused with UnsafeCheckpoint, because parsers differ in which one counts.
    """
    if len(data) > limit:
        raise InputLimit(f"{what} has {len(data)} bytes, at most {limit} are read")
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique if unique else None)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
        raise Corrupt(f"{what} is not JSON: {reason}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnsafeCheckpoint(f"the key {visible(twice, 80)} occurs twice in a header; loaders may differ")
    return found


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` when it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return the items of a list, each as :func:`mapping` gives it; none for anything else."""
    return [mapping(item) for item in value] if isinstance(value, list) else []


def text(value: Any, limit: int = 500) -> str:
    """Return ``value`` when it is a string, cut, else ""."""
    return value[:limit] if isinstance(value, str) else ""


def extents(value: Any) -> tuple[int, ...]:
    """Return a shape: a list of at most 64 non-negative ints; raises Corrupt for anything else."""
    if isinstance(value, list) and len(value) <= 64 and all(type(v) is int and 0 <= v < 1 << 63 for v in value):
        return tuple(value)
    raise Corrupt(f"a shape is not a list of sizes: {str(value)[:80]}")


def bounded(value: Any) -> Any:
    """Return a copy of a JSON value that is small enough to keep: long texts, lists and deep nests are cut."""
    return _Copier().copy(value, 0)


class _Copier:
    def __init__(self) -> None:
        self.left = _NODES

    def copy(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if self.left < 0 or depth > _DEPTH:
            return "…"
        if isinstance(value, str):
            return value if len(value) <= _TEXT else value[:_TEXT] + "…"
        if isinstance(value, Mapping):
            return {str(key)[:200]: self.copy(item, depth + 1) for key, item in list(value.items())[:_ITEMS]}
        if isinstance(value, (list, tuple)):
            return [self.copy(item, depth + 1) for item in value[:_ITEMS]]
        return value if value is None or isinstance(value, (bool, int, float)) else str(value)[:200]
