"""A picture in memory and how to draw on it, with nothing but the standard library: RGB bytes, and PNG out."""

from __future__ import annotations

import struct
import zlib
from typing import List, Sequence, Tuple

Colour = Tuple[int, int, int]

PALETTE: Sequence[Colour] = (
    (230, 97, 1), (94, 60, 153), (0, 158, 115), (213, 94, 160), (0, 114, 178), (240, 200, 40),
    (120, 190, 230), (160, 80, 40), (90, 170, 60), (200, 40, 60), (70, 70, 160), (30, 180, 180),
)  # fmt: skip
"""Colours of classes, told apart by most eyes; they begin again after the last."""


LIGHT: Colour = (255, 255, 255)


class Canvas:
    """``pixels`` are RGB bytes, row by row."""

    def __init__(self, width: int, height: int, pixels: bytes = b"") -> None:
        self.width, self.height = width, height
        self.pixels = bytearray(pixels or bytes(3 * width * height))

    def copy(self) -> "Canvas":
        """Return a picture of its own."""
        return Canvas(self.width, self.height, bytes(self.pixels))

    def scaled(self, width: int, height: int) -> "Canvas":
        """Return the picture at another size, nearest neighbour."""
        if (width, height) == (self.width, self.height):
            return self.copy()
        columns = [3 * (x * self.width // width) for x in range(width)]
        rows: List[bytes] = []
        for y in range(height):
            start = 3 * self.width * (y * self.height // height)
            row = self.pixels[start : start + 3 * self.width]
            rows.append(b"".join(bytes(row[at : at + 3]) for at in columns))
        return Canvas(width, height, b"".join(rows))

    def within(self, longest: int) -> "Canvas":
        """Return the picture no longer than ``longest`` pixels on a side."""
        scale = longest / max(self.width, self.height, 1)
        if scale >= 1:
            return self
        return self.scaled(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def fill(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """Colour a rectangle; what lies outside the picture is left out."""
        left, right = max(0, left), min(self.width, right)
        if right <= left:
            return
        row = bytes(colour) * (right - left)
        for y in range(max(0, top), min(self.height, bottom)):
            start = 3 * (y * self.width + left)
            self.pixels[start : start + len(row)] = row

    def frame(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Draw the outline of a rectangle, with a light one around it that shows it on a ground of its own colour."""
        a, b, c, d = (int(round(side)) for side in (left, top, right, bottom))
        thick = max(1, round(min(self.width, self.height) / 120))
        self._outline(a - thick, b - thick, c + thick, d + thick, thick, LIGHT)
        self._outline(a, b, c, d, thick, colour)

    def _outline(self, a: int, b: int, c: int, d: int, thick: int, colour: Colour) -> None:
        self.fill(a, b, c, b + thick, colour)
        self.fill(a, d - thick, c, d, colour)
        self.fill(a, b, a + thick, d, colour)
        self.fill(c - thick, b, c, d, colour)

    def dot(self, x: float, y: float, colour: Colour) -> None:
        """Draw a small square around a point, with a light edge that shows it on a ground of its own colour."""
        size = max(2, round(min(self.width, self.height) / 60))
        edge = max(1, size // 3)
        for half, shade in ((size + edge, LIGHT), (size, colour)):
            self.fill(int(x) - half, int(y) - half, int(x) + half, int(y) + half, shade)

    def blend(self, classes: Sequence[int], width: int, height: int, background: int = 0) -> None:
        """Tint every pixel by its class; ``classes`` is a plane of another size, ``background`` stays as it is."""
        tints = {}
        for name in set(classes):
            if name != background:
                tints[name] = PALETTE[name % len(PALETTE)]
        for y in range(self.height):
            row = (y * height // self.height) * width
            for x in range(self.width):
                tint = tints.get(classes[row + x * width // self.width])
                if tint is not None:
                    at = 3 * (y * self.width + x)
                    for place in range(3):
                        self.pixels[at + place] = (self.pixels[at + place] + tint[place]) // 2

    def beside(self, other: "Canvas") -> "Canvas":
        """Return both pictures in one row, the smaller one enlarged to the same height."""
        height = max(self.height, other.height)
        left, right = (one.scaled(max(1, one.width * height // one.height), height) for one in (self, other))
        gap = bytes((255, 255, 255)) * max(2, height // 64)
        rows = []
        for y in range(height):
            for canvas in (left, right):
                rows.append(bytes(canvas.pixels[3 * canvas.width * y : 3 * canvas.width * (y + 1)]))
                rows.append(gap if canvas is left else b"")
        return Canvas(left.width + len(gap) // 3 + right.width, height, b"".join(rows))

    def png(self) -> bytes:
        """Return a PNG file (ISO/IEC 15948), 8 bits a channel."""
        stride = 3 * self.width
        raw = b"".join(b"\0" + bytes(self.pixels[y * stride : (y + 1) * stride]) for y in range(self.height))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 6)), (b"IEND", b""))
        parts = [b"\x89PNG\r\n\x1a\n"]
        for name, data in chunks:
            parts.append(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
        return b"".join(parts)


def heat(share: float) -> Colour:
    """Return a colour from dark blue (0) over green to yellow (1), lighter for more."""
    share = min(1.0, max(0.0, share))
    stops = ((0.0, (30, 20, 90)), (0.33, (40, 110, 140)), (0.66, (80, 190, 100)), (1.0, (250, 230, 60)))
    for (low, first), (high, second) in zip(stops, stops[1:]):
        if share <= high:
            part = (share - low) / (high - low)
            return tuple(round(a + part * (b - a)) for a, b in zip(first, second))  # type: ignore[return-value]
    return stops[-1][1]
