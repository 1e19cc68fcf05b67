"""Inputs that name rows of tables: ``self.users(pairs[:, 0])``, ``torch.index_select(self.items, 0, pairs[:, 1])``."""

from __future__ import annotations

import ast
from typing import Any, Dict, Iterator, List, Tuple

from .kinds import assigned, bare
from .parsing import dotted, index_of, is_name, parsed, whole
from .values import tensor

_CALLS = ("index_select", "embedding")
_RESHAPED = ("view", "reshape", "unsqueeze", "squeeze", "flatten")
_MOST_COLUMNS = 64


def columns(module: Any, function: Any, name: str) -> Any:
    """Return whole numbers for a parameter all of whose columns are looked up in tables, each a row that the smallest
    of them has too; None for any other parameter."""
    tree = parsed(function)
    taken = dict(_taken(tree, name))
    named = {target.id: taken[id(bare(value, _RESHAPED))] for target, value in _named(tree, taken)}
    sizes: Dict[int, int] = {}
    for index, size in _looked_up(module, tree) if taken else ():
        node = bare(index, _RESHAPED)
        number = taken.get(id(node), named.get(getattr(node, "id", ""), -1))
        sizes[number] = min(size, sizes.get(number, size))
    sizes.pop(-1, None)
    if not sizes or set(sizes) != set(taken.values()) or max(sizes) >= _MOST_COLUMNS:
        return None
    return tensor("int64", [1, max(sizes) + 1], min(sizes.values()))


def _taken(tree: ast.AST, name: str) -> Iterator[Tuple[int, int]]:
    """Yield (identity of the expression, number) where a column of a parameter is taken, ``name[:, 2]``."""
    for node in ast.walk(tree):
        index = index_of(node.slice) if isinstance(node, ast.Subscript) and is_name(node.value, name) else None
        if isinstance(index, ast.Tuple) and len(index.elts) == 2 and isinstance(index.elts[0], ast.Slice):
            number = whole(index.elts[1])
            if number is not None and number >= 0:
                yield id(node), number


def _named(tree: ast.AST, taken: Dict[int, int]) -> Iterator[Tuple[ast.Name, ast.AST]]:
    """Yield the names that a method gives to columns, with them: ``head, tail = x[:, 0], x[:, 1]``."""
    for node in ast.walk(tree):
        for target, value in assigned(node):
            if isinstance(target, ast.Name) and id(bare(value, _RESHAPED)) in taken:
                yield target, value


def _looked_up(module: Any, tree: ast.AST) -> Iterator[Tuple[ast.AST, int]]:
    """Yield (expression, rows of the table) where something is looked up in a table that the module has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            index = index_of(node.slice)
            for rows in _rows(_held(module, node.value)):
                yield index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index, rows
        elif isinstance(node, ast.Call):
            words = getattr(_held(module, node.func), "num_embeddings", None)
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if type(words) is int:
                for each in given[:1]:
                    yield each, words
            elif dotted(node.func).rpartition(".")[2] in _CALLS:
                tables = given + [getattr(node.func, "value", None)]
                for rows in [size for each in tables for size in _rows(_held(module, each))][:1]:
                    for each in given:
                        yield each, rows


def _held(module: Any, node: Any) -> Any:
    """Return what ``self.users.weight`` is; None for an expression of another kind."""
    if isinstance(node, ast.Attribute):
        holder = _held(module, node.value)
        return getattr(holder, node.attr, None) if holder is not None else None
    return module if is_name(node, "self") else None


def _rows(value: Any) -> List[int]:
    """Return how many rows a table has; [] for anything else."""
    return [int(size) for size in tuple(getattr(value, "shape", ()))[:1]]
