"""A protobuf walker that passes over what nobody asked for. Source: protobuf encoding, wire types 0, 1, 2 and 5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes

_MAX_FIELDS = 5_000_000


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its number and either a number, or where its bytes lie (``end`` > 0)."""

    number: int
    value: int
    end: int = 0

    @property
    def is_bytes(self) -> bool:
        """Whether it is text, bytes or a message."""
        return self.end > 0


@dataclass
class Budget:
    """How many fields may still be read of one file."""

    left: int = _MAX_FIELDS


@dataclass(frozen=True, slots=True)
class Message:
    """A message at [start, end) of the data."""

    data: Bytes
    start: int
    end: int
    budget: Budget

    def fields(self) -> Iterator[Field]:
        """Yield the fields in file order; raises Corrupt for anything that is no protobuf."""
        cursor = Cursor(self.data, self.start, self.end)
        while cursor.left > 0:
            self.budget.left -= 1
            if self.budget.left < 0:
                raise cursor.corrupt(f"more than {_MAX_FIELDS} protobuf fields")
            key = cursor.varint()
            number, wire = key >> 3, key & 7
            if not number:
                raise cursor.corrupt("a protobuf field without a number")
            yield self._field(cursor, number, wire)

    def _field(self, cursor: Cursor, number: int, wire: int) -> Field:
        if wire == 0:
            return Field(number, cursor.varint())
        if wire == 2:
            length = cursor.varint()
            start = cursor.offset
            cursor.skip(length)
            return Field(number, start, cursor.offset) if length else Field(number, max(start, 1), max(start, 1))
        if wire in (1, 5):
            return Field(number, int.from_bytes(cursor.take(8 if wire == 1 else 4), "little"))
        raise cursor.corrupt(f"protobuf wire type {wire}")

    def message(self, field: Field) -> Message:
        """Return a field as a message."""
        return Message(self.data, field.value, field.end, self.budget)

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


def document(data: Bytes) -> Message:
    """Return the whole data as a message."""
    return Message(data, 0, data.size, Budget())


def signed(value: int) -> int:
    """Return a varint as the signed 64-bit number that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value
