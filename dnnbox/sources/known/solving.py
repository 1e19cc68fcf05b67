"""The small language of the catalogue: arguments from tensor shapes and from what the file says of itself.

Python's own expressions without names, attributes or calls but those listed here; nothing in it can act.

* ``size(name, axis)`` the length of a dimension; ``rank(name)``; ``any_size(names, axis)`` of the first that is there
* ``layers(prefix)`` the highest number behind a prefix, plus one; ``last(pattern)`` the name with the highest for ``*``
* ``has(regex)`` whether a name matches; ``meta(path)`` a value that the file says of itself, None where it does not
* ``sqrt round min max abs len``
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from dnnbox.syntax import ARITHMETIC

Shapes = Mapping[str, tuple[int, ...]]


class Unsolved(ValueError):
    """An expression has no value for these tensors."""


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    **ARITHMETIC,
    ast.Pow: operator.pow,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.UAdd: operator.pos,
}


class Solver:
    """Evaluates expressions over one set of tensors. ``known`` holds arguments that were solved before."""

    def __init__(self, shapes: Shapes, metadata: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> None:
        self._shapes, self._metadata, self._known = shapes, metadata, dict(known or {})
        self._functions: Mapping[str, Callable[..., Any]] = {
            "size": self._size,
            "rank": lambda name: len(self._shape(name)),
            "any_size": self._any_size,
            "layers": self._layers,
            "last": self._last,
            "has": lambda pattern: any(re.search(pattern, name) for name in self._shapes),
            "meta": self._meta,
            "sqrt": math.sqrt,
            "round": round,
            "min": min,
            "max": max,
            "abs": abs,
            "len": len,
        }

    def value(self, expression: str) -> Any:
        """Return the value of an expression.

        Raises:
            Unsolved: a tensor or a value that it needs is not there.
        """
        try:
            return self._of(ast.parse(expression, mode="eval").body)
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, SyntaxError) as error:
            raise Unsolved(f"{expression}: {error}") from error

    def _of(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._known[node.id]
            case ast.Attribute():
                return self._of(node.value)[node.attr]
            case ast.Subscript():
                return self._of(node.value)[self._of(node.slice)]
            case ast.List() | ast.Tuple():
                return [self._of(item) for item in node.elts]
            case ast.Dict():
                return {self._of(key): self._of(item) for key, item in zip(node.keys, node.values, strict=True) if key}
            case ast.Call(func=ast.Name(id=function)):
                return self._functions[function](*(self._of(item) for item in node.args))
            case _:
                return self._of_operator(node)

    def _of_operator(self, node: ast.expr) -> Any:
        match node:
            case ast.BinOp():
                return _BINARY[type(node.op)](self._of(node.left), self._of(node.right))
            case ast.UnaryOp():
                return _UNARY[type(node.op)](self._of(node.operand))
            case ast.Compare(ops=[op], comparators=[right]):
                return _COMPARE[type(op)](self._of(node.left), self._of(right))
            case ast.BoolOp(op=ast.And()):
                return all(self._of(item) for item in node.values)
            case ast.BoolOp():
                return next((found for item in node.values if (found := self._of(item))), None)
            case ast.IfExp():
                return self._of(node.body if self._of(node.test) else node.orelse)
        raise ValueError(f"{type(node).__name__} is not part of the language")

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self._shapes:
            raise ValueError(f"no tensor {name}")
        return self._shapes[name]

    def _size(self, name: str, axis: int) -> int:
        return self._shape(name)[axis]

    def _any_size(self, names: list[str], axis: int) -> int:
        return self._size(next(name for name in [*names, names[0]] if name in self._shapes or name == names[0]), axis)

    def _layers(self, prefix: str) -> int:
        starts = (name.removeprefix(prefix).partition(".")[0] for name in self._shapes if name.startswith(prefix))
        return max((int(start) + 1 for start in starts if start.isdigit()), default=0)

    def _last(self, pattern: str) -> str:
        found = re.compile(re.escape(pattern).replace(r"\*", r"(\d+)") + "$")
        numbered = [(int(hit.group(1)), name) for name in self._shapes if (hit := found.match(name))]
        return max(numbered)[1]

    def _meta(self, path: str) -> Any:
        place: Any = self._metadata
        for key in path.split("."):
            place = place.get(key) if isinstance(place, Mapping) else None
        return place
