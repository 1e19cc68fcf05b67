"""An unpickler for checkpoints that hold more than tensors: tensors come out whole, every foreign object as a husk.

Lightning keeps hyperparameters, mmengine its hooks, others their argparse.Namespace beside the weights. None of these
classes is needed for the weights, so none is imported.
"""

from __future__ import annotations

import importlib
import pickle
import re
import types
from typing import Any

_MODULES = (
    (re.compile(r"torch\._utils"), re.compile(r"_rebuild_\w+")),
    (re.compile(r"torch\._tensor"), re.compile(r"_rebuild_from_type_v2")),
    (re.compile(r"torch\.nn\.parameter"), re.compile(r"Parameter|Buffer")),
    (re.compile(r"torch\.serialization"), re.compile(r"_get_layout")),
    (re.compile(r"torch\.storage"), re.compile(r"(Typed|Untyped)Storage|_load_from_bytes")),
    (
        re.compile(r"torch"),
        re.compile(r"\w*(Storage|Tensor)|Size|device|dtype|float\d+|bfloat16|u?int\d+|bool|q\w+int\w+|per_\w+"),
    ),
    (re.compile(r"collections"), re.compile(r"OrderedDict|defaultdict|Counter|deque")),
    (re.compile(r"_codecs"), re.compile(r"encode")),
    (
        re.compile(r"builtins"),
        re.compile(r"set|frozenset|dict|list|tuple|int|float|complex|bytearray|slice"),
    ),
    (re.compile(r"numpy"), re.compile(r"ndarray|dtype")),
    (re.compile(r"numpy\.(_?core)\.(multiarray|numeric)"), re.compile(r"_reconstruct|scalar|_frombuffer")),
)


class Husk(dict):  # type: ignore[type-arg]
    """What is left of an object whose class is not wanted: it takes everything and does nothing."""

    def __new__(cls, *_args: Any, **_named: Any) -> "Husk":  # noqa: PYI034 - Self needs Python 3.11
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_named: Any) -> None:
        super().__init__()

    def __call__(self, *_args: Any, **_named: Any) -> "Husk":
        return self

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update({key: value for key, value in state.items() if isinstance(key, str)})

    def append(self, _item: Any) -> None:
        """Take an item of a list-like object."""

    def extend(self, _items: Any) -> None:
        """Take the items of a list-like object."""

    def add(self, _item: Any) -> None:
        """Take an item of a set-like object."""


class Unpickler(pickle.Unpickler):
    """Imports what tensors are made of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the torch, numpy or built-in object, or a husk under the name that was asked for."""
        module = {"__builtin__": "builtins"}.get(module, module)  # as protocol 2 writes it
        if any(where.fullmatch(module) and what.fullmatch(name) for where, what in _MODULES):
            return getattr(importlib.import_module(module), name)
        return type(str(name).rpartition(".")[2], (Husk,), {"__module__": str(module)})


def module() -> types.ModuleType:
    """Return what ``torch.load`` takes as ``pickle_module``."""
    made = types.ModuleType("dnnbox_inert_pickle")
    vars(made).update(vars(pickle))
    vars(made)["Unpickler"] = Unpickler
    vars(made)["load"] = lambda file, **options: Unpickler(file, **options).load()
    return made
