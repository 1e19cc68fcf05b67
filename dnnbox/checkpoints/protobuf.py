"""A protobuf walker that passes over what nobody asked for. Source: protobuf encoding, wire types 0, 1, 2 and 5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes, Memory, shown
from dnnbox.errors import Corrupt, InputLimit

_MAX_FIELDS = 1_000_000  # a graph of 50,000 nodes has half of that
_SMALL_BYTES = 1 << 16


class Field(NamedTuple):
    """One field: its number and either a number, or where its bytes lie (``end`` > 0)."""

    number: int
    value: int
    end: int = 0

    @property
    def is_bytes(self) -> bool:
        """Whether it is text, bytes or a message."""
        return self.end > 0


class Budget:
    """How many fields may still be read of one file."""

    __slots__ = ("left",)

    def __init__(self, left: int = _MAX_FIELDS) -> None:
        self.left = left


class Message:
    """A message at [start, end) of the data. A small one is read whole, and its parts share that copy."""

    __slots__ = ("budget", "data", "end", "origin", "start")

    def __init__(self, data: Bytes, start: int, end: int, budget: Budget, origin: int = 0) -> None:
        """``origin`` is where the data start in the file, for messages of errors."""
        if end - start <= _SMALL_BYTES and not isinstance(data, Memory):
            data, origin, start, end = (
                Memory(data.read(start, end - start), data.path, data.name),
                start,
                0,
                end - start,
            )
        self.data, self.start, self.end, self.budget, self.origin = data, start, end, budget, origin

    def fields(self) -> Iterator[Field]:
        """Yield the fields in file order; raises Corrupt for anything that is no protobuf."""
        if isinstance(self.data, Memory):
            yield from self._fields_in_memory(self.data.content)
            return
        cursor = Cursor(self.data, self.start, self.end)
        while cursor.left > 0:
            number, wire = self._key(cursor.varint())
            yield self._field(cursor, number, wire)

    def _key(self, key: int) -> tuple[int, int]:
        self.budget.left -= 1
        if self.budget.left < 0:
            raise InputLimit(f"{shown(self.data.path)}: more protobuf fields than are read")
        if not key >> 3:
            raise Corrupt(f"{shown(self.data.path)}: a protobuf field without a number")
        return key >> 3, key & 7

    def _field(self, cursor: Cursor, number: int, wire: int) -> Field:
        if wire == 0:
            return Field(number, cursor.varint())
        if wire == 2:
            length = cursor.varint()
            start = cursor.offset
            cursor.skip(length)
            return _bytes_field(number, start, cursor.offset)
        if wire in (1, 5):
            return Field(number, int.from_bytes(cursor.take(8 if wire == 1 else 4), "little"))
        raise cursor.corrupt(f"protobuf wire type {wire}")

    def _fields_in_memory(self, content: bytes) -> Iterator[Field]:
        at, end = self.start, self.end
        while at < end:
            key, at = self._varint(content, at)
            number, wire = self._key(key)
            if wire == 0:
                value, at = self._varint(content, at)
                yield Field(number, value)
                continue
            if wire == 2:
                length, at = self._varint(content, at)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise self._corrupt(at, f"protobuf wire type {wire}")
            if length > end - at:
                raise self._corrupt(at, f"{length} bytes are stated, {end - at} are left")
            start, at = at, at + length
            yield _bytes_field(number, start, at) if wire == 2 else Field(number, _little(content, start, at))

    def _varint(self, content: bytes, at: int) -> tuple[int, int]:
        value = shift = 0
        while at < self.end:
            byte = content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at
            shift += 7
            if shift > 63:
                raise self._corrupt(at, "a number of more than 64 bits")
        raise self._corrupt(at, "a number is cut short")

    def _corrupt(self, at: int, text: str) -> Corrupt:
        return Corrupt(f"{shown(self.data.path)} byte {self.origin + at}: {text}")

    def message(self, field: Field) -> Message:
        """Return a field as a message."""
        return Message(self.data, field.value, field.end, self.budget, self.origin)

    def text(self, field: Field, limit: int = 1 << 16) -> str:
        """Return a field as text, cut at ``limit`` bytes; "" where it is a number."""
        if not field.is_bytes:
            return ""
        return self.data.read(field.value, min(field.end - field.value, limit)).decode("utf-8", "replace")

    def numbers(self, field: Field, limit: int = 1 << 12) -> list[int]:
        """Return a repeated integer field, packed or not."""
        if not field.is_bytes:
            return [field.value]
        cursor = Cursor(self.data, field.value, field.end)
        found: list[int] = []
        while cursor.left > 0:
            if len(found) >= limit:
                raise cursor.corrupt(f"more than {limit} numbers where a shape is expected")
            found.append(cursor.varint())
        return found


def _bytes_field(number: int, start: int, end: int) -> Field:
    # An empty text at the very start would have end 0, which means "a number".
    return Field(number, start, end) if end > 0 else Field(number, 1, 1)


def _little(content: bytes, start: int, end: int) -> int:
    return int.from_bytes(content[start:end], "little")


def document(data: Bytes) -> Message:
    """Return the whole data as a message."""
    return Message(data, 0, data.size, Budget())


def signed(value: int) -> int:
    """Return a varint as the signed 64-bit number that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value
