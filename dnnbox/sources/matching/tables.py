"""What a call may be of that does not say its name: ``NETS[args.net](…)``, ``args.net_class = eval(args.net)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from dnnbox.sources.matching.classes import called, last_name
from dnnbox.sources.matching.homes import Homes, definitions
from dnnbox.sources.matching.lookups import file_of, looked_up
from dnnbox.sources.matching.reading import Module

_MOST_STEPS = 2


class Tables:
    """Finds the names of classes and functions that are chosen by a text, in one tree."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        self._kept: dict[int, dict[str, list[ast.expr]]] = {}

    def names(self, call: ast.Call, module: Module) -> frozenset[str]:
        """Return the names of what a call may be of; none where it says the name itself."""
        name = last_name(call.func)
        if name in module.aliases or name in definitions(module):
            return frozenset()
        return frozenset(self._chosen(call.func, module, _MOST_STEPS))

    def _chosen(self, node: ast.expr, module: Module, steps: int) -> Iterator[str]:
        """Yield the names that an expression chooses one of, or those that a name was given so."""
        lookup = looked_up(node) if isinstance(node, (ast.Subscript, ast.Call)) else None
        if lookup is not None:
            file = file_of(lookup, module, self._homes)
            if file is not None:
                yield from self._named(file, file is module or file.path.endswith("__init__.py"))
        elif isinstance(node, ast.Call) and called(node) == "eval":
            yield from self._named(module, with_imported=True)
        elif isinstance(node, ast.Subscript):
            for table, home in self._tables(node.value, module):
                yield from (home.original(last_name(value)) for value in table if last_name(value))
        elif isinstance(node, (ast.Name, ast.Attribute)) and steps:
            for value in self._given(module).get(last_name(node), ()):
                if isinstance(value, (ast.Subscript, ast.Call)):
                    yield from self._chosen(value, module, steps - 1)

    def _named(self, module: Module, with_imported: bool, steps: int = _MOST_STEPS) -> Iterator[str]:
        """Yield the names that a text may mean in a file: what it defines, and what it imports if it is there to be
        used by them, by name or all names of a file: ``from .resnet import *``."""
        yield from definitions(module)
        if with_imported:
            yield from (original for _, original in module.aliases.values() if original)
            starred = (self._homes.file_of(module, source) for source in module.stars) if steps else ()
            for file in starred:
                if file is not None and file is not module:
                    yield from self._named(file, with_imported, steps - 1)

    def _tables(self, node: ast.expr, module: Module) -> Iterator[tuple[list[ast.expr], Module]]:
        """Yield what stands in a table, with its file: one that is written there, or has a name here or elsewhere."""
        name, home = last_name(node), module
        if name in module.aliases:
            source, name = module.aliases[name]
            home = self._homes.file_of(module, source) or module
        for each in [node] if isinstance(node, (ast.Dict, ast.Call)) else self._given(home).get(name, ()):
            if isinstance(each, ast.Dict):
                yield each.values, home
            elif isinstance(each, ast.Call) and called(each) == "dict":
                yield [keyword.value for keyword in each.keywords], home

    def _given(self, module: Module) -> dict[str, list[ast.expr]]:
        """Return what each name and attribute of a file is given anywhere."""
        if id(module) not in self._kept:
            found = self._kept[id(module)] = {}
            for node in (each for each in module.nodes if isinstance(each, ast.Assign)):
                for target in node.targets:
                    found.setdefault(last_name(target), []).append(node.value)
        return self._kept[id(module)]


def names_called(module: Module, below: Sequence[ast.AST], tables: Tables) -> frozenset[str]:
    """Return the names of everything that is called, as far as they are known."""
    calls = [node for node in below if isinstance(node, ast.Call)]
    said = {module.original(called(call)) for call in calls}
    return frozenset(said.union(*(tables.names(call, module) for call in calls)))
