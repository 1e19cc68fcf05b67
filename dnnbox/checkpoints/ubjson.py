"""Universal Binary JSON as XGBoost writes it: bounded, and arrays of numbers are passed over.

Source: ubjson.org draft 12; XGBoost src/common/json.cc (3.2).
"""

from __future__ import annotations

import struct
from typing import Any

from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes
from dnnbox.errors import InputLimit

_NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_INTEGERS = b"iUIlL"
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_MAX_VALUES = 2_000_000
_MAX_DEPTH = 64
_MAX_TEXT_BYTES = 1 << 20


class Parser:
    """Reads one document."""

    def __init__(self, data: Bytes) -> None:
        self._cursor = Cursor(data)
        self._left = _MAX_VALUES

    def read(self) -> Any:
        """Return the document; arrays of one numeric type are passed over and come as None."""
        return self._value(self._cursor.take(1), 0)

    def _value(self, kind: bytes, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise InputLimit(f"a UBJSON document of more than {_MAX_VALUES} values, or nested too deeply")
        if kind in _NUMBERS:
            return self._cursor.unpack(_NUMBERS[kind])
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == b"S":
            return self._text()
        if kind == b"C":
            return self._cursor.take(1).decode("latin-1")
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._array(depth)
        raise self._cursor.corrupt(f"byte {kind.hex()} is no UBJSON type")

    def _length(self) -> int:
        kind = self._cursor.take(1)
        length = self._cursor.unpack(_NUMBERS[kind]) if kind in _NUMBERS and kind in _INTEGERS else -1
        if not 0 <= length <= self._cursor.left:
            raise self._cursor.corrupt(f"a length of {length}, {self._cursor.left} bytes are left")
        return int(length)

    def _text(self) -> str:
        return self._cursor.text(self._length(), _MAX_TEXT_BYTES)

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (mark := self._cursor.take(1)) != b"}":
            self._cursor.seek(self._cursor.offset - len(mark))
            key = self._text()
            found[key] = self._value(self._cursor.take(1), depth + 1)
        return found

    def _array(self, depth: int) -> Any:
        kind = self._cursor.take(1)
        if kind == b"$":
            self._pass_over(self._cursor.take(1))
            return None
        if kind == b"#":
            return [self._value(self._cursor.take(1), depth + 1) for _ in range(self._length())]
        found = []
        while kind != b"]":
            found.append(self._value(kind, depth + 1))
            kind = self._cursor.take(1)
        return found

    def _pass_over(self, kind: bytes) -> None:
        if kind not in _NUMBERS or self._cursor.take(1) != b"#":
            raise self._cursor.corrupt("a UBJSON array of a type that is not read")
        self._cursor.skip(self._length() * struct.calcsize(_NUMBERS[kind]))
