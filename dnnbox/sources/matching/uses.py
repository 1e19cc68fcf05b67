"""Which names a function reads from a parameter: ``args.small``, ``cfg["depth"]``; that makes it a set of settings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from dnnbox.sources.matching.bindings import parameters
from dnnbox.sources.matching.classes import Classes, ClassInfo, lineage
from dnnbox.sources.matching.reading import Tree, walk

_READERS = frozenset(("get", "getattr", "hasattr"))
_MOST_NAMES = 200


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
    if isinstance(node, ast.Attribute):
        return _base(node.value), node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return _base(node.value), node.slice.value if isinstance(node.slice.value, str) else ""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _READERS
        and len(node.args) > 1
    ):
        second = node.args[1]
        return _base(node.args[0]), str(second.value) if isinstance(second, ast.Constant) else ""
    return "", ""


def _base(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return f"self.{node.attr}" if is_own and isinstance(node, ast.Attribute) else ""
