"""The code of a method as a tree, and small questions to its expressions."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from typing import Any, List, Optional

from .. import oldsyntax
from .building import signature_of

_MOST_KEPT = 512


def parsed(function: Any) -> ast.AST:
    """Return the code of a method, which is only to be read; an empty module where there is none."""
    try:
        return _parsed(getattr(function, "__func__", function))  # not the method: that would keep its model
    except TypeError:  # nothing that can be remembered is no method
        return ast.parse("")


@functools.lru_cache(maxsize=_MOST_KEPT)
def _parsed(function: Any) -> ast.AST:
    try:
        return oldsyntax.parsed(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return ast.parse("")


def statements(function: Any) -> List[ast.stmt]:
    """Return what a method does under no condition."""
    tops = [node for node in getattr(parsed(function), "body", ()) if isinstance(node, ast.FunctionDef)]
    return tops[0].body if tops else []


def parameters(function: Any) -> List[str]:
    """Return the names of a method's parameters, itself apart."""
    return list(signature_of(function))


def is_name(node: Any, name: str) -> bool:
    """Tell whether an expression is a name."""
    return isinstance(node, ast.Name) and node.id == name


def is_shape(node: ast.AST, name: str) -> bool:
    """Tell whether it is ``x.shape`` or ``x.size()``."""
    node = node.func if isinstance(node, ast.Call) and not node.args else node
    return isinstance(node, ast.Attribute) and node.attr in ("shape", "size") and is_name(node.value, name)


def dotted(node: Any) -> str:
    """Return ``torch.from_numpy`` for that expression; "" for one of another kind."""
    if isinstance(node, ast.Name):
        return node.id
    base = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return "%s.%s" % (base, node.attr) if base else ""


def index_of(node: Any) -> Any:
    """Return what stands in a subscript; before Python 3.9 an index lies between."""
    return node.value if type(node).__name__ == "Index" else node


def word(node: Any) -> Optional[str]:
    """Return a text that is written out, in a subscript or alone; None for anything else."""
    node = index_of(node)
    value = getattr(node, "value", getattr(node, "s", None))  # before Python 3.8 a text is a kind of its own
    return value if isinstance(value, str) else None


def whole(node: Any) -> Optional[int]:
    """Return a whole number that is written out; None for anything else."""
    node, sign = index_of(node), 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    value = getattr(node, "value", getattr(node, "n", None))
    return sign * value if type(value) is int else None
