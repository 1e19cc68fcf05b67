"""Which names a function reads from a parameter: ``args.small``, ``cfg["depth"]``; that makes it a set of settings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from dnnbox.sources.matching.bindings import parameters
from dnnbox.sources.matching.classes import Classes, ClassInfo, lineage
from dnnbox.sources.matching.reading import Tree, walk

_READERS = frozenset(("get", "getattr", "hasattr"))
_MOST_NAMES, _MOST_INSIDE = 200, 12


def uses_of(
    tree: Tree, classes: Classes, infos: Sequence[ClassInfo], callees: Collection[str]
) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield ``file.py:name`` with what it reads from each parameter, for the classes and the functions of recipes."""
    for info in infos:
        if found := _of_class(info, classes):
            yield info.ref, found
    for module in tree.modules:
        for node in () if module.document else module.tree.body:
            wanted = isinstance(node, ast.FunctionDef) and f"{module.path}:{node.name}" in callees
            if wanted and isinstance(node, ast.FunctionDef) and (found := _of_function(node, ())):
                yield f"{module.path}:{node.name}", found


def read_later(classes: Classes) -> list[str]:
    """Return what methods of any module read of the settings that it keeps: some do only in a forward pass."""
    found: dict[str, None] = {}
    for info in classes.modules():
        for names in _of_class(info, classes).values():
            found |= dict.fromkeys(names)
    return list(found)


def inside(tree: Tree) -> dict[str, list[str]]:
    """Return what functions read from what they read from a parameter: ``shape`` from ``space`` of ``env.space.shape``.

    A method that is called is not read. What a forward pass gets is tensors.
    """
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for module in tree.modules:
        for function in () if module.document else module.functions:
            if function.name != "forward":
                for name, inner in _read_inside(function, set(parameters(function))):
                    found[name][inner] = None
    return {name: list(inner)[:_MOST_INSIDE] for name, inner in found.items()}


def called_elsewhere(info: ClassInfo, classes: Classes, tree: Tree) -> list[str]:
    """Return the methods of a class that other files of the source call on something: what it is run by."""
    own = {node.name for each in lineage(info, classes) for node in each.node.body if isinstance(node, ast.FunctionDef)}
    found = {
        call.func.attr
        for module in tree.modules
        if module is not info.module
        for call in module.calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in own
    }
    return sorted(name for name in found if not name.startswith("_"))


def _read_inside(function: ast.FunctionDef, names: Collection[str]) -> Iterator[tuple[str, str]]:
    below = walk(function)
    called = {id(node.func) for node in below if isinstance(node, ast.Call)}
    for node in below:
        if isinstance(node, (ast.Attribute, ast.Subscript)) and id(node) not in called:
            outer, inner = _read(node.value), _name_read(node)
            if inner and outer[1] and outer[0] in names:
                yield outer[1], inner


def _of_class(info: ClassInfo, classes: Classes) -> dict[str, list[str]]:
    for each in lineage(info, classes):
        constructor = each.method("__init__")
        if constructor is not None:
            others = [n for n in each.node.body if isinstance(n, ast.FunctionDef) and n is not constructor]
            return _of_function(constructor, others)
    return {}


def _of_function(function: ast.FunctionDef, others: Sequence[ast.FunctionDef]) -> dict[str, list[str]]:
    """Return what is read from each parameter, and from the attribute of ``self`` that it is kept as."""
    names = parameters(function)
    kept: dict[str, str] = {}
    reads: dict[str, dict[str, None]] = defaultdict(dict)
    for number, reader in enumerate((function, *others)):
        for node in walk(reader):
            if number == 0 and isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                kept |= {f"self.{t.attr}": node.value.id for t in node.targets if isinstance(t, ast.Attribute)}
            base, attribute = _read(node)
            if attribute and (base.startswith("self.") or number == 0):
                reads[base][attribute] = None
    found = {name: list(reads[name]) for name in names if name in reads}
    for attribute, name in kept.items():
        if name in names and attribute in reads:
            found[name] = list(dict.fromkeys([*found.get(name, []), *reads[attribute]]))
    return {name: read[:_MOST_NAMES] for name, read in found.items()}


def _read(node: ast.AST) -> tuple[str, str]:
    """Return (what is read from, the name that is read), or empty names."""
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return _base(node.value), _name_read(node)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _READERS
        and len(node.args) > 1
    ):
        second = node.args[1]
        return _base(node.args[0]), str(second.value) if isinstance(second, ast.Constant) else ""
    return "", ""


def _name_read(node: ast.Attribute | ast.Subscript) -> str:
    """Return the attribute, or the word that is the subscript; "" for a subscript of another kind."""
    if isinstance(node, ast.Attribute):
        return node.attr
    word = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return word if isinstance(word, str) else ""


def _base(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return f"self.{node.attr}" if is_own and isinstance(node, ast.Attribute) else ""
