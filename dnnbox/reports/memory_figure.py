"""The memory figure: what the process held while it imported, loaded and ran, in the pass that is not timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dnnbox.reports import numbers
from dnnbox.reports.canvas import Canvas, Size, text_width, tick_text, ticks_between
from dnnbox.reports.figures import RIGHT_MARGIN, Draw, canvas_for, value_scale


@dataclass(frozen=True)
class MemorySeries:
    """``points`` are (milliseconds, MiB) in order; ``phases`` are (name, its end in milliseconds)."""

    points: Sequence[tuple[float, float]]
    phases: Sequence[tuple[str, float]]


def memory(series: MemorySeries) -> Draw:
    """Resident memory over time, with the phases marked."""

    def draw(size: Size) -> Canvas:
        highest = max(mib for _, mib in series.points)
        canvas = canvas_for(size, 230, f"Memory of the process over time; {numbers.memory(highest)} at most.")
        end = max(series.points[-1][0], 1e-6)
        gib = highest >= 0.1 * 1024
        scale, unit = (1 / 1024, "GiB") if gib else (1.0, "MiB")
        top, bottom, right = 34.0, 190.0, canvas.width - RIGHT_MARGIN
        left, y = value_scale(canvas, unit, highest * scale, top, bottom)

        def x(ms: float) -> float:
            return left + (right - left) * min(ms, end) / end

        _phases(canvas, series, x, (top, bottom))
        area = [(x(ms), y(mib * scale)) for ms, mib in series.points]
        canvas.path([(area[0][0], bottom), *area, (area[-1][0], bottom)], "ftrack", closed=True)
        canvas.path(area, "l1")
        canvas.line(left, bottom, right, bottom, "ax")
        _times(canvas, end, x, bottom)
        return canvas

    return draw


def _phases(canvas: Canvas, series: MemorySeries, x: Callable[[float], float], span: tuple[float, float]) -> None:
    start = 0.0
    for name, end in series.phases:
        if x(end) - x(start) > text_width(name) + 8:
            canvas.text(x(start) + 4, span[0] - 8, name, "tk")
        canvas.line(x(end), span[0] - 18, x(end), span[1], "ref")
        start = end


def _times(canvas: Canvas, end: float, x: Callable[[float], float], bottom: float) -> None:
    scale, unit = (1e-3, "s") if end >= 1000 else (1.0, "ms")
    ticks = [tick for tick in ticks_between(0, end * scale, 4) if tick <= end * scale]
    for i, tick in enumerate(ticks):
        words = tick_text(tick) + (f" {unit}" if i == len(ticks) - 1 else "")
        canvas.text(x(tick / scale), bottom + 17, words, "tk", "start" if i == 0 else "middle")
    canvas.text(x(0), bottom + 33, "time since the harness began", "tk")
