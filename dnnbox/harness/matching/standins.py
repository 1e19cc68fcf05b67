"""Stand-ins for what a source imports and the forward pass does not need, and for what must not happen while building.

A module that cannot be imported is replaced only after its import has really failed, so that ``try: import x`` keeps
its own way out. Every replacement is noted. Standard library only: a copy of this file may lie beside an adapter.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from typing import Any, Dict, List, Optional, Sequence

NOTED: List[str] = []
_POINTER = b"version https://git-lfs"


class Anything:
    """Takes every call and every attribute; as a decorator it returns what it decorates."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else Anything()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Anything()

    def __getitem__(self, key: Any) -> Any:
        return Anything()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __mro_entries__(self, bases: Any) -> Any:
        return (object,)


class NoWeights(dict):  # type: ignore[type-arg]
    """Stands for weights that would be downloaded or are not here: who loads them loads nothing, strictly or not."""

    def __missing__(self, key: Any) -> "NoWeights":
        return NoWeights()

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def pop(self, key: Any, *_: Any) -> Any:
        """Return what is there, or no weights."""
        return dict.pop(self, key, NoWeights())


class _Meta(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Anything()


def _class(name: str) -> Any:
    """Return a class to derive from; one that is named like a torch module is one."""
    torch = sys.modules.get("torch")
    if torch is not None and name.endswith(("Module", "PreTrainedModel")):
        return type(name, (torch.nn.Module,), {})
    return _Meta(
        name,
        (),
        {
            "__init__": lambda self, *a, **k: None,
            "__getattr__": Anything.__getattr__,
            "__call__": Anything.__call__,
            "__init_subclass__": classmethod(lambda cls, **k: None),
            "__class_getitem__": classmethod(lambda cls, key: cls),
        },
    )


class StandIn(types.ModuleType):
    """A module that is not there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        value = _class(name) if name[:1].isupper() and not name.isupper() else Anything()
        setattr(self, name, value)
        return value


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Offers stand-ins for the modules in ``names`` and what lies below them, after every real place was asked."""

    def __init__(self) -> None:
        self.names = set()  # type: ignore[var-annotated]

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        parts = fullname.split(".")
        if not any(".".join(parts[:end]) in self.names for end in range(1, len(parts) + 1)):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        module = StandIn(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: Any) -> None:
        pass


FINDER = Finder()


def stand_in(names: Sequence[str], attributes: Sequence[str] = ()) -> None:
    """Replace modules, and ``package.module:name`` of modules that are there but lack a name."""
    if FINDER not in sys.meta_path:
        sys.meta_path.append(FINDER)
    FINDER.names.update(names)
    for text in attributes:
        place, _, name = text.partition(":")
        module = importlib.import_module(place)
        if not hasattr(module, name):
            setattr(module, name, _class(name) if name[:1].isupper() else Anything())


def bare_packages(folders: Dict[str, str]) -> None:
    """Let modules be imported without what their packages do at import; ``folders``: package → folder."""
    for name, folder in sorted(folders.items()):
        if name not in sys.modules:
            package = sys.modules[name] = types.ModuleType(name)
            package.__path__ = [folder]


def without_version_checks() -> None:
    """Let a source go on that asks at import for distributions which only its training needs."""
    import importlib.metadata

    version = importlib.metadata.version

    def lenient(name: str) -> str:
        try:
            return version(name)
        except importlib.metadata.PackageNotFoundError:
            return "0.0.0"

    importlib.metadata.version = lenient  # type: ignore[assignment]
    note("version checks")
    try:
        pkg_resources: Any = importlib.import_module("pkg_resources")
    except ImportError:
        return
    pkg_resources.require = lambda *a: []
    pkg_resources.get_distribution = lambda *a: Anything()


def quiet_builds() -> None:
    """While a model is built on a CPU: no download, no weights of others, no move to a GPU, and no kernels for one."""
    import torch

    def loads(name: str, value: Any) -> Any:
        def replaced(*args: Any, **kwargs: Any) -> Any:
            note(name)
            return value(*args)

        return replaced

    load = torch.load
    torch.load = lambda f, *a, **k: loads("torch.load", lambda *_: NoWeights())() if _is_absent(f) else load(f, *a, **k)
    torch.hub.load_state_dict_from_url = loads("torch.hub.load_state_dict_from_url", lambda *a: NoWeights())
    vars(importlib.import_module("torch.utils.model_zoo"))["load_url"] = torch.hub.load_state_dict_from_url
    load_state_dict = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = (  # type: ignore[method-assign]
        lambda self, state, *a, **k: load_state_dict(self, state, *a, **k) if len(state) else ([], [])  # type: ignore[assignment]
    )  # what was picked from no weights is none either
    torch.hub.download_url_to_file = loads("torch.hub.download_url_to_file", lambda *a: None)
    if not torch.cuda.is_available():
        torch.nn.Module.cuda = lambda self, *a, **k: _noted("Module.cuda", self)  # type: ignore[method-assign,assignment]
        torch.Tensor.cuda = lambda self, *a, **k: _noted("Tensor.cuda", self)  # type: ignore[method-assign,assignment]
        for kind in _TENSOR_KINDS:
            setattr(torch.cuda, kind, _on_cpu(kind))
        for name in _MAKERS:
            setattr(torch, name, _made_on_cpu(getattr(torch, name)))
        compiled = {name: loads("cpp_extension.%s" % name, lambda *_: Anything()) for name in ("load", "load_inline")}
        after_import("torch.utils.cpp_extension", lambda module: module.__dict__.update(compiled))
        torch.cuda.current_device = lambda: 0
        torch.cuda.set_device = lambda *a: None
        to = torch.nn.Module.to
        torch.nn.Module.to = lambda self, *a, **k: to(self, *_cpu(a), **_cpu(k))  # type: ignore[method-assign,assignment]
        to_tensor = torch.Tensor.to
        torch.Tensor.to = lambda self, *a, **k: to_tensor(self, *_cpu(a), **_cpu(k))  # type: ignore[method-assign,assignment]
    importlib.import_module(__package__ + ".hub").quiet()


_TENSOR_KINDS = ("FloatTensor", "HalfTensor", "DoubleTensor", "LongTensor", "IntTensor", "BoolTensor", "ByteTensor")


_MAKERS = "arange empty eye full linspace ones rand randint randn randperm tensor zeros".split()


def _made_on_cpu(function: Any) -> Any:
    """Return a function that makes tensors, which makes on the CPU what a source wants on a GPU by name."""

    def made(*args: Any, **kwargs: Any) -> Any:
        if "device" in kwargs and _is_gpu(kwargs["device"]):
            kwargs["device"] = "cpu"
        return function(*args, **kwargs)

    # Code that torch compiles knows its own functions by identity, and would try to compile this one.
    builtins = vars(importlib.import_module("torch.jit")).get("_builtins")
    operator = getattr(builtins, "_find_builtin", lambda _: None)(function)
    if operator is not None:
        getattr(builtins, "_register_builtin", lambda *_: None)(made, operator)
    return made


def _on_cpu(kind: str) -> Any:
    """Return a class to make tensors with instead of the one of ``torch.cuda``; no tensor is an instance of it."""

    def made(cls: Any, *args: Any) -> Any:
        import torch

        return _noted("torch.cuda.%s" % kind, getattr(torch, kind)(*args))

    return type(kind, (), {"__new__": made})


def _is_absent(file: Any) -> bool:
    """Tell whether a file of weights is not there, or only the text that stands for it in large file storage."""
    if isinstance(file, NoWeights):
        return True
    if not isinstance(file, (str, os.PathLike)):
        return False
    try:
        with open(file, "rb") as opened:
            return opened.read(len(_POINTER)) == _POINTER
    except FileNotFoundError:
        return True
    except OSError:
        return False


def without_cuda_version() -> None:
    """Let a source go on that asks at import for the version of CUDA that torch was built with, where it has none."""
    import torch

    if torch.version.cuda is None:
        torch.version.cuda = "0.0"  # type: ignore[assignment,unused-ignore]
        note("torch.version.cuda")


def _cpu(arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return {k: "cpu" if _is_gpu(v) else v for k, v in arguments.items()}
    return tuple("cpu" if _is_gpu(v) else v for v in arguments)


def _is_gpu(value: Any) -> bool:
    is_gpu = not hasattr(value, "shape") and str(value).startswith("cuda")
    if is_gpu:
        note("to(cuda)")
    return is_gpu


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls what belongs to a module once it has been imported; the import itself is left to the other finders."""

    def __init__(self) -> None:
        self.waiting = {}  # type: ignore[var-annotated]

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        change = self.waiting.pop(fullname, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def executed(module: Any) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


_AFTER_IMPORT = _AfterImport()


def after_import(name: str, change: Any) -> None:
    """Call ``change`` with a module: at once where it is imported already, else when it is."""
    if name in sys.modules:
        change(sys.modules[name])
        return
    if _AFTER_IMPORT not in sys.meta_path:
        sys.meta_path.insert(0, _AFTER_IMPORT)
    before = _AFTER_IMPORT.waiting.get(name, lambda _: None)
    _AFTER_IMPORT.waiting[name] = lambda module: (before(module), change(module))


def _noted(text: str, value: Any) -> Any:
    note(text)
    return value


def note(text: str) -> None:
    """Remember what was replaced, for the adapter and the report."""
    if text not in NOTED:
        NOTED.append(text)


class Settings(dict):  # type: ignore[type-arg]
    """A set of settings that is read as attributes, as items and by ``get``; nested ones too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def settings(values: Dict[str, Any]) -> Settings:
    """Return nested plain mappings as settings."""
    made = Settings()
    for key, value in values.items():
        made[key] = settings(value) if isinstance(value, dict) else value
    return made


def with_attributes(made: Any, values: Dict[str, Any]) -> Any:
    """Return an object with attributes set, as a script sets them: ``{"patch.size": 16}``."""
    for name, value in values.items():
        holder, names = made, name.split(".")
        for each in names[:-1]:
            holder = getattr(holder, each)
        setattr(holder, names[-1], value)
    return made


def missing_name(error: BaseException) -> Optional[str]:
    """Return ``package.module:name`` for ``cannot import name``, else None."""
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError) and error.name:
        text = str(error)
        if text.startswith("cannot import name "):
            return "%s:%s" % (error.name, text.split("'")[1])
    return None
