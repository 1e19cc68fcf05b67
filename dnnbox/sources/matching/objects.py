"""Objects that a source keeps its settings in, and its scripts read a file over: ``cfg.merge_from_file(args.config)``.

A class that reads such an object is built from what the file says, though no argument shows it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dnnbox.sources.matching.entries import imported
from dnnbox.sources.matching.levels import is_over, of_body
from dnnbox.sources.matching.reading import Module, Tree
from dnnbox.sources.matching.settings import is_open

_DEEPEST = 3
_MOST = 4


def objects(tree: Tree) -> list[dict[str, Any]]:
    """Return each object with the first names of its settings, the ways to sizes that it leaves open, the files that
    may be read over it, and the files of the source that read it, with how many imports lie between."""
    found = []
    for module in tree.modules:
        for name, values in {} if module.document else of_body(module.tree.body).items():
            files = [config.path for config in tree.configs if is_over(config.values, values)]
            public = _public(module, name)
            if files and public:
                found.append(
                    {
                        "ref": f"{module.path}:{public}",
                        "names": list(values),
                        "open": dict(_open(values)),
                        "files": files,
                        "readers": _readers(tree, module.path),
                    }
                )
    return sorted(found, key=lambda each: -len(each["files"]))[:_MOST]


def _public(module: Module, name: str) -> str:
    """Return the name itself, or another one that the file gives the same object: a class would change ``__C``."""
    if not name.startswith("__"):
        return name
    names = [
        target.id
        for node in module.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    return names[0] if names else ""


def _open(values: Mapping[str, Any], way: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _open(value, (*way, name))
        elif is_open(name, value):
            yield ".".join((*way, name)), value


def _readers(tree: Tree, path: str) -> dict[str, int]:
    """Return the files that import a file, itself or over others, with the number of steps."""
    found = {path: 0}
    importing = {module.path: imported(tree.by_path, module) for module in tree.modules if not module.document}
    for step in range(1, _DEEPEST + 1):
        found |= {each: step for each, targets in importing.items() if each not in found and targets & set(found)}
    return found
