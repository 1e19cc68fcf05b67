"""The bytes of a pickle, read forward through a window, with protocol 4's frames enforced.

Nothing may straddle the end of a frame and no frame may start inside another: CPython's C and Python unpicklers
differ there, and what differs can hide a call from a scanner.
"""

from __future__ import annotations

from dnnbox.checkpoints.opening import Bytes
from dnnbox.checkpoints.pickles.values import Refused

_WINDOW_BYTES = 1 << 16
_MAX_LINE_BYTES = 1 << 16


class Stream:
    """A forward reader over ``data`` from ``start``; ``offset`` is the position in ``data``."""

    def __init__(self, data: Bytes, start: int = 0) -> None:
        self.data = data
        self._base = start
        self.window = b""
        self.at = 0
        self.limit = 0  # where in the window reading must stop and think: its end, or the frame's
        self._frame_end: int | None = None

    @property
    def offset(self) -> int:
        """Position of the next byte."""
        return self._base + self.at

    def byte(self) -> int:
        """Return the next byte."""
        if self.at >= self.limit:
            self._need(1)
        value = self.window[self.at]
        self.at += 1
        return value

    def take(self, length: int) -> bytes:
        """Return the next ``length`` bytes."""
        if self.at + length > self.limit:
            self._need(length)
        at = self.at
        self.at = at + length
        return self.window[at : at + length]

    def uint(self, width: int) -> int:
        """Return a little-endian unsigned number of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def uint4(self) -> int:
        """Return a little-endian unsigned number of four bytes; as :meth:`uint`, without its calls."""
        at = self.at
        if at + 4 > self.limit:
            return self.uint(4)
        self.at = at + 4
        return int.from_bytes(self.window[at : at + 4], "little")

    def skip(self, length: int) -> int:
        """Pass over ``length`` bytes without reading them; return where they start."""
        start = self.offset
        if start + length > self.data.size:
            raise Refused("truncated", f"{length} bytes are stated, {self.data.size - start} are left", start)
        if self._frame_end == start:
            self._frame_end = None
        elif self._frame_end is not None and start + length > self._frame_end:
            raise Refused("danger", "a value straddles the end of a frame", start)
        self._move(start + length)
        return start

    def line(self) -> bytes:
        """Return the bytes up to the next newline, which is passed over."""
        while True:
            end = self.window.find(b"\n", self.at, self.limit)
            if end >= 0:
                line = self.window[self.at : end]
                self.at = end + 1
                return line
            have = self.limit - self.at
            if have > _MAX_LINE_BYTES:
                raise Refused("limit", "a line is longer than 64 KiB", self.offset)
            self._need(have + 1)

    def two_lines(self) -> bytes:
        """Return two lines with the newline between them; the one behind them is passed over."""
        first = self.window.find(b"\n", self.at, self.limit)
        end = self.window.find(b"\n", first + 1, self.limit) if first >= 0 else -1
        if end < 0:
            return self.line() + b"\n" + self.line()
        lines = self.window[self.at : end]
        self.at = end + 1
        return lines

    def start_frame(self, length: int) -> None:
        """Begin a frame of ``length`` bytes at the current position."""
        if self._frame_end is not None and self.offset != self._frame_end:
            raise Refused("danger", "a frame starts inside a frame", self.offset)
        end = self.offset + length
        if end > self.data.size:
            raise Refused("truncated", f"a frame of {length} bytes reaches beyond the end", self.offset)
        self._frame_end = end
        self._set_limit()

    def finish(self) -> None:
        """Check that nothing of a frame is left after STOP: loaders would go on at different places."""
        if self._frame_end is not None and self.offset != self._frame_end:
            raise Refused("danger", "the pickle stops inside a frame", self.offset)

    def _move(self, offset: int) -> None:
        if self._base <= offset <= self._base + len(self.window):
            self.at = offset - self._base
        else:
            self._base, self.window, self.at = offset, b"", 0
        self._set_limit()

    def _set_limit(self) -> None:
        self.limit = len(self.window)
        if self._frame_end is not None:
            self.limit = min(self.limit, self._frame_end - self._base)

    def _need(self, length: int) -> None:
        """Make ``length`` bytes available from the current position, or refuse."""
        start = self.offset
        if self._frame_end is not None:
            if start == self._frame_end:
                self._frame_end = None
            elif start + length > self._frame_end:
                raise Refused("danger", "a value straddles the end of a frame", start)
        if start + length > self.data.size:
            raise Refused("truncated", f"{length} bytes are needed, {self.data.size - start} are left", start)
        if self.at + length > len(self.window):
            self.window = self.data.up_to(start, max(length, _WINDOW_BYTES))
            self._base, self.at = start, 0
        self._set_limit()
