"""A file read over the settings that a source keeps in one object: what its scripts do before they build a model.

Standard library only: an adapter imports this too. The object is the source's own, so that what reads it while the
model is built, or runs, finds it there.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Tuple

BEFORE = "$before"
"""Stands among the arguments of a call for what has to be read over an object first."""

_KEPT: List[Tuple[Any, Any]] = []


def merge(settings: Any, file: str, changes: Mapping[str, Any]) -> None:
    """Read a file over settings by their own way of doing so, if any, and set what is named level by level."""
    kind = type(settings)  # an object may take every name for a setting
    if hasattr(kind, "defrost"):
        settings.defrost()
    if file and hasattr(kind, "merge_from_file"):
        settings.merge_from_file(file)
    elif file:
        _lay(settings, _read(file))
    for name, value in changes.items():
        *levels, last = name.split(".")
        holder = settings
        for level in levels:
            holder = holder[level]
        holder[last] = value


def keep(settings: Any) -> None:
    """Remember what an object holds, for :func:`restore`."""
    if not any(held is settings for held, _ in _KEPT):
        _KEPT.append((settings, _copied((_items(settings), dict(_attributes(settings))), {})))


def restore() -> None:
    """Give every object what it held before something was read over it."""
    for settings, held in _KEPT:
        items, attributes = _copied(held, {})
        _attributes(settings).clear()
        _attributes(settings).update(attributes)
        if isinstance(settings, dict):
            dict.clear(settings)
            dict.update(settings, items)


def _copied(value: Any, known: Dict[int, Any]) -> Any:
    """Return a copy of nested settings, by no method of theirs: a class may take every name for a setting."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, dict):
        made = known[id(value)] = type(value).__new__(type(value))
        dict.update(made, {name: _copied(item, known) for name, item in value.items()})
        _attributes(made).update({name: _copied(item, known) for name, item in _attributes(value).items()})
        return made
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item, known) for item in value) if type(value) in (list, tuple) else value
    return value


def _items(settings: Any) -> Dict[Any, Any]:
    return dict(settings) if isinstance(settings, dict) else {}


def _attributes(settings: Any) -> Dict[str, Any]:
    return getattr(settings, "__dict__", {})


def _lay(settings: Any, values: Mapping[Any, Any]) -> None:
    """Put values over settings, level by level."""
    for name, value in values.items():
        inner = settings[name] if name in settings else None
        if isinstance(inner, dict) and isinstance(value, dict):
            _lay(inner, value)
        else:
            settings[name] = value


def _read(path: str) -> Dict[Any, Any]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        values = json.loads(text)
    else:
        import yaml

        values = yaml.safe_load(text)
    return values if isinstance(values, dict) else {}
