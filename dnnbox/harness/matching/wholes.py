"""Classes around a part: what may hold all tensors where a match explains some of them, and how it gets the part."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import Any, Dict, List

from .candidates import Call
from .parsing import is_name, parameters, parsed

_WHOLE = "whole"  # the view without a cut
_LEAST_OF_WHOLE, _ENOUGH_OF_WHOLE, _MOST_LEFT_OUT = 0.3, 0.5, 0.1  # for a class of all tensors to go before a part
_MOST_CALLS = 24


def whole_of(match: Any, plan: Dict[str, Any]) -> str:
    """Return the class that may explain all tensors, where a match is of what a common first name was cut off of.

    Where only a loss or the like is left out, the class has to explain as much as the match does, or half. "": none.
    """
    view = match.view
    others = [e for e in plan["classes"] if e["ref"] != match.entry["ref"]]  # no class is a part of itself
    whole = [e for e in others if e["view"] == _WHOLE != view["name"]]
    best = max(whole, key=lambda e: float(e["score"]), default=None)
    is_little = view["left_out"] <= _MOST_LEFT_OUT * (view["left_out"] + view["count"])
    least = min(_ENOUGH_OF_WHOLE, float(match.entry["score"])) if is_little else 0.0
    return str(best["ref"]) if best is not None and best["score"] >= max(least, _LEAST_OF_WHOLE) else ""


def holder_of(match: Any, plan: Dict[str, Any]) -> str:
    """Return the class that is made with the one that was matched, and keeps it under the name that was cut off."""
    parts = plan.get("parts", {})
    wholes = (e["ref"] for e in plan["classes"] if e["view"] == _WHOLE != match.view["name"])
    return next((ref for ref in wholes if match.view["name"] in parts.get(ref, {}).get("held", ())), "")


def around(match: Any, entry: Dict[str, Any], source: Any, candidates: Any) -> List[Call]:
    """Return calls of a class with the part that was matched as the argument that it keeps under the part's name; []
    where it keeps none so."""
    try:
        cls = source.resolve(entry["ref"])
    except (Exception, SystemExit):  # foreign code
        return []
    name = kept_as(cls, match.view["name"])
    if not name or match.access or match.is_object:
        return []
    part = {"$call": [{"$ref": match.call.callee}, list(match.call.args), match.call.kwargs]}
    calls = sorted(candidates.of_class(entry), key=lambda call: call.order)
    own = itertools.islice((call for call in calls if call.callee == entry["ref"] and not call.args), _MOST_CALLS)
    return [call.changed(dict(call.kwargs, **{name: part})) for call in own]


def kept_as(cls: Any, attribute: str) -> str:
    """Return the parameter that a constructor keeps as it is under a name: ``self.model = model``; "" for none."""
    constructor = getattr(cls, "__init__", None)
    names = parameters(constructor) if inspect.isfunction(constructor) else []
    for node in ast.walk(parsed(constructor)):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            is_kept = isinstance(target, ast.Attribute) and target.attr == attribute and is_name(target.value, "self")
            if is_kept and isinstance(node.value, ast.Name) and node.value.id in names:  # type: ignore[attr-defined]
                return str(node.value.id)  # type: ignore[attr-defined]
    return ""
