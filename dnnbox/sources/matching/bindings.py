"""What names are bound to: by assignments, as parameters, on ``self``."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dnnbox.sources.matching.reading import Module, Tree


@dataclass(frozen=True)
class Given:
    """What a call passes for a parameter, with the place of the call."""

    node: ast.expr
    module: Module
    function: ast.FunctionDef | None


def assignments(body: Sequence[ast.stmt]) -> dict[str, list[ast.expr]]:
    """Return what is assigned to plain names, in order, under any condition, in loops over literals too."""
    found: dict[str, list[ast.expr]] = {}
    for statement in body:
        for node in _below(statement):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    _bind(found, target, node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                _bind(found, node.target, node.value)
            elif isinstance(node, ast.For) and isinstance(node.iter, (ast.List, ast.Tuple)):
                for element in node.iter.elts:
                    _bind(found, node.target, element)
    return found


def items_put(body: Sequence[ast.stmt], name: str, use: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the items that a mapping of that name is given above its use: ``settings["width"] = args.width``."""
    line = getattr(use, "lineno", 0)
    for node in (inner for statement in body for inner in _below(statement)):
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == name:
            key = target.slice.value if isinstance(target.slice, ast.Constant) else None
            if isinstance(key, str) and isinstance(node, ast.Assign) and node.lineno < line:
                yield key, node.value


def attributes_put(body: Sequence[ast.stmt], name: str, use: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is set on an object of that name above its use, by dotted names: ``config.patch.size = args.size``."""
    line = getattr(use, "lineno", 0)
    for node in (inner for statement in body for inner in _below(statement)):
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        first, _, rest = ast.unparse(target).partition(".") if isinstance(target, ast.Attribute) else ("", "", "")
        is_plain = first == name and rest.replace(".", "").isidentifier()
        if is_plain and isinstance(node, ast.Assign) and node.lineno < line:
            yield rest, node.value


def _below(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield a statement and those inside it, without the bodies of other functions and classes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    yield statement
    for name in ("body", "orelse", "finalbody"):
        for child in getattr(statement, name, ()):
            if isinstance(child, ast.stmt):
                yield from _below(child)
    for handler in getattr(statement, "handlers", ()):
        for child in handler.body:
            yield from _below(child)


def _bind(found: dict[str, list[ast.expr]], target: ast.expr, value: ast.expr) -> None:
    if isinstance(target, ast.Name):
        found.setdefault(target.id, []).append(value)
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for one, part in zip(target.elts, value.elts, strict=False):
            _bind(found, one, part)


def before(nodes: Sequence[ast.expr], use: ast.AST) -> Sequence[ast.expr]:
    """Return the values that a name was given above its use, or all where there are none: ``net = Wrapper(net)``."""
    line = getattr(use, "lineno", 0)
    return [node for node in nodes if (node.end_lineno or 0) < line] or nodes


def defaults(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters that have a default, with it."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    for argument, default in zip(
        positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True
    ):
        yield argument.arg, default
    for argument, each in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if each is not None:
            yield argument.arg, each


def parameters(function: ast.FunctionDef) -> list[str]:
    """Return the names of a function's parameters, without ``self``."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def passed(
    function: ast.FunctionDef, call: ast.Call, module: Module, inside: ast.FunctionDef | None
) -> dict[str, Given]:
    """Return what a call passes for the parameters of a function that it does not set anew itself."""
    found = dict(zip(parameters(function), itertools.takewhile(_is_one, call.args), strict=False))
    found |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    own = assignments(function.body)
    return {name: Given(node, module, inside) for name, node in found.items() if name not in own}


def constructors(tree: Tree) -> dict[int, tuple[str, Module]]:
    """Return by ``id`` the class by whose name each constructor is called, with its file."""
    return {
        id(child): (node.name, module)
        for module in tree.modules
        for node in (() if module.document else module.nodes)
        if isinstance(node, ast.ClassDef)
        for child in node.body
        if isinstance(child, ast.FunctionDef) and child.name == "__init__"
    }


def _is_one(argument: ast.expr) -> bool:
    return not isinstance(argument, ast.Starred)


def kept_on_self(tree: Tree) -> dict[str, list[tuple[Module, ast.expr]]]:
    """Return what objects of the tree keep, ``self.name = …``, by name; what only passes an argument on is left out."""
    found: dict[str, list[tuple[Module, ast.expr]]] = {}
    for module in tree.modules:
        for node in module.nodes:
            if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Name):
                for target in node.targets:
                    if isinstance(target, ast.Attribute) and _is_self(target.value):
                        found.setdefault(target.attr, []).append((module, node.value))
    return found


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
