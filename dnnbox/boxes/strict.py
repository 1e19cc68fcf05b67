"""Reading result.json as what it is: bytes that an untrusted process wrote.

On top of the protocol's own checks: a size limit, no NaN or infinity, and every value of the type that its field has.
"""

from __future__ import annotations

import json
import math
import types
import typing
from dataclasses import fields, is_dataclass

from dnnbox.harness.protocol import ProtocolError, RunResult, decode

RESULT_BYTES = 32 << 20
_INT_LIMIT = 1 << 63


def read_result(data: bytes) -> RunResult:
    """Return the record in ``data``.

    Raises:
        ProtocolError: it is anything but a whole and well-typed RunResult.
    """
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except ProtocolError:
        raise
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of 5,000 digits, 100,000 brackets
        raise ProtocolError(f"result.json is not JSON: {type(error).__name__}") from error
    try:
        result = decode(RunResult, value)
        check_types(result, RunResult, "result.json")
    except RecursionError as error:
        raise ProtocolError("result.json is nested too deeply") from error
    return result


def _refuse_constant(name: str) -> object:
    raise ProtocolError(f"result.json holds {name}, which is no JSON number")


def check_types(value: object, hint: object, where: str) -> None:
    """Raise ProtocolError unless ``value`` is what the annotation says, all the way down."""
    if hint is typing.Any:
        _check_plain(value, where)
    elif is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, hint):
            raise ProtocolError(f"{where}: expected {hint.__name__}, got {type(value).__name__}")
        hints = typing.get_type_hints(hint)
        for spec in fields(hint):
            check_types(getattr(value, spec.name), hints[spec.name], f"{where}.{spec.name}")
    else:
        _check_generic(value, hint, where)


def _check_generic(value: object, hint: object, where: str) -> None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # only Optional in the protocol
        if value is not None:
            check_types(value, arguments[0], where)
    elif origin is list:
        for item in _expect(value, list, where):
            check_types(item, arguments[0], where)
    elif origin is dict:
        for key, item in _expect(value, dict, where).items():
            check_types(item, arguments[1], f"{where}.{key[:40]}")
    else:
        assert isinstance(hint, type), hint
        _check_scalar(value, hint, where)


def _expect(value: object, kind: type[typing.Any], where: str) -> typing.Any:
    if not isinstance(value, kind):
        raise ProtocolError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def _check_scalar(value: object, kind: type, where: str) -> None:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        kind = int
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ProtocolError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ProtocolError(f"{where}: a number that is not finite")
    if isinstance(value, int) and abs(value) >= _INT_LIMIT:
        raise ProtocolError(f"{where}: an integer of more than 64 bits")


def _check_plain(value: object, where: str) -> None:
    """Any JSON value is welcome; its numbers must be sane all the same."""
    if isinstance(value, dict):
        for item in value.values():
            _check_plain(item, where)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_scalar(value, type(value), where)
