"""The arguments that constructors of models really get, as plain values."""

from __future__ import annotations

import collections.abc
import enum
import functools
import inspect
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from .. import standins
from ..importing import file_of

_DEEPEST, _MOST_NODES, _MOST_ITEMS = 7, 4_000, 1_000
_MOST_NOTES = 120
_PLAIN = (bool, int, float, str)


class Notes:
    """Hears of every module that is made, and tells of those whose class the source defines.

    ``tell`` gets (class as ``path.py:Name``, arguments by name, further ones, ``file:line`` of the call).
    """

    def __init__(
        self,
        roots: Sequence[str],
        wanted: Set[str],
        tell: Callable[[str, Dict[str, Any], List[Any], str], None],
    ) -> None:
        import torch

        self.roots, self.wanted, self.tell = list(roots), wanted, tell
        self.module = torch.nn.Module
        self._heard: Dict[int, Any] = {}
        self._made: Dict[int, Tuple[str, Dict[str, Any], List[Any]]] = {}
        self._told = 0

    def listen(self) -> None:
        """Hear of every module that is made from now on, as its constructor calls the one of ``torch.nn.Module``."""
        plain = self.module.__init__

        def heard(made: Any, *args: Any, **kwargs: Any) -> None:
            plain(made, *args, **kwargs)
            if id(made) not in self._heard:
                self._heard[id(made)] = made  # kept, so that no other object gets its number
                self._hear(made, sys._getframe(1))  # noqa: SLF001 - what inspect.currentframe returns

        self.module.__init__ = heard  # type: ignore[method-assign]

    def _hear(self, made: Any, frame: Any) -> None:
        """Find the constructor's own frame, the outermost one of the same object, and whether another one is open."""
        own, is_part = None, False
        while frame is not None:
            code = frame.f_code
            if code.co_name == "__init__" and code.co_argcount:
                first = frame.f_locals.get(code.co_varnames[0])
                own = frame if first is made else own
                is_part = is_part or (first is not made and isinstance(first, self.module))
            frame = frame.f_back
        if own is not None:
            self._note(made, own, is_part)

    def _note(self, made: Any, frame: Any, is_part: bool) -> None:
        ref = self.reference(type(made))
        named, further = _bound(frame)
        values = Values(self)
        kwargs = {name: values.plain(value) for name, value in named.items()}
        args = [values.plain(value) for value in further]
        if ref:
            self._made[id(made)] = (ref, kwargs, args)
        is_own = ref.partition(":")[0].endswith(".py")
        if is_own and self._told < _MOST_NOTES and (not is_part or ref in self.wanted):
            self._told += 1
            self.tell(ref, kwargs, args, self._caller(frame))

    def _caller(self, frame: Any) -> str:
        outer = frame.f_back
        while outer is not None:
            for root in self.roots:
                if outer.f_code.co_filename.startswith(root + "/"):
                    return "%s:%d" % (outer.f_code.co_filename[len(root) + 1 :], outer.f_lineno)
            outer = outer.f_back
        return ""

    def reference(self, thing: Any) -> str:
        """Return ``path.py:Name`` or ``package.module:Name`` of a class or function; "" where it has no such name."""
        name, place = getattr(thing, "__qualname__", ""), getattr(thing, "__module__", "") or ""
        module = sys.modules.get(place)
        if not name or "<" in name or module is None or isinstance(module, standins.StandIn):
            return ""
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not thing:
            return ""
        own = file_of(module, self.roots)
        return "%s:%s" % (own or place, name) if own or place != "__main__" else ""

    def recipe(self, made: Any) -> Optional[Dict[str, Any]]:
        """Return the call that made a module which was noted; None for others."""
        known = self._made.get(id(made))
        return {"$call": [{"$ref": known[0]}, known[2], known[1]]} if known is not None else None


def _bound(frame: Any) -> Tuple[Dict[str, Any], List[Any]]:
    """Return what a function that is being entered got: by name, and what ``*args`` holds."""
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    found = {name: values[name] for name in code.co_varnames[1:count] if name in values}
    further: List[Any] = []
    if code.co_flags & inspect.CO_VARARGS:
        further = list(values.get(code.co_varnames[count], ()))
        count += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.update(values.get(code.co_varnames[count], {}))
    return found, further


