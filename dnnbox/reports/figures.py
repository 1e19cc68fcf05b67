"""The figures, drawn once per width so that text is never scaled. Data in, SVG out; no data is invented for looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dnnbox.reports import numbers
from dnnbox.reports.canvas import BOLD, WIDTHS, Anchor, Canvas, Size, text_width, tick_text, ticks_between

Draw = Callable[[Size], Canvas]
RIGHT_MARGIN = 6


@dataclass(frozen=True)
class Bar:
    """One stage. ``css`` is its fill class: f1 model, f2 transfers and small steps, f3 host work."""

    name: str
    milliseconds: float
    share: float | None = None
    css: str = "f2"
    where: str = ""


def variants(draw: Draw, sizes: Sequence[Size] = ("s", "m")) -> tuple[tuple[str, str], ...]:
    """Return (size, SVG) for each size."""
    return tuple((size, draw(size).svg()) for size in sizes)


def canvas_for(size: Size, height: float, label: str) -> Canvas:
    return Canvas(WIDTHS[size], height, label, f"v v-{size}")


def value_scale(
    canvas: Canvas, unit: str, highest: float, top: float, bottom: float
) -> tuple[float, Callable[[float], float]]:
    """Draw the scale of values from 0 on; return where the plot begins on its right, and where a value lies."""
    ticks = ticks_between(0, highest * 1.05, 4)
    left = max(text_width(tick_text(tick), 11.5) for tick in ticks) + 12

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / ticks[-1]

    canvas.text(0, 12, unit, "tk")
    for tick in ticks:
        canvas.line(left, y(tick), canvas.width - RIGHT_MARGIN, y(tick))
        canvas.text(left - 8, y(tick) + 4, tick_text(tick), "tk", "end")
    return left, y


def waterfall(bars: Sequence[Bar], total_ms: float, limit_ms: float | None, *, missed: bool) -> Draw:
    """The cold start from left to right; ``total_ms`` is the median of the whole, which medians do not add up to."""

    def draw(size: Size) -> Canvas:
        names = max(text_width(bar.name) for bar in bars)
        left, row, top = names + 12, 30.0, 28.0
        height = top + row * len(bars) + 34
        whole = sum(bar.milliseconds for bar in bars)
        seconds = max(whole, total_ms, limit_ms or 0) >= 1000
        factor, unit = (1e-3, "s") if seconds else (1.0, "ms")
        stated = ", ".join(f"{bar.name} {numbers.duration(bar.milliseconds)}" for bar in bars)
        canvas = canvas_for(size, height, f"Waterfall of a cold start: {stated}; total {numbers.duration(total_ms)}.")
        ticks = ticks_between(0, max(whole, total_ms, limit_ms or 0) * factor, 4 if size != "s" else 3)
        right = canvas.width - 10

        def x(ms: float) -> float:
            return left + (right - left) * ms * factor / ticks[-1]

        for i, tick in enumerate(ticks):
            canvas.line(x(tick / factor), top - 4, x(tick / factor), height - 30)
            last = i == len(ticks) - 1
            words = tick_text(tick) + (f" {unit}" if last else "")
            canvas.text(x(tick / factor) + (8 if last else 0), height - 13, words, "tk", "end" if last else "middle")
        _marks(canvas, x, total_ms, limit_ms, (top - 8, height - 30), missed=missed)
        start = 0.0
        largest = max(bar.milliseconds for bar in bars)
        for i, bar in enumerate(bars):
            y = top + i * row
            canvas.text(0, y + 18, bar.name, "tp")
            width = max(x(start + bar.milliseconds) - x(start), 2)
            is_largest = bar.milliseconds == largest
            canvas.rect(x(start), y + 6, width, 16, "f1" if is_largest else "f2", 2)
            inside = "on" if is_largest else "on2"
            clear = (x(total_ms), x(limit_ms or -1))
            _bar_label(canvas, (x(start), width), y + 18, bar, right, keep_clear=clear, inside=inside)
            start += bar.milliseconds
        return canvas

    return draw


def _marks(
    canvas: Canvas,
    x: Callable[[float], float],
    total_ms: float,
    limit_ms: float | None,
    span: tuple[float, float],
    *,
    missed: bool,
) -> None:
    top, bottom = span
    words = numbers.duration(total_ms)
    canvas.line(x(total_ms), top, x(total_ms), bottom, "lt")
    half = BOLD * text_width(words) / 2
    at = min(max(x(total_ms), half), canvas.width - half)
    if limit_ms is None:
        canvas.text(at, top - 6, words, "ts", "middle")
        return
    scale, unit = (1e-3, "s") if limit_ms >= 1000 else (1.0, "ms")
    limit_words = f"limit {numbers.plain(limit_ms * scale)}{numbers.NBSP}{unit}"
    limit_half = BOLD * text_width(limit_words) / 2
    canvas.line(x(limit_ms), top, x(limit_ms), bottom, "refm" if missed else "ref")
    limit_at = min(max(x(limit_ms), limit_half), canvas.width - limit_half)
    need = half + limit_half + 10
    if abs(at - limit_at) < need:  # push the two labels apart, both on the canvas
        side = 1 if limit_at >= at else -1
        limit_at = min(max(at + side * need, limit_half), canvas.width - limit_half)
        at = min(max(limit_at - side * need, half), canvas.width - half)
    canvas.text(at, top - 6, words, "ts", "middle")
    canvas.text(limit_at, top - 6, limit_words, "tmiss" if missed else "ts", "middle")


def _bar_label(
    canvas: Canvas,
    span: tuple[float, float],
    y: float,
    bar: Bar,
    right: float,
    *,
    keep_clear: Sequence[float],
    inside: str,
) -> None:
    left, width = span
    words = numbers.duration(bar.milliseconds)
    need = text_width(words) + 8
    if width > need + 8:
        canvas.text(left + 8, y, words, inside)
        return
    after = (left + width + 6, left + width + need)
    is_free = after[1] <= right and not any(after[0] - 3 <= mark <= after[1] for mark in keep_clear)
    room_before = left - need >= text_width(bar.name)
    if is_free or not room_before:
        canvas.text(after[0], y, words, "halo tp")
    else:
        canvas.text(left - 6, y, words, "halo tp", "end")


def stages(bars: Sequence[Bar], total_ms: float) -> Draw:
    """One bar of the whole request, then a row for each stage."""

    def draw(size: Size) -> Canvas:
        whole = sum(bar.milliseconds for bar in bars) or 1.0
        height = 82 + 29.0 * len(bars)
        stated = ", ".join(f"{bar.name} {numbers.duration(bar.milliseconds)}" for bar in bars)
        canvas = canvas_for(
            size, height, f"Median time per stage: {stated}; whole request {numbers.duration(total_ms)}."
        )
        canvas.text(0, 12, "0", "tk")
        canvas.text(canvas.width, 12, numbers.duration(whole), "ts", "end")
        left = 0.0
        for bar in bars:
            width = max(canvas.width * bar.milliseconds / whole, 1.5)
            canvas.rect(left, 22, width, 34, f"{bar.css} w1")
            words = f"{bar.name}  {numbers.duration(bar.milliseconds)}"
            if width > text_width(words) + 24 and bar.css == "f1":
                canvas.text(left + 10, 43.5, words, "on")
            left += canvas.width * bar.milliseconds / whole
        _stage_rows(canvas, bars, whole)
        return canvas

    return draw


def _stage_rows(canvas: Canvas, bars: Sequence[Bar], whole: float) -> None:
    name_right = 18 + max(text_width(bar.name) for bar in bars)
    figures_left = canvas.width - 58 - max(text_width(numbers.duration(bar.milliseconds)) for bar in bars) - 12
    for i, bar in enumerate(bars):
        y = 82 + 29.0 * i
        canvas.rect(0, y - 9, 10, 10, bar.css, 2)
        canvas.text(18, y, bar.name, "tp")
        track_left, track = name_right + 14, figures_left - name_right - 14
        canvas.rect(track_left, y - 8, track, 8, "ftrack", 2)
        canvas.rect(track_left, y - 8, max(track * bar.milliseconds / whole, 1.5), 8, bar.css, 2)
        canvas.text(canvas.width - 54, y, numbers.duration(bar.milliseconds), "ts", "end")
        canvas.text(canvas.width, y, numbers.percent_cell(bar.share), "", "end")
        canvas.line(0, y + 11, canvas.width, y + 11)


def batches(points: Sequence[tuple[int, float, float]]) -> Draw:
    """Latency and throughput against batch size; points are (batch, p50 in ms, items per second)."""

    def draw(size: Size) -> Canvas:
        said = "; ".join(
            f"batch {batch}: {numbers.duration(ms)}, {numbers.rate(rate)} items per second"
            for batch, ms, rate in points
        )
        canvas = canvas_for(size, 250, f"Latency and throughput per batch size. {said}.")
        gap = {"s": 26, "m": 44, "l": 60}[size]
        width = (canvas.width - gap) / 2
        _panel(canvas, 0, width, "Latency p50, ms", [(batch, ms) for batch, ms, _ in points], numbers.significant)
        _panel(
            canvas, width + gap, width, "Items per second", [(batch, rate) for batch, _, rate in points], numbers.rate
        )
        return canvas

    return draw


def _panel(
    canvas: Canvas,
    left: float,
    width: float,
    title: str,
    points: Sequence[tuple[int, float]],
    show: Callable[[float], str],
) -> None:
    top, bottom = 40.0, 212.0
    ticks = ticks_between(0, max(value for _, value in points) * 1.08, 4)
    axis = left + max(text_width(tick_text(tick), 11.5) for tick in ticks) + 8
    first, last = math.log2(points[0][0]), math.log2(points[-1][0])

    def x(batch: int) -> float:
        share = (math.log2(batch) - first) / (last - first) if last > first else 0.5
        return axis + 10 + (left + width - axis - 20) * share

    def y(value: float) -> float:
        return bottom - value / ticks[-1] * (bottom - top)

    canvas.text(left, 14, title, "ts")
    for tick in ticks:
        canvas.line(axis, y(tick), left + width, y(tick))
        canvas.text(axis - 6, y(tick) + 4, tick_text(tick), "tk", "end")
    canvas.line(axis, bottom, left + width, bottom, "ax")
    canvas.path([(x(batch), y(value)) for batch, value in points], "l1")
    for i, (batch, value) in enumerate(points):
        canvas.circle(x(batch), y(value), 3.6, "f1 w1")
        canvas.text(x(batch), bottom + 17, str(batch), "tk", "middle")
        if i in (0, len(points) - 1):
            anchor: Anchor = "start" if i == 0 else "end"
            neighbour = points[min(1, len(points) - 1)] if i == 0 else points[i - 1]
            is_below = neighbour[1] > value and y(value) + 20 < bottom  # on the side that the line does not take
            canvas.text(
                x(batch) + (2 if i == 0 else -2), y(value) + (18 if is_below else -9), show(value), "ts halo", anchor
            )
    canvas.text(axis, bottom + 33, "batch size (log)", "tk")
