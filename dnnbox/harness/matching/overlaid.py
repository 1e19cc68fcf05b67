"""Calls with a file read over an object of the source that holds its settings, before anything is built."""

from __future__ import annotations

import inspect
from typing import Any, Collection, Dict, Iterator, Mapping, Sequence, Tuple

from .merging import BEFORE

_MOST_FILES, _MOST_CALLS = 24, 3
_FAR = 100

OWN = "settings of the source"
"""The origin of arguments that are an object of the source as it is."""

Object = Mapping[str, Any]


def of_parameters(
    objects: Sequence[Object], used: Mapping[str, Collection[str]], gaps: Sequence[inspect.Parameter]
) -> Iterator[Dict[str, Any]]:
    """Yield the parameters that read settings, as an object of the source that holds settings of those names."""
    for each in objects:
        names = [gap.name for gap in gaps if set(used.get(gap.name, ())) & set(each["names"])]
        if names:
            yield {name: {"$ref": each["ref"]} for name in names}


def overlaid(
    objects: Sequence[Object], callee: str, given: Sequence[Mapping[str, Any]], configs: Sequence[Mapping[str, Any]]
) -> Iterator[Tuple[Dict[str, Any], str]]:
    """Yield (arguments, file) for a callee's first calls, each with every file read over the objects that it reads: its
    own file, what that imports, or an argument that is the object.

    ``configs`` are those of the plan, the likeliest first.
    """
    plain = [kwargs for kwargs in given if "$settings" not in repr(kwargs)]
    for each in sorted(objects, key=lambda each: _steps(each, callee)):
        handed = [kwargs for kwargs in plain if {"$ref": each["ref"]} in kwargs.values()]
        taken = (handed or (plain if _steps(each, callee) < _FAR else []))[:_MOST_CALLS]
        fitting = [config for config in configs if config["where"] in each["files"]][:_MOST_FILES]
        for config in fitting:
            file, left = config["where"], {way: 0 for way in each["open"] if not _at(config["values"], way)}
            left.update((way, False) for way in _fetching(config["values"], ""))
            for kwargs in taken:
                before = {"of": {"$ref": each["ref"]}, "file": {"$path": file}, "set": left}
                yield dict(kwargs, **{BEFORE: before}), file


def _steps(each: Object, callee: str) -> int:
    """Return how many imports lie between the file of a callee and an object's."""
    steps: int = each["readers"].get(callee.partition(":")[0], _FAR)
    return steps


def _fetching(values: Mapping[str, Any], way: str) -> Iterator[str]:
    """Yield the ways to switches that are on for somebody's weights."""
    for name, value in values.items():
        if isinstance(value, dict):
            for inner in _fetching(value, "%s%s." % (way, name)):
                yield inner
        elif value is True and "pretrain" in str(name).lower():
            yield "%s%s" % (way, name)


def _at(values: Any, way: str) -> Any:
    for name in way.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values
