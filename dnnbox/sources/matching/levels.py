"""Settings inside settings: set by a script level by level, with a file over them, or put together from files."""

from __future__ import annotations

import ast
import copy
import posixpath
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
            for name, values in of_body(body).items():
                yield f"{module.path}: {name}", values


def of_body(body: Sequence[ast.stmt]) -> dict[str, dict[str, Any]]:
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


def shared(values: Mapping[str, Any], tree: Mapping[str, Any]) -> int:
    """Return how many settings inside levels a file and defaults have in common."""
    known = {
        name for name, value in values.items() if isinstance(value, Mapping) and isinstance(tree.get(name), Mapping)
    }
    return sum(inner in tree[name] for name in known for inner in values[name])


def is_over(values: Mapping[str, Any], tree: Mapping[str, Any]) -> bool:
    """Tell whether a file is one of settings over these defaults: they know at least half of what stands in levels."""
    inside = sum(len(value) for value in values.values() if isinstance(value, Mapping))
    return 2 * shared(values, tree) >= inside > 0


def over(values: Mapping[str, Any], trees: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a file's settings over the defaults that know its levels best; as they are where none knows them."""
    best = max(trees, key=lambda tree: shared(values, tree), default=None)
    is_of_it = best is not None and is_over(values, best)
    return _laid(copy.deepcopy(dict(best)), values) if best is not None and is_of_it else values


_DEFAULTS = ("default", "defaults", "default_config", "default_cfg", "base", "common")


def defaults_of(config: Config, configs: Sequence[Config]) -> list[Mapping[str, Any]]:
    """Return what files of defaults hold in a configuration's folder or above it, the nearest last: a script reads
    those first, which no file needs to say."""
    above = [each for each in configs if each is not config and _stem(each.path) in _DEFAULTS]
    near = [
        each for each in above if f"/{config.path}".startswith(f"/{posixpath.dirname(each.path)}".rstrip("/") + "/")
    ]
    return [each.values for each in sorted(near, key=lambda each: each.path.count("/"))]


def _stem(path: str) -> str:
    return posixpath.basename(path).partition(".")[0].lower().strip("_")


_BASES = ("_BASE_", "_base_", "__BASE__", "BASE", "base_config", "inherit_from")
_MOST_BASES = 6


def with_bases(configs: Sequence[Config]) -> list[Config]:
    """Return configurations with those under them that they name as their base: ``_BASE_: ../base.yaml``."""
    by_path = {config.path: config.values for config in configs}
    return [Config(config.path, _based(config.path, by_path, _MOST_BASES)) for config in configs]


def _based(path: str, by_path: Mapping[str, Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
    values = by_path[path]
    named = [base for key in _BASES for base in _texts(values.get(key))]
    places = [posixpath.normpath(posixpath.join(posixpath.dirname(path), base)) for base in named]
    whole: dict[str, Any] = {}
    for place in places if depth else ():
        if place in by_path and place != path:
            whole = _laid(whole, copy.deepcopy(dict(_based(place, by_path, depth - 1))))
    return _laid(whole, {name: value for name, value in values.items() if name not in _BASES}) if whole else values


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str) and text]


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
