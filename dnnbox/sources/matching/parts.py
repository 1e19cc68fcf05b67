"""Arguments that decide which parts a class has: classes that its constructor calls, functions that it looks up by a
text, and mappings whose keys become the names of parts: ``for head in heads: setattr(self, head, …)``.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from dnnbox.sources.matching.bindings import defaults, parameters
from dnnbox.sources.matching.classes import Classes, ClassInfo, called, lineage
from dnnbox.sources.matching.homes import Homes, definitions
from dnnbox.sources.matching.lookups import file_of, looked_up
from dnnbox.sources.matching.ranking import Ranked
from dnnbox.sources.matching.reading import walk
from dnnbox.sources.matching.views import View

Shapes = Mapping[str, Sequence[int]]
"""Of the tensors of a checkpoint, by their names."""

_MOST_CHOICES = 8
_REGISTERING = ("setattr", "__setattr__", "add_module")


def parts_of(
    info: ClassInfo,
    classes: Classes,
    ranked: Sequence[tuple[str, Ranked, list[str]]],
    homes: Homes,
    named: dict[str, int],
) -> dict[str, Any]:
    """Return what parameters may be that decide about parts, ``choices`` by name and ``keyed`` mappings, and the
    attributes that hold what an argument makes, ``held``. ``named``: the parts that no attribute explains."""
    constructor = _constructor(info, classes)
    if constructor is None:
        return {}
    names = parameters(constructor)
    made = list(_called(constructor, names))
    choices: dict[str, list[Any]] = {}
    for attribute, name, call in made:
        fitting = [{"$ref": each.ref} for each in _callable(call, attribute, ranked, classes) if each is not info]
        if fitting:
            choices.setdefault(name, fitting[:_MOST_CHOICES])
    for name, found in _looked_up(info, constructor, names, homes):
        choices.setdefault(name, found[:_MOST_CHOICES])
    keyed = dict.fromkeys(_keyed(constructor, names), named)
    return {"choices": choices, "keyed": keyed if named else {}, "held": [attribute for attribute, _, _ in made]}


def _constructor(info: ClassInfo, classes: Classes) -> ast.FunctionDef | None:
    """Return the constructor that a class has or inherits."""
    return next((method for each in lineage(info, classes) if (method := each.method("__init__"))), None)


def named_parts(info: ClassInfo, classes: Classes, view: View, shapes: Shapes) -> dict[str, int]:
    """Return the first names that no attribute of a class explains, each with the size that its last tensor ends in."""
    known = {name for each in lineage(info, classes) for name in each.attributes}
    found: dict[str, int] = {}
    for key in view.keys:
        first, dot, _ = key.partition(".")
        shape = shapes.get(view.prefix + key, ())
        if dot and first not in known and shape:
            found[first] = shape[0]
    return found


def _called(constructor: ast.FunctionDef, names: Collection[str]) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield (attribute, parameter, call) where what an argument makes is kept: ``self.field = field(width=4)``."""
    for node in walk(constructor):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            name = node.value.func.id
            for target in node.targets if name in names else ():
                if isinstance(target, ast.Attribute):
                    yield target.attr, name, node.value


def _callable(
    call: ast.Call, attribute: str, ranked: Sequence[tuple[str, Ranked, list[str]]], classes: Classes
) -> Iterator[ClassInfo]:
    """Yield the classes that a call may be of: those that explain what is kept first."""
    for is_own in (True, False):
        for view, each, _ in ranked:
            if (view == attribute) is is_own and _takes(each.info, call, classes):
                yield each.info


def _takes(info: ClassInfo, call: ast.Call, classes: Classes) -> bool:
    """Tell whether a class can be made with these arguments."""
    constructor = _constructor(info, classes)
    if constructor is None or any(keyword.arg is None for keyword in call.keywords):
        return False
    names, given = parameters(constructor), {keyword.arg for keyword in call.keywords}
    optional = {name for name, _ in defaults(constructor)}
    positional = names[: len(call.args)]
    known = given <= set(names) or constructor.args.kwarg is not None
    return known and len(positional) == len(call.args) and set(names) <= {*given, *positional, *optional}


def _looked_up(
    info: ClassInfo, constructor: ast.FunctionDef, names: Collection[str], homes: Homes
) -> Iterator[tuple[str, list[Any]]]:
    """Yield a parameter by whose text a function is looked up, ``globals()[name]``, with those functions of that file
    that make an object of another of its classes."""
    for node in walk(constructor):
        lookup = looked_up(node) if isinstance(node, (ast.Subscript, ast.Call)) else None
        if lookup is None or not isinstance(lookup.key, ast.Name) or lookup.key.id not in names:
            continue
        file = file_of(lookup, info.module, homes)
        if file is not None:
            own = {name for name in definitions(file) if name[:1].isupper()} - {info.name}
            functions = [each for each in file.tree.body if isinstance(each, ast.FunctionDef)]
            yield lookup.key.id, [each.name for each in functions if _calls(each) & own]


def _calls(function: ast.FunctionDef) -> set[str]:
    return {called(node) for node in walk(function) if isinstance(node, ast.Call)}


def _keyed(constructor: ast.FunctionDef, names: Collection[str]) -> list[str]:
    """Return the parameters over which a constructor runs to register something under each key."""
    kept = {
        f"self.{target.attr}": node.value.id
        for node in walk(constructor)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }
    found = []
    for node in walk(constructor):
        if isinstance(node, ast.For) and any(_registers(inner, node.target) for inner in walk(node)):
            source = ast.unparse(node.iter).removesuffix(".keys()").removesuffix(".items()")
            found.append(kept.get(source, source))
    return [name for name in dict.fromkeys(found) if name in names]


def _registers(node: ast.AST, target: ast.expr) -> bool:
    keys = {each.id for each in walk(target) if isinstance(each, ast.Name)}
    if not isinstance(node, ast.Call) or called(node) not in _REGISTERING:
        return False
    return any(isinstance(argument, ast.Name) and argument.id in keys for argument in itertools.islice(node.args, 2))
