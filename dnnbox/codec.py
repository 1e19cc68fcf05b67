"""Records to plain JSON values and back.

Writing is total; reading is strict: an unknown field is an error, so that an old file is never half understood.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

Record = TypeVar("Record")


class CodecError(ValueError):
    """The data is not of the wanted record."""


def to_json(value: Any) -> Any:
    """Return ``value`` as dicts, lists and scalars. Tuples become lists; lone surrogates in text become ``\\udcXX``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {_text(str(k)): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None  # JSON has no NaN; a figure that is not a number is not known
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def dumps(value: Any) -> str:
    """Return indented JSON with a final newline; the same record gives the same bytes."""
    return json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def loads(cls: type[Record], text: str) -> Record:
    """Read one record; raises CodecError for anything that is not one."""
    try:
        return from_json(cls, json.loads(text))
    except json.JSONDecodeError as error:
        raise CodecError(f"{cls.__name__}: not JSON: {error}") from error


def from_json(cls: type[Record], data: Any) -> Record:
    """Build ``cls`` from plain values."""
    if not isinstance(data, dict):
        raise CodecError(f"{cls.__name__}: expected an object, got {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - set(known)):
        raise CodecError(f"{cls.__name__} has no field {', '.join(unknown)}")
    for name, spec in known.items():
        if name not in data and spec.default is MISSING and spec.default_factory is MISSING:
            raise CodecError(f"{cls.__name__}: field {name} is missing")
    return cls(**{name: _coerce(hints[name], value, f"{cls.__name__}.{name}") for name, value in data.items()})


def _coerce(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(args, value, where)
    if value is None and hint not in (None, type(None), Any):
        raise CodecError(f"{where}: null is not allowed")
    if is_dataclass(hint):
        return from_json(hint, value)  # type: ignore[arg-type]
    if origin is tuple:
        if not isinstance(value, list):
            raise CodecError(f"{where}: expected a list")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_coerce(args[0], item, where) for item in value)
        return tuple(_coerce(arg, item, where) for arg, item in zip(args, value, strict=True))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise CodecError(f"{where}: expected an object")
        return {key: _coerce(args[1], item, where) for key, item in value.items()}
    return _coerce_scalar(hint, origin, args, value, where)


def _coerce_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in args:
        return None
    for arg in (a for a in args if a is not type(None)):
        try:
            return _coerce(arg, value, where)
        except CodecError:
            continue
    raise CodecError(f"{where}: unexpected {type(value).__name__}")


def _coerce_scalar(hint: Any, origin: Any, args: tuple[Any, ...], value: Any, where: str) -> Any:
    if origin is typing.Literal:
        if value not in args:
            raise CodecError(f"{where}: {value!r} is not one of {', '.join(map(str, args))}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    is_plain = isinstance(hint, type) and hint in (int, float, str, bool)
    if is_plain and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise CodecError(f"{where}: expected {hint.__name__}, got {type(value).__name__}")
    return value
