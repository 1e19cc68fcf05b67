"""A forward reader over a range of bytes; every length is checked against the range before anything is read."""

from __future__ import annotations

import struct

from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.errors import Corrupt

_WINDOW_BYTES = 1 << 14


class Cursor:
    """Little-endian numbers, protobuf varints and texts from ``start`` to ``end`` of ``data``."""

    def __init__(self, data: Bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.end = data.size if end is None else end
        self._base = start
        self._window = b""
        self._at = 0

    @property
    def offset(self) -> int:
        """Position of the next byte."""
        return self._base + self._at

    @property
    def left(self) -> int:
        """Bytes up to the end of the range."""
        return self.end - self.offset

    def corrupt(self, text: str) -> Corrupt:
        """Return an error that says where."""
        return Corrupt(f"{shown(self.data.path)} byte {self.offset}: {text}")

    def take(self, length: int) -> bytes:
        """Return the next ``length`` bytes."""
        if self._at + length > len(self._window) or self.offset + length > self.end:
            self._fill(length)
        at = self._at
        self._at = at + length
        return self._window[at : at + length]

    def _fill(self, length: int) -> None:
        offset = self.offset
        if length < 0 or offset + length > self.end:
            raise self.corrupt(f"{length} bytes are stated, {self.left} are left")
        self._window = self.data.up_to(offset, min(max(length, _WINDOW_BYTES), self.end - offset))
        self._base, self._at = offset, 0

    def seek(self, offset: int) -> None:
        """Go to ``offset``, which must be inside the range."""
        if not 0 <= offset <= self.end:
            raise self.corrupt(f"offset {offset} is outside, the end is at {self.end}")
        if self._base <= offset <= self._base + len(self._window):
            self._at = offset - self._base
        else:
            self._base, self._window, self._at = offset, b"", 0

    def skip(self, length: int) -> None:
        """Pass over ``length`` bytes without reading them."""
        if length < 0 or length > self.left:
            raise self.corrupt(f"{length} bytes are stated, {self.left} are left")
        self.seek(self.offset + length)

    def u8(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def u32(self) -> int:
        """Return an unsigned 32-bit number."""
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        """Return an unsigned 64-bit number."""
        return int.from_bytes(self.take(8), "little")

    def unpack(self, code: str) -> int | float | bool:
        """Return one number by its ``struct`` code."""
        value: int | float | bool = struct.unpack(code, self.take(struct.calcsize(code)))[0]
        return value

    def varint(self) -> int:
        """Return a protobuf varint of at most 64 bits."""
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
            shift += 7
            if shift > 63:
                raise self.corrupt("a number of more than 64 bits")

    def text(self, length: int, limit: int = 1 << 20) -> str:
        """Return ``length`` bytes as text, cut at ``limit`` bytes; what is not UTF-8 is shown as a replacement."""
        kept = self.take(min(length, limit)).decode("utf-8", "replace")
        if length > limit:
            self.skip(length - limit)
        return kept
