"""Names, and ways of a call, that libraries no longer have and that older sources use: their later ones mean the same.

What Python itself no longer reads is rewritten as it is imported (``oldsyntax``). Sources: Python 3.0 renamed built-in
functions; Python 3.10 took the abstract classes out of ``collections``, 3.11 getargspec out of ``inspect``; NumPy 1.24
and 2.0 took aliases of Python's own types and of functions away; PyTorch 2.0 and later lack ``torch._six``; PyYAML 6.0
loads nothing without being told which loader, which 5.1 and later called ``FullLoader`` where none was named. Models of
transformers answered with tuples before 4.0, later with mappings, which are taken apart into their names. Since
2.0 PyTorch's encoders and decoders tell their layers whether a mask is causal, those of a source's own too.
Standard library only: an adapter may use it.
"""

from __future__ import annotations

import builtins
import collections
import collections.abc
import functools
import importlib
import importlib.machinery
import inspect
import math
import re
import sys
import types
from typing import Any, Dict, List

from .. import oldsyntax
from . import standins

NOTE = "old names"
_NUMPY_TYPES = {"int": int, "float": float, "bool": bool, "object": object, "str": str, "complex": complex, "long": int}
_NUMPY_NAMES = {"float_": "float64", "complex_": "complex128", "string_": "bytes_", "unicode_": "str_", "Inf": "inf",
                "infty": "inf", "NaN": "nan", "product": "prod", "cumproduct": "cumprod", "alltrue": "all",
                "sometrue": "any", "trapz": "trapezoid", "in1d": "isin", "row_stack": "vstack"}  # fmt: skip
_BUILTINS = {"xrange": range, "unicode": str, "basestring": str, "long": int, "unichr": chr, "raw_input": input,
             "reduce": functools.reduce}  # fmt: skip
_SIX = "torch._six"
_NO_LOADER = re.compile(r"^load(?:_all)?\(\) missing 1 required positional argument: 'Loader'$")
_LATER_ARGUMENTS = ("is_causal", "tgt_is_causal", "memory_is_causal")
_STACKS = [("torch.nn.modules.transformer", name) for name in ("TransformerEncoder", "TransformerDecoder")]
_ATTENTION = "self_attn"  # an encoder asks its first layer in which order that takes its dimensions
_UNEXPECTED = re.compile(
    r"unexpected keyword argument '(?:%s)'|no attribute '%s'" % ("|".join(_LATER_ARGUMENTS), _ATTENTION)
)
_TEXT_FOR_TENSOR = re.compile(r"must be Tensor, not str|'str' object (?:has no attribute|is not callable)|but got str")


def explains(error: BaseException) -> bool:
    """Tell whether an error is about a name that a library had once."""
    text = str(error)
    if isinstance(error, ImportError):
        return getattr(error, "name", "") == _SIX or ("cannot import name" in text and "'collections'" in text)
    if isinstance(error, SyntaxError):
        return _is_old(error)
    if isinstance(error, NameError):
        return any("'%s'" % name in text for name in _BUILTINS)
    if isinstance(error, TypeError):
        return bool(_NO_LOADER.search(text))
    places = ("module 'collections'", "module 'numpy'", "module 'inspect'", "`np.")
    return isinstance(error, AttributeError) and any(place in text for place in places)


def _is_old(error: SyntaxError) -> bool:
    """Tell whether a file that does not parse would in the spelling of today."""
    try:
        with open(error.filename or "", "rb") as file:
            return oldsyntax.renewed(file.read()) is not None
    except OSError:
        return False


def bring_back() -> None:
    """Give the libraries that are here the names that they had, and have files read as they were then."""
    standins.note(NOTE)
    loader: Any = importlib.machinery.SourceFileLoader
    loader.source_to_code = _reading_old_code(loader.source_to_code)
    _add(builtins, _BUILTINS)
    _add(collections, {name: getattr(collections.abc, name) for name in collections.abc.__all__})
    _add(inspect, {"getargspec": lambda function: inspect.getfullargspec(function)[:4]})
    standins.after_import("numpy", _bring_back_numpys)
    standins.after_import("yaml", _bring_back_yamls)
    try:
        importlib.import_module(_SIX)
    except ImportError:
        six = types.ModuleType(_SIX)
        _add(six, {"string_classes": (str, bytes), "int_classes": int, "inf": math.inf, "nan": math.nan, "PY3": True,
                   "PY37": True, "container_abcs": collections.abc})  # fmt: skip
        sys.modules[_SIX] = six


