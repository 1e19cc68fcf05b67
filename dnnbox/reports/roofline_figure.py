"""The roofline: what this device reached when it was asked for nothing but products and copies, and where the model and
its operators lie below it. Both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dnnbox.reports import numbers
from dnnbox.reports.canvas import Anchor, Canvas, Size, text_width
from dnnbox.reports.figures import Draw, canvas_for


@dataclass(frozen=True)
class Dot:
    """A model or an operator: its work per byte, and the rate that it reached."""

    name: str
    flops_per_byte: float
    flops_per_s: float


@dataclass(frozen=True)
class Roof:
    """The measured peaks, the model, and its operators, those with most time first."""

    flops_per_s: float
    bytes_per_s: float
    model: Dot
    operators: Sequence[Dot]


@dataclass(frozen=True)
class _Plane:
    """Where the plot lies, and the powers of ten at its edges."""

    left: float
    right: float
    top: float
    bottom: float
    x_powers: tuple[int, int]
    y_powers: tuple[int, int]

    def x(self, flops_per_byte: float) -> float:
        low, high = self.x_powers
        return self.left + (self.right - self.left) * (math.log10(flops_per_byte) - low) / (high - low)

    def y(self, flops_per_s: float) -> float:
        low, high = self.y_powers
        return self.bottom - (self.bottom - self.top) * (math.log10(flops_per_s) - low) / (high - low)


def roofline(roof: Roof) -> Draw:
    """Attainable rate against work per byte."""

    def draw(size: Size) -> Canvas:
        height = {"s": 300, "m": 330, "l": 360}[size]
        stated = f"{roof.model.name} reaches {numbers.work_rate(roof.model.flops_per_s)}"
        canvas = canvas_for(size, height, f"Roofline: peak {numbers.work_rate(roof.flops_per_s)}; {stated}.")
        plane = _plane(canvas, roof)
        _axes(canvas, plane)
        ridge = roof.flops_per_s / roof.bytes_per_s
        low, high = (10.0**power for power in plane.x_powers)
        start = max(low, 10.0 ** plane.y_powers[0] / roof.bytes_per_s)
        slope = [(plane.x(start), plane.y(start * roof.bytes_per_s)), (plane.x(ridge), plane.y(roof.flops_per_s))]
        canvas.path([*slope, (plane.x(high), plane.y(roof.flops_per_s))], "lt")
        flat = numbers.work_rate(roof.flops_per_s)
        canvas.text(plane.right, plane.y(roof.flops_per_s) - 7, flat, "ts halo", "end")
        canvas.text(slope[0][0] + 22, slope[0][1] - 6, numbers.byte_rate(roof.bytes_per_s), "ts halo")
        for dot in roof.operators:
            canvas.circle(plane.x(dot.flops_per_byte), plane.y(dot.flops_per_s), 3.2, "f2 w1")
        _names(canvas, plane, roof)
        return canvas

    return draw


def _plane(canvas: Canvas, roof: Roof) -> _Plane:
    dots = [roof.model, *roof.operators]
    ridge = roof.flops_per_s / roof.bytes_per_s
    xs = [ridge, *(dot.flops_per_byte for dot in dots)]
    ys = [roof.flops_per_s, *(dot.flops_per_s for dot in dots)]
    x_powers = math.floor(math.log10(min(xs)) - 0.1), math.ceil(math.log10(max(xs)) + 0.3)
    y_powers = math.floor(math.log10(min(ys)) - 0.1), math.ceil(math.log10(max(ys)) + 0.1)
    return _Plane(62, canvas.width - 8, 26, canvas.height - 46, x_powers, y_powers)


def _axes(canvas: Canvas, plane: _Plane) -> None:
    for power in range(plane.y_powers[0], plane.y_powers[1] + 1):
        y = plane.y(10.0**power)
        canvas.line(plane.left, y, plane.right, y)
        canvas.text(plane.left - 8, y + 4, _rate(power), "tk", "end")
    for power in range(plane.x_powers[0], plane.x_powers[1] + 1):
        anchor: Anchor = "end" if power == plane.x_powers[1] else "middle"
        canvas.text(plane.x(10.0**power), plane.bottom + 17, _power(power), "tk", anchor)
    canvas.line(plane.left, plane.bottom, plane.right, plane.bottom, "ax")
    canvas.text(0, 12, "FLOP/s (log)", "tk")
    canvas.text(plane.left, plane.bottom + 35, "FLOP per byte moved (log)", "tk")


def _rate(power: int) -> str:
    for base, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if power >= base:
            return f"{10 ** (power - base)}{numbers.NBSP}{unit}"
    return _power(power)


def _power(power: int) -> str:
    return f"{10.0**power:g}" if -3 <= power <= 4 else f"1e{power}"


def _names(canvas: Canvas, plane: _Plane, roof: Roof) -> None:
    """Name the model, and those operators whose name has room; the table lists them all."""
    taken: list[tuple[float, float, float]] = []
    canvas.circle(plane.x(roof.model.flops_per_byte), plane.y(roof.model.flops_per_s), 5.2, "f1 w1")
    for dot, css in ((roof.model, "ts halo"), *((dot, "tk halo") for dot in roof.operators)):
        x, y, width = plane.x(dot.flops_per_byte), plane.y(dot.flops_per_s), text_width(dot.name)
        left = x + 8 if x + 8 + width < plane.right else x - 8 - width
        if all(abs(y - other_y) > 13 or left > end or left + width < begin for begin, end, other_y in taken):
            canvas.text(left, y + 4, dot.name, css)
            taken.append((left, left + width, y))
