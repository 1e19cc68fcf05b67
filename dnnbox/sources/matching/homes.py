"""Where a name of a file comes from: the file itself, an import, or another file whose names are all imported."""

from __future__ import annotations

import ast
from collections.abc import Collection

from dnnbox.sources.matching.bindings import assignments
from dnnbox.sources.matching.classes import called
from dnnbox.sources.matching.reading import Module, Tree

_ENUMERATIONS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}
_MOST_STEPS = 6


def joined(source: str, original: str) -> str:
    """Return the dotted name of what an import takes: ``.`` and ``net`` are ``.net``."""
    return source + ("" if source.endswith(".") or not original else ".") + original


def reference(module: Module, name: str) -> dict[str, str]:
    """Return a reference to a name that is defined in a file of the tree."""
    return {"$ref": f"{module.path}:{name}"}


def of_library(source: str, original: str, attribute: str) -> dict[str, str]:
    """Return a reference to what an import's name holds: a class of a library, which is written large, or a module."""
    if original[:1].isupper():
        return {"$ref": f"{source}:{original}.{attribute}"}
    return {"$ref": f"{joined(source, original)}:{attribute}"}


def definitions(module: Module) -> frozenset[str]:
    """Return the classes and functions that stand at the top of a file."""
    return module.definitions


def has_members(module: Module, name: str) -> bool:
    """Tell whether a file defines a class of that name, or an enumeration by a call: its attributes are no options."""
    assigned = assignments(module.tree.body).get(name, ())
    made = {called(value) for value in assigned if isinstance(value, ast.Call)}
    return name in definitions(module) or bool(made & _ENUMERATIONS)


class Homes:
    """Finds files and names in one tree; what was looked for before is remembered."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._files: dict[str, Module | None] = {}
        self._names: dict[int, frozenset[str]] = {}

    def file_of(self, module: Module, source: str) -> Module | None:
        """Return the module of the tree that an import in ``module`` means, None for a library's."""
        key = f"{module.path}>{source}"
        if key not in self._files:
            self._files[key] = self._find_file(module, source)
        return self._files[key]

    def _find_file(self, module: Module, source: str) -> Module | None:
        level = len(source) - len(source.lstrip("."))
        tail = source.lstrip(".").replace(".", "/")
        folder = module.path.split("/")[:-1]
        if level:
            folders = ["/".join(folder[: len(folder) - level + 1])]
        else:
            folders = ["/".join(folder[:end]) for end in range(len(folder), -1, -1)]
            folders += ["src"]
        for base in folders:
            stem = "/".join(part for part in (base, tail) if part)
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self.tree.by_path:
                    return self.tree.by_path[path]
        return None

    def home(self, name: str, module: Module, seen: Collection[int] = ()) -> Module | None:
        """Return the file that binds a name which a file uses: itself, else one whose names it imports by a star."""
        if name in self._bound(module):
            return module
        for source in module.stars:
            other = self.file_of(module, source)
            if other is not None and id(other) not in seen:
                found = self.home(name, other, (*seen, id(module)))
                if found is not None:
                    return found
        return None

    def origin(self, name: str, module: Module) -> Module:
        """Return the file that a name comes from which another one offers, through imports of imports."""
        for _ in range(_MOST_STEPS):
            home = self.home(name, module)
            if home is None or name in definitions(home) or name not in home.aliases:
                return home or module
            source, name = home.aliases[name]
            module = self.file_of(home, source) or home
            if module is home:
                break
        return module

    def is_another(self, name: str, module: Module, home: Module) -> bool:
        """Tell whether what a file calls so is defined in another file than that one."""
        origin = self.origin(name, module)
        return origin is not home and name in definitions(origin)

    def _bound(self, module: Module) -> frozenset[str]:
        if id(module) not in self._names:
            names = definitions(module) | set(module.aliases) | set(assignments(module.tree.body))
            self._names[id(module)] = frozenset(names)
        return self._names[id(module)]
