"""Options that are given together: by a command line, or kept by a checkpoint of the script that made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from dnnbox.sources.matching.reading import Config, Tree
from dnnbox.sources.matching.values import THE_CHECKPOINT, Value

_FEWEST_KEPT, _DEEPEST_KEPT = 3, 3
_PLAIN = (bool, int, float, str)


class Options:
    """The sets of options that belong to a script. ``kept``: what the checkpoint holds, ``{"args": {"width": 64, …}}``,
    which the model was really built with."""

    def __init__(self, tree: Tree, declared: Mapping[str, Mapping[str, Sequence[Value]]], kept: Sequence[Config]):
        self._tree, self._declared, self._kept = tree, declared, kept
        self._commands: dict[frozenset[str], list[Config]] = {}

    def kept(self, scripts: Collection[str]) -> list[Config]:
        """Return the options of the checkpoint most of which one of these scripts declares, or another for them."""
        return self._known(self._kept, scripts)

    def commands(self, scripts: Collection[str]) -> list[Config]:
        """Return the command lines most of whose options one of these scripts declares, or another file for them."""
        key = frozenset(scripts)
        if key not in self._commands:
            self._commands[key] = self._known(self._tree.commands, key)
        return self._commands[key]

    def _known(self, sets: Sequence[Config], scripts: Collection[str]) -> list[Config]:
        tables = [self._declared[path] for path in scripts if path in self._declared] or list(self._declared.values())
        return [
            each
            for each in sets
            if any(2 * sum(name in table for name in each.values) > len(each.values) for table in tables)
        ]


def kept_options(metadata: Mapping[str, Any]) -> list[Config]:
    """Return each set of plain values in what a checkpoint says of itself, below its top level."""
    return [Config(THE_CHECKPOINT, values) for values in _sets(metadata, 0)]


def _sets(values: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    plain = {name: value for name, value in values.items() if name.isidentifier() and _is_plain(value)}
    if depth and len(plain) >= _FEWEST_KEPT:
        yield plain
    for inner in values.values() if depth < _DEEPEST_KEPT else ():
        if isinstance(inner, Mapping):
            yield from _sets(inner, depth + 1)


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list) and all(map(_is_plain, value)))