class Values:
    """Objects as the plain values that a build understands; what has no such form is ``$unknown``."""

    def __init__(self, notes: Notes) -> None:
        self.notes, self.count = notes, 0

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Return the plain form of an argument."""
        self.count += 1
        if value is None or type(value) in _PLAIN:
            return value
        if depth > _DEEPEST or self.count > _MOST_NODES or _is_stood_in(value):
            return _unknown(value)
        try:
            return self._plain(value, depth + 1)
        except Exception:  # an object of the source: whatever its attributes do
            return _unknown(value)

    def _plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, enum.Enum):
            ref = self.notes.reference(type(value))
            return {"$ref": "%s.%s" % (ref, value.name)} if ref else _unknown(value)
        if isinstance(value, _PLAIN):  # a subclass of them
            return next(kind(value) for kind in _PLAIN if isinstance(value, kind))
        if isinstance(value, (list, tuple)):
            items = [self.plain(item, depth) for item in value[:_MOST_ITEMS]]
            return {"$tuple": items} if isinstance(value, tuple) else items
        if isinstance(value, type) or inspect.isroutine(value):
            ref = self.notes.reference(value)
            return {"$ref": ref} if ref else _unknown(value)
        if isinstance(value, functools.partial):
            args = [self.plain(item, depth) for item in (value.func, *value.args)]
            kwargs = {name: self.plain(item, depth) for name, item in value.keywords.items()}
            return {"$call": [{"$ref": "functools:partial"}, args, kwargs]}
        if isinstance(value, self.notes.module):
            return self.notes.recipe(value) or _unknown(value)
        return self._of_library(value, depth) or self._set(value, depth)

    def _of_library(self, value: Any, depth: int) -> Any:
        """Return the form of numbers, arrays and torch's own little objects; None for others."""
        place, kind = type(value).__module__.partition(".")[0], type(value).__name__
        if place not in ("numpy", "torch"):
            return None
        if kind in ("dtype", "device"):
            name = str(value).rpartition(".")[2]
            return {"$ref": "torch:%s" % name} if kind == "dtype" and place == "torch" else name
        if kind == "Size":
            return {"$tuple": list(value)}
        if not getattr(value, "shape", (1,)):
            return value.item()
        if value.size > _MOST_ITEMS if place == "numpy" else value.numel() > _MOST_ITEMS or value.is_meta:
            return _unknown(value)
        return {"$call": [{"$ref": "numpy:array" if place == "numpy" else "torch:tensor"}, [value.tolist()], {}]}

    def _set(self, value: Any, depth: int) -> Any:
        """Return a mapping, or an object as the set of its attributes."""
        is_mapping = isinstance(value, collections.abc.Mapping)
        found = {}
        for name, item in list(value.items()) if is_mapping else _attributes(value):
            if isinstance(name, str) and not name.startswith("$"):
                form = self.plain(item, depth)
                if not (isinstance(form, dict) and "$unknown" in form):
                    found[name] = form
        if type(value) in (dict, collections.OrderedDict):
            return found if found or not value else _unknown(value)
        return {"$settings": found} if found else _unknown(value)


def _attributes(value: Any) -> List[Tuple[str, Any]]:
    """Return the public attributes of an object that are no methods, those of its class too."""
    names = list(getattr(value, "__dict__", {}))
    names += [n for cls in type(value).__mro__[:-1] for n, v in vars(cls).items() if not inspect.isroutine(v)]
    public = [name for name in dict.fromkeys(names) if not name.startswith("_")][:_MOST_ITEMS]
    return [(name, getattr(value, name, None)) for name in public]


def _is_stood_in(value: Any) -> bool:
    return isinstance(value, (standins.Anything, standins.StandIn, standins.NoWeights))


def _unknown(value: Any) -> Dict[str, Any]:
    return {"$unknown": type(value).__name__[:80]}
