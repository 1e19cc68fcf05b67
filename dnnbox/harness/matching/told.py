"""Inputs that stand side by side, by what the code says of all of them: many of one batch, each with its dimensions."""

from __future__ import annotations

import inspect
from typing import Any, List, Sequence

from .kinds import Use, used
from .values import tensor

_SERIES, _WIDTH = 64, 16
_FEWEST, _MOST = 2, 12  # inputs
_PLACES = ("idx", "index", "indices", "ids")


def told(module: Any, function: Any, needed: Sequence[inspect.Parameter]) -> List[Any]:
    """Return a plain value for each parameter where the code tells the dimensions of two or more; [] where not.

    The first dimension is the batch, the second one that of a series which all share; those of which nothing is told
    are as the smallest of the others.
    """
    uses = [used(module, function, p.name) for p in needed]
    ranks = [use.rank for use in uses if use.rank]
    if len(ranks) < _FEWEST or len(needed) > _MOST:
        return []
    return [_value(p.name, use, use.rank or min(ranks)) for p, use in zip(needed, uses)]


def _value(name: str, use: Use, rank: int) -> Any:
    shape = [max(size, use.least.get(axis, 0)) for axis, size in enumerate([1, _SERIES, *[_WIDTH] * rank][:rank])]
    shape[2:] = [use.least.get(axis, _WIDTH) for axis in range(2, rank)]
    if use.words:
        return tensor("int64", shape, use.words, is_array=use.is_array)
    if name.lower().endswith(_PLACES):
        return tensor("int64", shape, _SERIES, is_array=use.is_array)
    if "mask" in name.lower():
        return tensor("float32", shape, filled=1, is_array=use.is_array)
    return tensor(use.dtype or "float32", shape, is_array=use.is_array)
