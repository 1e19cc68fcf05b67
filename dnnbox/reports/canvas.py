"""A small SVG canvas: shapes by class name (style.css gives them colours), text whose width is estimated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Literal

Anchor = Literal["start", "middle", "end"]
Size = Literal["s", "m", "l"]
WIDTHS: dict[Size, int] = {"s": 342, "m": 536, "l": 1120}

_NARROW = frozenset("iljtfrI.,:;'|!()[]/ \u00a0")
_WIDE = frozenset("mwMWQOGD%@…—≤≥↑↓")

BOLD = 1.12
"""How much wider bold text is."""


def text_width(words: str, size_px: float = 12) -> float:
    """Return about how wide a sans-serif line is, a little too wide rather than too narrow."""
    units = sum(0.34 if c in _NARROW else 0.88 if c in _WIDE else 0.68 if c.isupper() else 0.58 for c in words)
    return units * size_px


class Canvas:
    """One drawing of a fixed width in pixels; ``label`` is read out instead of it."""

    def __init__(self, width: int, height: float, label: str, css_class: str = "") -> None:
        self.width = width
        self.height = height
        self._label = label
        self._class = css_class
        self._items: list[str] = []

    def text(self, x: float, y: float, words: str, css: str = "", anchor: Anchor = "start") -> None:
        """Write a line with its baseline at ``y``."""
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        style = f' class="{css}"' if css else ""
        self._items.append(f'<text x="{x:.1f}" y="{y:.1f}"{style}{place}>{escape(words)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str = "gr") -> None:
        self._items.append(f'<path class="{css}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')

    def rect(self, x: float, y: float, width: float, height: float, css: str, radius: int = 0) -> None:
        corner = f' rx="{radius}"' if radius else ""
        box = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
        self._items.append(f'<rect class="{css}" {box}{corner}/>')

    def circle(self, x: float, y: float, radius: float, css: str) -> None:
        self._items.append(f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')

    def path(self, points: Sequence[tuple[float, float]], css: str, *, closed: bool = False) -> None:
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")
        self._items.append(f'<path class="{css}" d="{d}"/>')

    def triangle(self, x: float, y: float, css: str) -> None:
        """Mark a value beyond the upper edge of the axis."""
        self.path(((x - 3.5, y + 6), (x, y), (x + 3.5, y + 6)), css, closed=True)

    def svg(self, style: str = "") -> str:
        """Return the drawing; with ``style`` it stands alone as a file."""
        head = ' xmlns="http://www.w3.org/2000/svg"' if style else ""
        size = f' width="{self.width}" height="{self.height:.0f}"' if style else ""
        css = f' class="{self._class}"' if self._class else ""
        open_tag = (
            f'<svg{head}{css} viewBox="0 0 {self.width} {self.height:.0f}"{size} role="img" '
            f'aria-label="{escape(self._label, quote=True)}">'
        )
        background = f'<style>{style}</style><rect class="fbg" width="100%" height="100%"/>' if style else ""
        return f"{open_tag}{background}{''.join(self._items)}</svg>"


def ticks_between(low: float, high: float, wanted: int = 4) -> list[float]:
    """Return round ticks around [low, high], ``wanted`` or a few more."""
    span = high - low if high > low else max(abs(high), 1e-9)
    raw = span / wanted
    power = 10.0 ** _exponent(raw)
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = _floor(low / step)
    count = 0
    while (first + count) * step < high - step * 1e-6:
        count += 1
    return [round((first + i) * step, 12) for i in range(count + 1)]


def _exponent(value: float) -> int:
    return math.floor(math.log10(value)) if value > 0 else 0


def _floor(value: float) -> int:
    return math.floor(value + 1e-9)


def tick_text(value: float) -> str:
    """Return a tick without trailing zeros, thousands apart."""
    return f"{value:,.10g}".replace(",", "\u00a0").replace("-", "−")
