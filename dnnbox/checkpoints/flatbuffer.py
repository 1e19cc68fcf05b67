"""A walker over FlatBuffers that reads the tables asked for; every offset is checked against the file.

Source: FlatBuffers' internals documentation: tables, virtual tables, vectors and strings, all little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.errors import Corrupt, InputLimit

_PAGE_BYTES = 1 << 14
_PAGES = 32
_MAX_STEPS = 1_000_000
_MAX_TEXT = 20_000
_MAX_FIELDS = 64  # of one table: no schema read here has more


class Buffer:
    """The bytes with a few pages kept, and how much of them may still be walked."""

    def __init__(self, data: Bytes, start: int = 0) -> None:
        """``start``: where the FlatBuffer begins in the data."""
        self.data, self.start, self.size = data, start, data.size - start
        self._pages: dict[int, bytes] = {}
        self._left = _MAX_STEPS

    def corrupt(self, at: int, text: str) -> Corrupt:
        """Return an error that says where."""
        return Corrupt(f"{shown(self.data.path)} byte {self.start + at}: {text}")

    def spend(self, steps: int) -> None:
        """Count work; raises InputLimit where a file refers to itself again and again."""
        self._left -= steps
        if self._left < 0:
            raise InputLimit(f"{shown(self.data.path)} has more FlatBuffer fields than are read")

    def read(self, at: int, length: int) -> bytes:
        """Return bytes of the buffer."""
        if at < 0 or at + length > self.size:
            raise self.corrupt(at, f"{length} bytes are needed, the FlatBuffer has {self.size}")
        page, inside = divmod(at, _PAGE_BYTES)
        if inside + length > _PAGE_BYTES:
            return self.data.read(self.start + at, length)
        if (content := self._pages.get(page)) is None:
            if len(self._pages) >= _PAGES:
                del self._pages[next(iter(self._pages))]
            content = self._pages[page] = self.data.up_to(self.start + page * _PAGE_BYTES, _PAGE_BYTES)
        return content[inside : inside + length]

    def u32(self, at: int) -> int:
        """Return an unsigned number of 4 bytes."""
        return int.from_bytes(self.read(at, 4), "little")

    def root(self) -> Table:
        """Return the root table."""
        return Table(self, self.u32(0))


class Table:
    """One table; fields are asked for by their number in the schema."""

    __slots__ = ("_buffer", "_fields", "at")

    def __init__(self, buffer: Buffer, at: int) -> None:
        buffer.spend(1)
        where = at - int.from_bytes(buffer.read(at, 4), "little", signed=True)
        size, extent = struct.unpack("<HH", buffer.read(where, 4))
        if size < 4 or size % 2 or extent < 4 or at + extent > buffer.size:
            raise buffer.corrupt(at, "no FlatBuffer table")
        self._buffer, self.at = buffer, at
        count = min(size // 2 - 2, _MAX_FIELDS)
        self._fields = struct.unpack(f"<{count}H", buffer.read(where + 4, 2 * count))

    def _place(self, field: int) -> int:
        """Return where a field is, 0 where it has its default."""
        offset = self._fields[field] if field < len(self._fields) else 0
        return self.at + offset if offset else 0

    def number(self, field: int, code: str = "i", default: int = 0) -> int:
        """Return a whole number by its ``struct`` code."""
        place = self._place(field)
        found: int = struct.unpack(f"<{code}", self._buffer.read(place, struct.calcsize(code)))[0] if place else default
        return found

    def _target(self, field: int) -> int:
        place = self._place(field)
        return place + self._buffer.u32(place) if place else 0

    def table(self, field: int) -> Table | None:
        """Return a table, or None."""
        target = self._target(field)
        return Table(self._buffer, target) if target else None

    def text(self, field: int) -> str:
        """Return a string, "" where there is none."""
        return _text(self._buffer, self._target(field))

    def _vector(self, field: int, width: int) -> tuple[int, int]:
        """Return where a vector's items start and how many there are."""
        target = self._target(field)
        if not target:
            return 0, 0
        count = self._buffer.u32(target)
        if target + 4 + count * width > self._buffer.size:
            raise self._buffer.corrupt(target, f"a vector of {count} items does not fit in the file")
        return target + 4, count

    def bytes_count(self, field: int) -> int:
        """Return the length of a vector of bytes, which must be in the file; it is not read."""
        return self._vector(field, 1)[1]

    def numbers(self, field: int, code: str = "i", limit: int = 100_000) -> tuple[int, ...]:
        """Return a vector of whole numbers, at most ``limit``."""
        start, count = self._vector(field, struct.calcsize(code))
        count = min(count, limit)
        self._buffer.spend(count)
        return (
            struct.unpack(f"<{count}{code}", self._buffer.read(start, count * struct.calcsize(code))) if count else ()
        )

    def tables(self, field: int) -> Iterator[Table]:
        """Yield a vector of tables."""
        start, count = self._vector(field, 4)
        for place in range(start, start + 4 * count, 4):
            yield Table(self._buffer, place + self._buffer.u32(place))

    def texts(self, field: int, limit: int = 100_000) -> list[str]:
        """Return a vector of strings, at most ``limit``."""
        start, count = self._vector(field, 4)
        count = min(count, limit)
        self._buffer.spend(count)
        return [_text(self._buffer, p + self._buffer.u32(p)) for p in range(start, start + 4 * count, 4)]


def _text(buffer: Buffer, at: int) -> str:
    if not at:
        return ""
    length = buffer.u32(at)
    buffer.spend(1 + min(length, _MAX_TEXT) // 256)
    if at + 4 + length > buffer.size:
        raise buffer.corrupt(at, f"a text of {length} bytes does not fit in the file")
    return buffer.read(at + 4, min(length, _MAX_TEXT)).decode("utf-8", "replace")
