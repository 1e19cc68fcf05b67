"""Names that are looked up by a text: ``models.__dict__[arch]``, ``vars(models)[arch]``, ``getattr(models, arch)``."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dnnbox.sources.matching.classes import called
from dnnbox.sources.matching.homes import Homes, joined
from dnnbox.sources.matching.reading import Module


@dataclass(frozen=True)
class Lookup:
    """Where a name is looked up, None for the file itself, and the text that is the name."""

    place: ast.expr | None
    key: ast.expr


def looked_up(node: ast.expr) -> Lookup | None:
    """Return what an expression looks up by a text; None where it is of another kind."""
    if isinstance(node, ast.Call):
        return Lookup(node.args[0], node.args[1]) if called(node) == "getattr" and len(node.args) > 1 else None
    if not isinstance(node, ast.Subscript):
        return None
    base = node.value
    if isinstance(base, ast.Attribute) and base.attr == "__dict__":
        return Lookup(base.value, node.slice)
    if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id in ("vars", "globals"):
        return Lookup(base.args[0] if base.args else None, node.slice)
    return None


def file_of(lookup: Lookup, module: Module, homes: Homes) -> Module | None:
    """Return the file of the tree that a name is looked up in."""
    return module if lookup.place is None else homes.file_of(module, _dotted(lookup.place, module))


def references(lookup: Lookup, names: Iterable[Any], module: Module, homes: Homes) -> list[dict[str, str]]:
    """Return references to those of the names that the file has, or to all of them where it is a library's."""
    file, texts = file_of(lookup, module, homes), [name for name in names if isinstance(name, str)]
    if file is not None:
        return [{"$ref": f"{file.path}:{name}"} for name in texts if homes.home(name, file) is not None]
    place = _dotted(lookup.place, module) if lookup.place is not None else ""
    return [{"$ref": f"{place}:{name}"} for name in texts] if place and not place.startswith(".") else []


def _dotted(place: ast.expr, module: Module) -> str:
    """Return the dotted name of a module that a file has imported; "" for any other object."""
    first, dot, rest = ast.unparse(place).partition(".")
    if first not in module.aliases or not f"{first}{dot}{rest}".replace(".", "").isidentifier():
        return ""
    source, original = module.aliases[first]
    return joined(source, original) + dot + rest
