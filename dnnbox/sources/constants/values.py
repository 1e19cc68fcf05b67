"""Literal values of expressions: numbers, texts, lists, names of constants in the same file or in an imported one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dnnbox.sources.classes import parsed

LIBRARY: Mapping[str, Any] = {
    "IMAGENET_DEFAULT_MEAN": (0.485, 0.456, 0.406),
    "IMAGENET_DEFAULT_STD": (0.229, 0.224, 0.225),
    "IMAGENET_INCEPTION_MEAN": (0.5, 0.5, 0.5),
    "IMAGENET_INCEPTION_STD": (0.5, 0.5, 0.5),
    "OPENAI_CLIP_MEAN": (0.48145466, 0.4578275, 0.40821073),
    "OPENAI_CLIP_STD": (0.26862954, 0.26130258, 0.27577711),
    "imagenet_stats": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Constants that libraries export and sources import: timm.data.constants, fastai.vision. Checked 2026-11-25."""


class Unknown(ValueError):
    """The value is not a literal."""


class Scope:
    """The constants that a module can name. ``defaults`` are those of the functions around, innermost last."""

    def __init__(self, known: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
        self.known = {**known, **(defaults or {})}

    def value(self, node: ast.expr | None) -> Any:
        """Return the value of an expression.

        Raises:
            Unknown: it depends on something that is not written out.
        """
        match node:
            case ast.Constant():
                return node.value
            case ast.List() | ast.Tuple():
                return tuple(self.value(item) for item in node.elts)
            case ast.Name() if node.id in self.known:
                return self.known[node.id]
            case ast.Attribute() if node.attr in self.known:
                return self.known[node.attr]
            case ast.UnaryOp(op=ast.USub()):
                return -_number(self.value(node.operand))
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Subscript():
                return self._item(node)
        raise Unknown

    def _item(self, node: ast.Subscript) -> Any:
        place = self.value(node.slice) if isinstance(node.slice, ast.expr) else None
        held = self.value(node.value)
        if isinstance(held, tuple) and isinstance(place, int) and -len(held) <= place < len(held):
            return held[place]
        raise Unknown

    def _arithmetic(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, tuple) and isinstance(right, int) and isinstance(node.op, ast.Mult) and right < 16:
            return left * right
        left, right = _number(left), _number(right)
        if isinstance(node.op, ast.Div) and right:
            return left / right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        raise Unknown


def _number(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise Unknown


def module_scope(tree: ast.Module, imported: Mapping[str, Any]) -> Scope:
    """Return the constants of a module: what it assigns at its top level, and what it imports."""
    scope = Scope({**LIBRARY, **imported})
    for node in tree.body:
        for name, value in _assigned(node):
            try:
                scope.known[name] = scope.value(value)
            except Unknown:
                scope.known.pop(name, None)
    return scope


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value


@lru_cache(maxsize=2048)
def tree_of(path: Path) -> ast.Module | None:
    """Return the syntax tree of a file, None where it is too large or no Python; files of one run do not change."""
    return parsed(path, "")
