"""Lists that a source makes of others and of texts: comprehensions, ``map``, ``"3,3".split(",")``; numbers of texts."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

Value = Any
Values = Callable[[ast.expr], list[Value]]
CALLS = ("int", "float", "str", "split", "map")
_MOST_ITEMS = 64


def called(name: str, node: ast.Call, values: Values) -> list[Value]:
    """Return what one of ``CALLS`` may return, by what its arguments may be; nothing where that is not known."""
    if name == "map":
        return _mapped(node, values)
    if name == "split":
        return _split(node, values)
    return [_converted(name, value) for value in values(node.args[0])] if len(node.args) == 1 else []


def comprehended(node: ast.ListComp | ast.GeneratorExp, values: Values) -> list[Value]:
    """Return the lists of a comprehension over one list without a condition, one for each that the list may be."""
    first = node.generators[0]
    if len(node.generators) > 1 or first.ifs or not isinstance(first.target, ast.Name):
        return []
    return _each(node.elt, first.target.id, first.iter, values)


def _split(node: ast.Call, values: Values) -> list[Value]:
    by = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
    if len(node.args) > 1 or not isinstance(by, str) or not by or not isinstance(node.func, ast.Attribute):
        return []
    return [text.split(by) for text in values(node.func.value) if isinstance(text, str)]


def _mapped(node: ast.Call, values: Values) -> list[Value]:
    """Return the lists of ``map`` with a named function, or one of a single argument that is written there."""
    if len(node.args) != 2:
        return []
    action, items = node.args
    if isinstance(action, ast.Lambda) and len(action.args.args) == 1:
        return _each(action.body, action.args.args[0].arg, items, values)
    if isinstance(action, ast.Name):
        return _each(ast.Call(action, [ast.Name("_", ast.Load())], []), "_", items, values)
    return []


def _each(element: ast.expr, name: str, items: ast.expr, values: Values) -> list[Value]:
    found: list[Value] = []
    for value in values(items):
        several = value["$tuple"] if isinstance(value, dict) and "$tuple" in value else value
        is_plain = isinstance(several, list) and not any(isinstance(item, (dict, list)) for item in several)
        if is_plain and len(several) <= _MOST_ITEMS:
            found.append([values(_bound(element, name, item))[0] for item in several])
    return found


def _bound(element: ast.expr, name: str, item: Value) -> ast.expr:
    """Return an expression with a plain value in the place of a name."""

    class Binder(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.Constant(item) if node.id == name else node

    made = Binder().visit(copy.deepcopy(element))
    assert isinstance(made, ast.expr)
    return made


def _converted(name: str, value: Value) -> Value:
    """Return a text as the number that it is, and a quotient as a whole number; all else as it is, for what a call
    names need not be plain."""
    if name == "int" and isinstance(value, float):
        return int(value)
    if isinstance(value, str) and name != "str":
        return int(value) if name == "int" else float(value)
    return value
