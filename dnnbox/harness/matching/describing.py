"""Shapes that a method's documentation or comments give its arguments: ``# faces: (B, T, 3, 96, 96)``."""

from __future__ import annotations

import inspect
import re
from typing import Any, Dict, List

_SIZES = r"[\[(]([^\[\]()]{1,80})[\])]"
_IN_DOCSTRING = r"^\s*%s\b[^:\n]*:[^\n]*?shape\W{0,40}?" + _SIZES
_IN_COMMENT = r"#[^\n]*\b%s\s*(?:shape|size)?\s*[:=]+\s*(?:shape|size)?\s*" + _SIZES
_MOST_DIMENSIONS = 6
_SIDE = 64
_UNTOLD = 2  # what a word stands for of which nothing is known

Sizes = Dict[str, int]


def described(function: Any, name: str, shape: List[int], sizes: Sizes) -> List[int]:
    """Return the shape that the docstring or a comment gives an argument; [] for none.

    ``shape``: of the main input. ``sizes``: what the words of the code are worth, by the arguments of the constructor.
    """
    words = _words(function, name)
    return [_size(word, place, shape, sizes) for place, word in enumerate(words)]


def main_shapes(function: Any, name: str, sizes: Sizes) -> List[List[int]]:
    """Return the shapes that are described for a method's first argument, where they say a size; those of single steps
    of a series first, ``(B, 1, 80, 16)`` of ``(B, T, 1, 80, 16)``."""
    words = _words(function, name)
    told = [place for place, word in enumerate(words) if word.isdigit() or word in sizes]
    if len(words) < 2 or not told:
        return []
    whole = described(function, name, [_SIDE], sizes)
    step = [size for place, size in enumerate(whole) if place in (0, *told)]
    return [step, whole] if len(step) < len(whole) > 4 else [whole]


def _words(function: Any, name: str) -> List[str]:
    name, docstring = re.escape(name), inspect.getdoc(function) or ""
    found = re.search(_IN_DOCSTRING % name, docstring, re.MULTILINE) or re.search(_IN_COMMENT % name, _code(function))
    words = [word.strip() for word in found[1].split(",") if word.strip()] if found else []
    return words if len(words) <= _MOST_DIMENSIONS else []


def _size(word: str, place: int, shape: List[int], sizes: Sizes) -> int:
    if word.isdigit():
        return int(word)
    known = {"b": 1, "n": 1, "bs": 1, "batch": 1, "batch_size": 1, "h": shape[-1], "w": shape[-1]}
    return sizes.get(word, known.get(word.lower(), _UNTOLD if place else 1))


def _code(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""
