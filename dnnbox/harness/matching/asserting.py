"""Shapes of an input by what a method asserts of it: ``assert x.shape[-1] == self.width``."""

from __future__ import annotations

import ast
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from .parsing import is_name, is_shape

_FREE = (128, 16, 1024)  # what a dimension may be of which nothing is said
_MOST_DIMENSIONS = 6


def asserted(module: Any, tree: ast.AST, name: str) -> List[List[int]]:
    """Return shapes to try for a parameter; none where a method asserts nothing of its sizes."""
    count = 0
    sizes: Dict[int, int] = {}
    for left, right in _equalities(tree):
        if _is_count(left, name):
            count = _worth(right, module)
            continue
        place = _place(left, name)
        if place is not None and _worth(right, module):
            sizes[place] = _worth(right, module)
    count = count or max([place + 1 if place >= 0 else -place for place in sizes], default=0)
    if not sizes or count > _MOST_DIMENSIONS or any(not -count <= place < count for place in sizes):
        return []
    known = {place % count: size for place, size in sizes.items()}
    free = [place for place in range(count) if place not in known and place]
    shapes = [[known.get(place, size if place else 1) for place in range(count)] for size in _FREE]
    return shapes if free else shapes[:1]


def remainders(tree: ast.AST) -> List[Tuple[int, int]]:
    """Return (divisor, rest) of sizes by what a method asserts: ``(height - 1) % 8 == 0`` is (8, 1)."""
    found = []
    for left, right in _equalities(tree):
        if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mod):
            divisor, rest, less = _worth(left.right, None), _number(right), 0
            if isinstance(left.left, ast.BinOp) and isinstance(left.left.op, ast.Sub):
                less = _number(left.left.right)
            if divisor > 1:
                found.append((divisor, (rest + less) % divisor))
    return list(dict.fromkeys(found))


def demanded(tree: ast.AST) -> Set[str]:
    """Return the names that a method asserts to be given, whatever else decides: ``assert (y is not None) == …``; and
    those without which it raises: ``if y is None: raise …``."""
    raising = [n.test for n in ast.walk(tree) if isinstance(n, ast.If) and isinstance(n.body[0], ast.Raise)]
    tests = raising + [node.test for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    compared = [part for test in tests for part in ast.walk(test) if isinstance(part, ast.Compare)]
    return {
        part.left.id
        for part in compared
        if isinstance(part.left, ast.Name) and isinstance(part.ops[0], (ast.Is, ast.IsNot))
    }


def _number(node: ast.expr) -> int:
    value = getattr(node, "value", getattr(node, "n", None))
    return value if type(value) is int else 0


def _equalities(tree: ast.AST) -> Iterator[Tuple[ast.expr, ast.expr]]:
    for node in ast.walk(tree):
        tests = [node.test] if isinstance(node, ast.Assert) else []
        for test in tests:
            parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
            for part in parts:
                if isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.ops[0], ast.Eq):
                    yield part.left, part.comparators[0]


def _is_count(node: ast.expr, name: str) -> bool:
    """Tell whether it is the number of dimensions: ``len(x.shape)``, ``x.dim()``, ``x.ndim``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" and node.args:
        return is_shape(node.args[0], name)
    node = node.func if isinstance(node, ast.Call) else node
    return isinstance(node, ast.Attribute) and node.attr in ("dim", "ndim") and is_name(node.value, name)


def _place(node: ast.expr, name: str) -> Optional[int]:
    """Return which dimension ``x.shape[-1]`` or ``x.size(1)`` is."""
    index: Any = None
    if isinstance(node, ast.Subscript) and is_shape(node.value, name):
        index = getattr(node.slice, "value", node.slice) if type(node.slice).__name__ == "Index" else node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "size" and node.args:
        index = node.args[0] if is_name(node.func.value, name) else None
    try:
        place = ast.literal_eval(index) if index is not None else None
    except ValueError:
        return None
    return place if type(place) is int else None


def _worth(node: ast.expr, module: Any) -> int:
    """Return a size: a number, or what the module holds under a name; 0 where neither is known."""
    value: Any = None
    if isinstance(node, ast.Attribute):
        names, base = [node.attr], node.value
        while isinstance(base, ast.Attribute):
            names, base = [base.attr, *names], base.value
        value = module if isinstance(base, ast.Name) and base.id == "self" else None
        for name in names:
            value = getattr(value, name, None)
    elif type(node).__name__ in ("Constant", "Num"):
        value = getattr(node, "value", getattr(node, "n", None))
    return value if type(value) is int and value > 0 else 0
