"""Classes and functions that are put into a registry by a decorator or a call, for others to make by their names."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping, Sequence

from dnnbox.sources.matching.classes import last_name
from dnnbox.sources.matching.reading import Module, Tree

Registries = Mapping[str, frozenset[str]]
"""Names of registries, each with the names of what is in it."""


def registries(tree: Tree) -> Registries:
    """Return what is registered: ``@NETS.register_module()`` above a class, ``NETS.register(Net)``."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in tree.modules:
        for node in () if module.document else module.nodes:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                for decorator in node.decorator_list:
                    found[_registry(decorator, module)].add(node.name)
            elif isinstance(node, ast.Call):
                held = [module.original(last_name(each)) for each in node.args]
                found[_registry(node, module)].update(name for name in held if name)
    return {name: frozenset(held) for name, held in found.items() if name}


def _registry(node: ast.expr, module: Module) -> str:
    """Return the name of the registry whose method for registering an expression is, or calls; "" for none."""
    function = node.func if isinstance(node, ast.Call) else node
    if not isinstance(function, ast.Attribute) or not function.attr.startswith("register"):
        return ""
    name = module.original(last_name(function.value))
    return name if name != "self" and not function.attr.startswith(("register_buffer", "register_param")) else ""


def names_of(module: Module, below: Sequence[ast.AST], known: Registries) -> frozenset[str]:
    """Return the names of what a function may make that mentions registries: ``NETS.get(name)(**settings)``."""
    mentioned = {module.original(last_name(node)) for node in below if isinstance(node, (ast.Name, ast.Attribute))}
    return frozenset(name for each in mentioned & set(known) for name in known[each])
