"""Keeps torch's compiler out of a search: importing it takes seconds, and all that is wanted of it is to be left alone.

Operators on tensors without storage are written in Python and marked "not to be compiled", and the first call imports
``torch._dynamo`` for that mark. Until something really asks for the compiler, a module stands there that knows no more.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

NAME = "torch._dynamo"


class _Untouched(types.ModuleType):
    """``disable`` does nothing; any other name brings the real module in, but for those that everybody looks at."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        return getattr(bring(), name)


def disable(fn: Any = None, *_: Any, **__: Any) -> Any:
    """Return the function as it is: nothing is being compiled."""
    return fn if fn is not None else disable


def leave_out() -> None:
    """Put the stand-in there, if the compiler was not imported before."""
    import torch

    if NAME not in sys.modules:
        untouched = _Untouched(NAME)
        vars(untouched)["disable"] = disable
        sys.modules[NAME] = untouched
        setattr(torch, NAME.rpartition(".")[2], untouched)


def bring() -> Any:
    """Import the real compiler in place of the stand-in."""
    if isinstance(sys.modules.get(NAME), _Untouched):
        del sys.modules[NAME]
    return importlib.import_module(NAME)
