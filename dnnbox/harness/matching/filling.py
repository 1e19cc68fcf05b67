"""The arguments of a call: read from text, with settings added that were asked for, without those that were not."""

from __future__ import annotations

import ast
import re
from typing import Any, Callable, Dict, Iterator, Optional, Set

from .building import Builder
from .listing import listed, read_as_list

Amendment = Callable[[Dict[str, Any]], Optional[Dict[str, Any]]]

_NOT_BY_ATTRIBUTE = re.compile(r"'dict' object has no attribute '\w+'")


def literals(arguments: Dict[str, str]) -> Optional[Dict[str, Any]]:
    """Return arguments that were noted as text as plain values; None where one is no literal."""
    found: Dict[str, Any] = {}
    for name, text in arguments.items():
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return None
        found[name] = {"$tuple": list(value)} if isinstance(value, tuple) else value
    return found


def filled(kwargs: Dict[str, Any], name: str, value: Any) -> Optional[Dict[str, Any]]:
    """Return the arguments with a setting added at the first place that lacks it; None if there is no such place."""
    for key, held in kwargs.items():
        if isinstance(held, dict) and "$settings" in held and name not in held["$settings"]:
            return dict(kwargs, **{key: {"$settings": dict(held["$settings"], **{name: value})}})
    return None


def amendment(error: BaseException) -> Optional[Amendment]:
    """Return what may help where arguments were read as something else: a number as a list, a mapping by attributes."""
    name = read_as_list(error)
    if name:
        return lambda kwargs: listed(kwargs, name)
    by_attributes = isinstance(error, AttributeError) and _NOT_BY_ATTRIBUTE.search(str(error))
    return as_settings if by_attributes else None


def as_settings(kwargs: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Return the arguments with mappings as settings, which are read by attributes too; None where there is none."""
    plain = [name for name, held in kwargs.items() if isinstance(held, dict) and held and not any(_marked(held))]
    return dict(kwargs, **{name: {"$settings": kwargs[name]} for name in plain}) if plain else None


def _marked(held: Dict[str, Any]) -> Iterator[bool]:
    return (str(key).startswith("$") for key in held)


def pruned(kwargs: Dict[str, Any], builder: Builder, used: Set[str]) -> Dict[str, Any]:
    """Return the arguments with only those settings that were asked for, or are ``used`` when the model runs."""
    asked = used | {name for made in builder.settings for name in made.__dict__.get("asked", {})}
    changed = dict(kwargs)
    for key, held in kwargs.items():
        if isinstance(held, dict) and "$settings" in held and asked:
            changed[key] = {"$settings": {n: v for n, v in held["$settings"].items() if n in asked}}
    return changed
