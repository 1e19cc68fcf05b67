"""Which functions run when a model is built and called, by name: an import inside another function is not needed.

Deliberately coarse: a function counts as reached when code that runs mentions its name, wherever it is defined. What
this takes too much is little; what it leaves out is what no code that runs even names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
_ALWAYS = frozenset(("__init__", "__new__", "__call__", "__post_init__", "forward", "setup", "__init_subclass__"))
"""Methods that run when a class is used, without being named anywhere."""


@dataclass
class Reach:
    """What has been reached so far, and the functions that wait to be named; methods wait with a dot before theirs."""

    names: set[str] = field(default_factory=set)
    waiting: dict[str, list[tuple[str, Function]]] = field(default_factory=dict)

    def load(self, place: str, body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
        """Run a module's top level: yields (place, statements) of every function that this reaches."""
        for function, owner in _functions(body, ""):
            name = owner if owner and function.name in _ALWAYS else f".{function.name}" if owner else function.name
            self.waiting.setdefault(name, []).append((place, function))
        yield from self.mention(set(_mentioned(body, top=True)) | {name for name in self.names if name in self.waiting})

    def mention(self, names: set[str]) -> Iterator[tuple[str, list[ast.stmt]]]:
        """Take names as mentioned by code that runs; yields the bodies that are reached by them, and by these."""
        fresh = names
        while fresh:
            self.names |= fresh
            reached = [item for name in sorted(fresh) for item in self.waiting.pop(name, [])]
            fresh = set()
            for place, function in reached:
                yield place, function.body
                fresh |= set(_mentioned(function.body)) - self.names
                fresh |= {name for name in _mentioned(function.body) if name in self.waiting}


def _functions(body: list[ast.stmt], owner: str) -> Iterator[tuple[Function, str]]:
    """Yield every function with the class that it is a method of; those inside functions belong to their outer ones."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, node.name)
        else:
            for name in ("body", "orelse", "finalbody"):
                yield from _functions(getattr(node, name, None) or [], owner)
            for handler in getattr(node, "handlers", None) or []:
                yield from _functions(handler.body, owner)


def _mentioned(body: list[ast.stmt], *, top: bool = False) -> Iterator[str]:
    """Yield the names that running these statements mentions; at a module's ``top``, functions wait for their own."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__ =="):
            continue
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets):
            continue  # offered, not used
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield f".{node.attr}"  # a method of somebody's
            if isinstance(node.value, ast.Name) and node.value.id not in ("self", "cls"):
                yield node.attr  # or a function of a module
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield from (node.value, f".{node.value}")  # getattr(module, "name"), registries
        waiting.extend(_parts(node) if top else _children(node))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes inside one, save the words that a dictionary is keyed by: a table of addresses calls nothing."""
    if isinstance(node, ast.Dict):
        yield from (key for key in node.keys if key is not None and not isinstance(key, ast.Constant))
        yield from node.values
    else:
        yield from ast.iter_child_nodes(node)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what of a node runs when its module does: of a function its defaults, of a class all but its methods."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from (*node.decorator_list, *node.args.defaults, *(part for part in node.args.kw_defaults if part))
    else:
        yield from _children(node)
