"""Foreign Python as a syntax tree: read, never imported, and nothing of it may end or disturb the reader."""

from __future__ import annotations

import ast
import warnings


def parse(data: bytes | str) -> ast.Module | None:
    """Return the syntax tree; None for what is no Python of today, or is nested deeper than the parser goes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes are not our warnings
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
