"""Settings inside settings: set by a script level by level, with a file over them, or put together from files."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dnnbox.sources.matching.reading import Config, Tree
from dnnbox.sources.matching.settings import literal

_FEWEST_SETTINGS = 4


def levels(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the files of a tree set by attributes of one name, at their top level or in one function."""
    for module in tree.modules:
        bodies = [module.tree.body, *(function.body for function in module.functions)]
        for body in () if module.document else bodies:
            for name, values in _of_body(body).items():
                yield f"{module.path}: {name}", values


def _of_body(body: Sequence[ast.stmt]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    for statement in body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        names = _names(target) if isinstance(target, ast.Attribute) else []
        for value in literal(statement.value) if isinstance(statement, ast.Assign) and names else ():
            if _put(found.setdefault(names[0], {}), names[1:], value):
                counts[names[0]] = counts.get(names[0], 0) + 1
    return {name: found[name] for name, count in counts.items() if count >= _FEWEST_SETTINGS}


def _names(node: ast.expr) -> list[str]:
    """Return ``["_C", "MODEL", "WIDTH"]`` for ``_C.MODEL.WIDTH``; [] for what an object holds, or anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) and node.id != "self" else []


def _put(values: dict[str, Any], names: Sequence[str], value: Any) -> bool:
    """Set a value in nested mappings; False where a plain one is in the way."""
    for name in names[:-1]:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            return False
        values = inner
    values[names[-1]] = value
    return True


def over(values: Mapping[str, Any], trees: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a file's settings over the defaults that know its levels best; as they are where none knows them."""
    below = {name for name, value in values.items() if isinstance(value, Mapping)}

    def shared(tree: Mapping[str, Any]) -> int:
        known = {name for name in below if isinstance(tree.get(name), Mapping)}
        return sum(inner in tree[name] for name in known for inner in values[name])

    best = max(trees, key=shared, default=None)
    is_of_it = best is not None and 2 * shared(best) >= sum(len(values[name]) for name in below) > 0
    return _laid(copy.deepcopy(dict(best)), values) if best is not None and is_of_it else values


def composed(configs: Sequence[Config]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield configurations with the files of their groups in their places, ``defaults: [model: small]``: one for every
    file of a group, beside those that the defaults name for the other groups."""
    by_path = {config.path: config.values for config in configs}
    for config in configs:
        folder = config.path.rpartition("/")[0]
        named = [item for item in _listed(config.values.get("defaults")) if isinstance(item, Mapping)]
        groups = {str(group): f"{folder}/{group}".lstrip("/") for item in named for group in item}
        taken = {group: by_path.get(f"{groups[group]}/{item[group]}.yaml") for item in named for group in item}
        whole = {**config.values, **{group: values for group, values in taken.items() if values is not None}}
        for group, place in groups.items():
            for path, values in by_path.items():
                if path.rpartition("/")[0] == place:
                    yield f"{config.path}, {path}", {**whole, group: values}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _laid(under: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        inner = under.get(name)
        under[name] = _laid(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return under
