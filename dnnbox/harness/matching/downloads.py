"""Functions of a source that fetch weights of others while a model is built: where nothing can be fetched, they load
nothing.

Which function that is nobody says: what fetches may be called by what checks a sum, and that by what loads. The
innermost one is left out first, and where the build then fails at another place, the one that called it.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
import types
from typing import Any, Callable, Dict, List, Optional, Sequence

from . import standins

_ERRORS = (
    "gaierror",
    "URLError",
    "NameResolutionError",
    "NewConnectionError",
    "ConnectionError",
    "FileURLRetrievalError",
    "LocalEntryNotFoundError",
)
_MOST_CALLERS, _BUILD_TRIES = 4, 8
# What makes a part, too, may fetch its weights: without it there would be no part.
_LOADS = re.compile(r"(?i)load|fetch|ckpt|checkpoint|weight|pretrain|url|cache|file|path")
_MAKES = re.compile(r"(?i)model|net|build|create|make|backbone|encoder|decoder")

NOTHING = "loads nothing: "
"""How a note begins that says which function of the source was left out."""

_LOADERS: Dict[str, Any] = {}


def load_nothing(place: str) -> None:
    """Let a function of the source, ``package.module:Class.method``, return no weights, once its module is there."""

    def change(module: Any) -> None:
        holder, name = _holder(module, place)
        _LOADERS[place] = vars(holder)[name]
        _replaced(_LOADERS[place], lambda *_, **__: standins.NoWeights(), holder, name)

    standins.after_import(place.partition(":")[0], change)


def load_again(place: str) -> None:
    """Take ``load_nothing`` back."""
    holder, name = _holder(sys.modules[place.partition(":")[0]], place)
    _replaced(vars(holder)[name], _LOADERS.pop(place), holder, name)


def _holder(module: Any, place: str) -> Any:
    """Return the module or class that holds a function, and the function's name."""
    names = place.partition(":")[2].split(".")
    for each in names[:-1]:
        module = getattr(module, each)
    return module, names[-1]


def _replaced(old: Any, new: Any, holder: Any, name: str) -> None:
    """Put a function in another's place, in the modules too that have taken it from there by its name."""
    setattr(holder, name, new)
    for module in list(sys.modules.values()) if isinstance(holder, types.ModuleType) else ():
        if getattr(module, "__dict__", {}).get(name) is old:
            setattr(module, name, new)


class Downloads:
    """Leaves out what fetches, one function after the other. ``roots``: where the source lies."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = [os.path.join(root, "") for root in roots]
        self._waiting: List[str] = []
        self._left_out = ""

    def built(self, build: Callable[[], Any], helped: Callable[[BaseException], bool]) -> Any:
        """Return what a build makes; ``helped`` tells whether one that failed for another reason may be tried again."""
        for _ in range(_BUILD_TRIES):
            try:
                made = build()
                self._succeeded()
                return made
            except Exception as error:  # foreign code
                if not helped(error) and not self.helped(error):
                    raise
        return build()

    def helped(self, error: BaseException) -> bool:
        """Tell whether a build that failed may be tried again, with another function left out."""
        if wants_network(error):
            self._waiting = self._callers(error)[:_MOST_CALLERS]
        elif not self._left_out:
            return False
        self._put_back()
        if not self._waiting:
            return False
        self._left_out = self._waiting.pop(0)
        load_nothing(self._left_out)
        return True

    def _succeeded(self) -> None:
        """Keep what was left out for this build, and note it."""
        if self._left_out:
            standins.note(NOTHING + self._left_out)
        self._left_out, self._waiting = "", []

    def _put_back(self) -> None:
        if self._left_out:
            load_again(self._left_out)
            self._left_out = ""

    def _callers(self, error: BaseException) -> List[str]:
        """Return the functions of the source on the way to an error, the innermost first."""
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        own = [frame for frame in frames if frame.f_code.co_filename.startswith(tuple(self.roots))]
        loading = [frame for frame in own if _is_loader(frame.f_code.co_name)]
        return [name for name in map(_name_of, reversed(loading)) if name]


def wants_network(error: Optional[BaseException]) -> bool:
    """Tell whether an error, or one that led to it, is that of a network which is not there."""
    seen: List[Any] = []
    while error is not None and error not in seen:
        if any(cls.__name__ in _ERRORS for cls in type(error).__mro__):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _is_loader(name: str) -> bool:
    return bool(_LOADS.search(name)) and not _MAKES.search(name)


def _name_of(frame: types.FrameType) -> str:
    """Return ``module:function`` or ``module:Class.method`` of a frame; "" for what is called by no such name."""
    code, module = frame.f_code, str(frame.f_globals.get("__name__"))
    if _code_of(frame.f_globals.get(code.co_name)) is code:
        return "%s:%s" % (module, code.co_name)
    first = frame.f_locals.get("self", frame.f_locals.get("cls"))
    for cls in getattr(first if isinstance(first, type) else type(first), "__mro__", ()):
        if _code_of(vars(cls).get(code.co_name)) is code:
            return "%s:%s.%s" % (cls.__module__, cls.__qualname__, code.co_name)
    return ""


def _code_of(function: Any) -> Any:
    return getattr(getattr(function, "__func__", function), "__code__", None)
