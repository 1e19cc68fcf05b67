"""The arguments of a call: read from text, with settings added that were asked for, without those that were not."""

from __future__ import annotations

import ast
from typing import Any, Dict, Optional, Set

from .building import Builder


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


def pruned(kwargs: Dict[str, Any], builder: Builder, used: Set[str]) -> Dict[str, Any]:
    """Return the arguments with only those settings that were asked for, or are ``used`` when the model runs."""
    asked = used | {name for made in builder.settings for name in made.__dict__.get("asked", {})}
    changed = dict(kwargs)
    for key, held in kwargs.items():
        if isinstance(held, dict) and "$settings" in held and asked:
            changed[key] = {"$settings": {n: v for n, v in held["$settings"].items() if n in asked}}
    return changed
