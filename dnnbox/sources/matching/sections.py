"""Sections of configurations that a call takes: ``build(config["model"])``, ``build(cfg.MODEL, **cfg.MORE)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dnnbox.sources.matching.plain import jsonable
from dnnbox.sources.matching.reading import Config

_MOST = 24


@dataclass(frozen=True)
class Sections:
    """What one configuration has for a call: for its arguments, by place and by name, or spread out in it."""

    where: str
    args: Mapping[int, Any] = field(default_factory=dict)
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def spread(paths: Sequence[Sequence[str]], configs: Sequence[Config]) -> list[Sections]:
    """Return what every configuration gives that has a mapping at each of the paths that a call spreads out."""
    found = []
    for config in configs if paths and all(paths) else ():
        inner = [_at(config.values, path) for path in paths]
        if all(isinstance(each, Mapping) for each in inner):
            more = {str(name): jsonable(value) for each in inner for name, value in each.items()}
            found.append(Sections(config.path, {}, more))
    return found[:_MOST]


def handed(call: ast.Call, configs: Sequence[Config], word: str) -> list[Sections]:
    """Return what every configuration gives that has sections for arguments; those that say a word somewhere first."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return []
    args = {place: _words(each) for place, each in enumerate(call.args) if _words(each)}
    kwargs = {each.arg: _words(each.value) for each in call.keywords if each.arg and _words(each.value)}
    found = []
    for config in configs if args or kwargs else ():
        placed = {place: section for place, words in args.items() for section in _sections(config, words)}
        named = {name: section for name, words in kwargs.items() for section in _sections(config, words)}
        if placed or named:
            found.append((len(placed) + len(named), _says(config.values, word), Sections(config.path, placed, named)))
    most = max((count for count, _, _ in found), default=0)
    ordered = sorted((each for each in found if each[0] == most), key=lambda each: not each[1])
    return [sections for _, _, sections in ordered[:_MOST]]


def _sections(config: Config, words: Sequence[str]) -> Iterator[Any]:
    """Yield the section that words lead to, the first ones of which may be names of objects: ``self.cfg.model``."""
    for start in range(len(words)):
        value = _at(config.values, words[start:])
        if isinstance(value, Mapping) and value and all(isinstance(name, str) for name in value):
            yield {"$settings": jsonable(value)}
            return


def _words(node: ast.expr) -> list[str]:
    """Return the words of ``config["model"]["net"]`` or ``cfg.model.net``, outermost first, without the first name."""
    words: list[str] = []
    while isinstance(node, ast.Attribute) or (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
        words.insert(0, node.attr if isinstance(node, ast.Attribute) else str(getattr(node.slice, "value", "")))
        node = node.value
    return words if isinstance(node, ast.Name) else []


def path_of(node: ast.expr) -> list[str]:
    """Return the words of ``config["model"]["net"]``, outermost first; [] for anything else."""
    return _words(node) if all(not isinstance(each, ast.Attribute) for each in ast.walk(node)) else []


def _at(values: Any, path: Sequence[str]) -> Any:
    for word in path:
        values = values.get(word) if isinstance(values, Mapping) else None
    return values


def _says(value: Any, word: str) -> bool:
    if isinstance(value, (Mapping, list)):
        return any(_says(item, word) for item in (value.values() if isinstance(value, Mapping) else value))
    return bool(value == word)
