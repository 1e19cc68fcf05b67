"""Flax's msgpack files: nested maps of arrays, whose bytes are passed over.

Source: MessagePack specification; flax 0.12 serialization.py (extension 1 = array, 3 = numpy scalar; chunked arrays).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.errors import Corrupt, DnnboxError, InputLimit
from dnnbox.text import visible

_MAX_VALUES = 2_000_000
_MAX_DEPTH = 64
_MAX_TEXT = 20_000
_CHUNKED = "__msgpack_chunked_array__"
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
    0xD3: ">q",
}  # fmt: skip
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_BINARY = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}


@dataclass(frozen=True)
class Array:
    """An array whose numbers were passed over."""

    dtype: str
    shape: tuple[int, ...]


class Unpacker:
    """Reads MessagePack from a cursor; binary data give their length only."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._left = _MAX_VALUES

    def value(self, depth: int = 0) -> Any:
        """Return the next value; raises Corrupt or InputLimit."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise InputLimit(f"{shown(self._cursor.data.path)}: more MessagePack values or depth than are read")
        code = self._cursor.u8()
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code < 0xC0:
            return self._short(code, depth)
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            return self._cursor.unpack(_NUMBERS[code])
        return self._long(code, depth)

    def _short(self, code: int, depth: int) -> Any:
        if code < 0x90:
            return self._map(code & 15, depth)
        return self._list(code & 15, depth) if code < 0xA0 else self._cursor.text(code & 31, _MAX_TEXT)

    def _size(self, width: int) -> int:
        return int.from_bytes(self._cursor.take(width), "big")

    def _long(self, code: int, depth: int) -> Any:
        if code in _BINARY:
            length = self._size(_BINARY[code])
            self._cursor.skip(length)
            return length
        if code in _TEXTS:
            return self._cursor.text(self._size(_TEXTS[code]), _MAX_TEXT)
        if code in _LISTS:
            return self._list(self._size(_LISTS[code]), depth)
        if code in _MAPS:
            return self._map(self._size(_MAPS[code]), depth)
        if code in _FIXED_EXTENSIONS:
            return self._extension(_FIXED_EXTENSIONS[code])
        if code in _EXTENSIONS:
            return self._extension(self._size(_EXTENSIONS[code]))
        raise self._cursor.corrupt(f"the MessagePack code {code:#x} is never used")

    def _fits(self, count: int) -> None:
        if count > self._cursor.left:
            raise self._cursor.corrupt(f"{count} items are stated, {self._cursor.left} bytes are left")

    def _list(self, count: int, depth: int) -> list[Any]:
        self._fits(count)
        return [self.value(depth + 1) for _ in range(count)]

    def _map(self, count: int, depth: int) -> dict[str, Any]:
        self._fits(2 * count)
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, (str, int)):
                raise self._cursor.corrupt("a map whose key is neither text nor a number")
            if str(key) in found:
                raise self._cursor.corrupt(f"the key {visible(str(key), 80)} occurs twice")
            found[str(key)] = self.value(depth + 1)
        return found

    def _extension(self, length: int) -> Any:
        """Return an array by its (shape, dtype, bytes), or None for other extensions."""
        kind, start = self._cursor.u8(), self._cursor.offset
        if length > self._cursor.left:
            raise self._cursor.corrupt(f"{length} bytes are stated, {self._cursor.left} are left")
        inner = Cursor(self._cursor.data, start, start + length)
        self._cursor.skip(length)
        if kind not in (1, 3):
            return None
        parts = Unpacker(inner).value()
        if not isinstance(parts, list) or len(parts) != 3:
            raise inner.corrupt("an array without shape, type and numbers")
        shape, dtype = plain.extents(parts[0]), plain.text(parts[1], 40)
        expected = size_bytes(dtype, prod(shape))
        if expected and parts[2] != expected:
            raise inner.corrupt(f"an array of {expected} bytes with {parts[2]} of them")
        return Array(dtype, shape)


class FlaxMsgpack:
    """Reads a Flax file: the arrays by path, their types and shapes."""

    def sniff(self, data: Bytes) -> Match | None:
        """A map whose first key is text and whose first value is a map or an array."""
        head = data.head
        if not head or not (0x81 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)):
            return None
        start = 1 + _MAPS.get(head[0], 0)
        code = head[start : start + 1]
        if not code or not (0xA1 <= code[0] <= 0xBF or code[0] in _TEXTS):
            return None
        try:
            cursor = Cursor(data, start)
            name = Unpacker(cursor).value()
            following = cursor.u8()
        except DnnboxError:
            return None
        nested = 0x80 <= following <= 0x8F or following in (*_MAPS, *_EXTENSIONS, *_FIXED_EXTENSIONS)
        known = isinstance(name, str) and name.isprintable() and nested
        return Match(0.8, "a MessagePack map of maps or arrays") if known else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """List the arrays by path."""
        reading.format, reading.framework = "flax-msgpack", "jax"
        cursor = Cursor(data)
        root = Unpacker(cursor).value()
        if cursor.left:
            raise Corrupt(f"{shown(data.path)}: {cursor.left} bytes follow the MessagePack map")
        kept: dict[str, Any] = {}
        _walk(root, "", reading, kept)
        if not reading.tensors:
            raise Corrupt(f"{shown(data.path)} is a MessagePack map without arrays")
        if kept:
            reading.metadata["values"] = plain.bounded(kept)
        reading.scanned.append("maps, shapes and types")


def _walk(value: Any, path: str, reading: Reading, kept: dict[str, Any]) -> None:
    if isinstance(value, Array):
        reading.add_tensor(path, value.dtype, value.shape)
    elif isinstance(value, Mapping) and value.get(_CHUNKED) is True:
        chunks = list(plain.mapping(value.get("chunks")).values())
        shape = plain.extents(list(plain.mapping(value.get("shape")).values()))
        dtype = chunks[0].dtype if chunks and isinstance(chunks[0], Array) else ""
        reading.add_tensor(path, dtype, shape)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _walk(item, f"{path}/{key}" if path else key, reading, kept)
    elif len(kept) < 1000:
        kept[path] = value
