"""Classes that only hold settings: dataclasses, and plain ones that a model takes as its ``config``."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from typing import Any, Callable, Dict, List, Set

from .building import signature_of

_MOST_FIELDS = 80
_PARAMETERS = ("config", "cfg", "conf", "args", "opt", "params", "hparams", "hp", "hps", "settings")
_CLASSES = ("Config", "Configuration", "Cfg", "Args", "Params", "HParams", "Options", "Settings")
_MOST_CLASSES = 3

NOT_PLAIN = object()


def plain(value: Any) -> Any:
    """Return a default as a plain value; NOT_PLAIN for an object that has none."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list) and all(plain(item) is not NOT_PLAIN for item in value):
        return [plain(item) for item in value]
    if isinstance(value, tuple) and all(plain(item) is not NOT_PLAIN for item in value):
        return {"$tuple": [plain(item) for item in value]}
    return NOT_PLAIN


def is_partly_known(value: Any) -> bool:
    """Tell whether a call among the arguments has arguments that nothing tells."""
    if isinstance(value, dict) and "$call" in value:
        _, args, kwargs = value["$call"]
        return any("$unknown" in item if isinstance(item, dict) else False for item in [*args, *kwargs.values()])
    return False


def begun(value: Any, function: Any, begin: Callable[[inspect.Parameter], Any]) -> Any:
    """Return a partly known call with something to begin with in its gaps, by name: the solver may change it."""
    callee, args, kwargs = value["$call"]
    parameters = signature_of(function)
    named = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    found = dict(zip(named, args), **kwargs)
    filled = {
        name: begin(parameters.get(name) or inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY))
        if isinstance(item, dict) and "$unknown" in item
        else item
        for name, item in found.items()
    }
    return {"$call": [callee, list(args[len(named) :]), filled]}


def config_classes(function: Any, gap: inspect.Parameter) -> List[Any]:
    """Return the classes of settings that a parameter may want: its annotation, or what its module calls so."""
    names = vars(sys.modules.get(getattr(function, "__module__", ""), sys))
    annotation = names.get(gap.annotation) if isinstance(gap.annotation, str) else gap.annotation
    if _holds_settings(annotation):
        return [annotation]
    if gap.name not in _PARAMETERS:
        return []
    called_so = [cls for name, cls in names.items() if name.endswith(_CLASSES) and _holds_settings(cls)]
    return called_so[:_MOST_CLASSES]


def _holds_settings(cls: Any) -> bool:
    """Tell whether a class can be made of nothing but settings, all of which have a default, or is a dataclass."""
    if not isinstance(cls, type) or cls.__module__ in ("builtins", "typing") or cls.__module__.startswith("torch"):
        return False
    if dataclasses.is_dataclass(cls):
        return True
    given = _by_name(cls)
    return len(given) > 1 and all(p.default is not p.empty for p in given)


def settable(cls: Any) -> Set[str]:
    """Return the names that a class of settings takes."""
    if dataclasses.is_dataclass(cls):
        return {field.name for field in dataclasses.fields(cls)}
    return {p.name for p in _by_name(cls)}


def _by_name(cls: Any) -> List[inspect.Parameter]:
    return [p for p in signature_of(cls).values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def defaults(cls: Any) -> Dict[str, Any]:
    """Return the plain defaults of a class of settings, so that the solver can change them."""
    found = {}
    for name, default in _defaults(cls)[:_MOST_FIELDS]:
        if plain(default) is not NOT_PLAIN:
            found[name] = plain(default)
    return found


def _defaults(cls: Any) -> List[Any]:
    if not dataclasses.is_dataclass(cls):
        return [(p.name, p.default) for p in _by_name(cls)]
    found = []
    for field in dataclasses.fields(cls):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if field.init and default is not dataclasses.MISSING:
            found.append((field.name, default))
    return found
