"""A number that the source reads as a list: which argument it was, by the line that failed."""

from __future__ import annotations

import ast
import linecache
import re
from typing import Any, Dict, Iterator, Optional

from .. import oldsyntax

_REFUSED = re.compile(
    r"'(int|float)' object is not (subscriptable|iterable)"
    r"|cannot unpack non-iterable (int|float)|object of type '(int|float)' has no len"
)
_READERS = ("len", "list", "tuple", "zip", "enumerate", "sum", "max", "min", "iter", "map", "set", "sorted", "reversed")


def read_as_list(error: BaseException) -> str:
    """Return the last name of what was read as a list and is a number, ``scale`` of ``args.scale[0]``; "" for none."""
    if not isinstance(error, TypeError) or not _REFUSED.search(str(error)):
        return ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    for node in _read(trace.tb_frame.f_code.co_filename, trace.tb_lineno):
        if type(_value(node, trace.tb_frame.f_locals)) in (int, float):
            return _last_name(node)
    return ""


def listed(values: Any, name: str) -> Optional[Any]:
    """Return plain values with the number of that name as a list of one, wherever it stands; None where none is."""
    if not isinstance(values, dict):
        return None
    if type(values.get(name)) in (int, float):
        return dict(values, **{name: [values[name]]})
    for key, inner in values.items():
        if key == "$call":
            changed = listed(inner[2], name)
            inner_changed: Any = None if changed is None else [inner[0], inner[1], changed]
        else:
            inner_changed = listed(inner, name)
        if inner_changed is not None:
            return dict(values, **{key: inner_changed})
    return None


def _read(path: str, line: int) -> Iterator[ast.expr]:
    """Yield what a line reads item by item."""
    try:
        tree = oldsyntax.parsed("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        for read in _readings(node):
            if getattr(read, "lineno", -1) == line:
                yield read


def _readings(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, (ast.Subscript, ast.Starred)):
        yield node.value
    elif isinstance(node, (ast.For, ast.comprehension)):
        yield node.iter
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Tuple, ast.List)):
        yield node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _READERS:
        for argument in node.args:
            yield argument


def _value(node: ast.expr, known: Dict[str, Any]) -> Any:
    """Return what a name, an attribute or an item was worth when the line failed."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        return _held(_value(node.value, known)).get(node.attr)
    if isinstance(node, ast.Subscript) and _key(node):
        return _held(_value(node.value, known)).get(_key(node))
    return None


def _held(holder: Any) -> Dict[str, Any]:
    """Return what an object holds by name, without running code of its class."""
    return dict(holder) if isinstance(holder, dict) else dict(getattr(holder, "__dict__", {}))


def _key(node: ast.Subscript) -> str:
    key = getattr(node.slice, "value", None)
    key = getattr(key, "value", key)  # before Python 3.9 an index lies between
    return key if isinstance(key, str) else ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _key(node)
    return str(getattr(node, "attr", getattr(node, "id", "")))