def _reading_old_code(source_to_code: Any) -> Any:
    """Return how a loader compiles a file, with another try in today's spelling."""

    def reading(self: Any, data: Any, path: Any, **options: Any) -> Any:
        try:
            return source_to_code(self, data, path, **options)
        except SyntaxError:
            renewed = oldsyntax.renewed(bytes(data)) if isinstance(data, (bytes, bytearray, memoryview)) else None
            if renewed is None:
                raise
            return source_to_code(self, renewed.encode(), path, **options)

    return reading


def _bring_back_numpys(numpy: Any) -> None:
    _add(numpy, _NUMPY_TYPES)
    _add(numpy, {name: getattr(numpy, later) for name, later in _NUMPY_NAMES.items() if hasattr(numpy, later)})


def _bring_back_yamls(yaml: Any) -> None:
    """Let a text be loaded without a loader, by the one that was taken then; it makes plain values and no objects."""

    told = {"Loader": yaml.FullLoader}

    def loads(load: Any) -> Any:
        return lambda *args, **kwargs: load(*args, **(kwargs if kwargs or len(args) > 1 else told))

    yaml.load, yaml.load_all = loads(yaml.load), loads(yaml.load_all)


def tells_of_names(error: BaseException) -> bool:
    """Tell whether code got a text where a tensor was meant to be: it took a mapping apart like a tuple."""
    return bool(_TEXT_FOR_TENSOR.search(str(error)))


def named_answers(module: Any) -> List[Any]:
    """Return the configurations of those parts of a model that answer with mappings."""
    configs = (getattr(part, "config", None) for part in module.modules())
    return [config for config in configs if getattr(config, "return_dict", None) is True]


def way_for(error: BaseException, module: Any) -> str:
    """Return which of the ways below may let a model answer that failed so; "" for none."""
    if tells_of_names(error) and named_answers(module):
        return "with_tuples"
    is_later = isinstance(error, (TypeError, AttributeError)) and _UNEXPECTED.search(str(error))
    return "without_later_arguments" if is_later else ""


def with_tuples(module: Any) -> Any:
    """Return a model whose parts answer with tuples."""
    for config in named_answers(module):
        config.return_dict = False
    return module


def without_later_arguments(module: Any) -> Any:
    """Return a model whose layers are not handed what they do not know; it only repeats what the mask says."""
    for part in module.modules():
        if any((cls.__module__, cls.__name__) in _STACKS for cls in type(part).__mro__):
            for layer in part.layers:
                kind: Any = type(layer)
                layer.__class__ = _sparing(kind, not hasattr(layer, _ATTENTION))
    return module


@functools.lru_cache(maxsize=None)
def _sparing(cls: Any, lacks_attention: bool) -> Any:
    """Return a class that leaves out what its forward pass does not know, and has what is asked of its attention; a
    copy of such a layer is one too."""
    taken = inspect.signature(cls.forward).parameters
    is_open = any(parameter.kind == parameter.VAR_KEYWORD for parameter in taken.values())
    unknown = [] if is_open else [name for name in _LATER_ARGUMENTS if name not in taken]
    if not unknown and not lacks_attention:
        return cls

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return cls.forward(self, *args, **{name: value for name, value in kwargs.items() if name not in unknown})

    more = {_ATTENTION: types.SimpleNamespace(batch_first=False)} if lacks_attention else {}
    return type(cls.__name__, (cls,), dict(more, forward=forward, __module__=cls.__module__))


# What a recipe may ask for, by the names of the functions here.
WAYS = {"with_tuples": with_tuples, "without_later_arguments": without_later_arguments}


def _add(module: Any, names: Dict[str, Any]) -> None:
    known = vars(module)  # not by attribute: NumPy answers for old names with an error of its own
    for name, value in names.items():
        if name not in known:
            setattr(module, name, value)
