"""Foreign Python as a syntax tree: read, never imported, and nothing of it may end or disturb the reader."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from dnnbox.harness import oldsyntax

ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
"""What may be calculated with foreign numbers; a power may be too large for any machine."""


def parse(data: bytes | str) -> ast.Module | None:
    """Return the syntax tree; None for what is no Python, of today or of before, or is nested deeper than the parser
    goes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes are not our warnings
            return oldsyntax.parsed(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
