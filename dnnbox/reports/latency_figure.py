"""The latency figure: every inference in order, and their histogram on the same axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dnnbox.reports import numbers
from dnnbox.reports.canvas import BOLD, Canvas, Size, text_width, tick_text, ticks_between
from dnnbox.reports.figures import Draw, canvas_for


@dataclass(frozen=True)
class LatencySeries:
    """``processes``: per process (min, median, max) of each bin in order; ``lines``: (name, milliseconds) to mark."""

    processes: Sequence[Sequence[Sequence[float]]]
    counts: Sequence[int]
    low_ms: float
    step_ms: float
    beyond: int
    lines: Sequence[tuple[str, float]]
    interval: tuple[float, float] | None = None
    limit: tuple[str, float] | None = None  # words and milliseconds
    missed: bool = False
    total_n: int = 0
    binned: bool = False
    slow_ms: float = 0.0  # from here on the slowest of a bin is drawn, too


@dataclass(frozen=True)
class _Frame:
    """Where the plot lies: axis, plot, histogram and the label column."""

    left: float
    right: float
    hist_left: float
    hist_right: float
    top: float
    bottom: float
    low: float
    high: float

    def y(self, ms: float) -> float:
        share = (min(ms, self.high) - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)


def latency(series: LatencySeries) -> Draw:
    """Latency in the order measured, processes side by side, with the histogram on the same axis."""

    def draw(size: Size) -> Canvas:
        height = {"s": 300, "m": 330, "l": 340}[size]
        marked = ", ".join(f"{name} {numbers.duration(ms)}" for name, ms in series.lines)
        canvas = canvas_for(
            size, height, f"Latency of {numbers.count(series.total_n)} inferences in order, with a histogram. {marked}."
        )
        ticks = _latency_ticks(series)
        frame = _latency_frame(canvas, size, ticks, series)
        for tick in ticks:
            canvas.line(frame.left, frame.y(tick), frame.hist_right, frame.y(tick))
            canvas.text(frame.left - 8, frame.y(tick) + 4, tick_text(tick), "tk", "end")
        canvas.text(0, 12, "ms", "tk")
        _latency_points(canvas, frame, size, series)
        _histogram(canvas, frame, series)
        _latency_lines(canvas, frame, size, series)
        canvas.line(frame.left, frame.bottom, frame.right, frame.bottom, "ax")
        canvas.text(frame.left, frame.bottom + 33, "inference, in order", "tk")
        canvas.text(frame.hist_left, frame.bottom + 33, "count", "tk")
        return canvas

    return draw


def begins_at_zero(series: LatencySeries) -> bool:
    """Whether a length on the axis is a share of the whole."""
    return _latency_ticks(series)[0] == 0


def _latency_ticks(series: LatencySeries) -> list[float]:
    """Return an axis that begins near the fastest sample: a limit or a difference is read here, not a length."""
    top = series.low_ms + series.step_ms * len(series.counts)
    limit = series.limit[1] if series.limit else top
    is_near = limit <= series.low_ms + 2.2 * (top - series.low_ms)
    high = max(top, limit if is_near else top, *(ms for _, ms in series.lines))
    low = min(series.low_ms, limit) if limit >= series.low_ms - 1.2 * (top - series.low_ms) else series.low_ms
    return ticks_between(max(0.0, low - 0.02 * (high - low)), high, 5)


def _latency_frame(canvas: Canvas, size: Size, ticks: Sequence[float], series: LatencySeries) -> _Frame:
    left = max(text_width(tick_text(tick), 11.5) for tick in ticks) + 12
    longest = BOLD * max((text_width(words) for words, _, _ in _line_words(size, series)), default=0.0)
    if series.limit and not ticks[0] <= series.limit[1] <= ticks[-1]:
        longest = max(longest, BOLD * text_width(f"↑ {series.limit[0]}"))
    labels = max(longest + 12, 40)
    hist = {"s": 56, "m": 110, "l": 230}[size]
    right = canvas.width - hist - labels - 14
    return _Frame(left, right, right + 14, right + 14 + hist, 28, canvas.height - 40, ticks[0], ticks[-1])


def _line_words(size: Size, series: LatencySeries) -> list[tuple[str, float, str]]:
    found = []
    for name, ms in series.lines:
        words = f"{name} {numbers.duration(ms, series.interval)}"
        if size == "l" and name == "p50" and series.interval:
            words += f" · CI {numbers.duration_interval(ms, series.interval)}"
        found.append((words, ms, "ts"))
    if series.limit:
        words = series.limit[0] if size == "s" else f"limit {series.limit[0]}"
        found.append((words, series.limit[1], "tmiss" if series.missed else "ts"))
    return found


def _latency_points(canvas: Canvas, frame: _Frame, size: Size, series: LatencySeries) -> None:
    total = sum(len(process) for process in series.processes)
    radius = {"s": 1.4, "m": 1.7, "l": 2.1}[size] if total < 900 else {"s": 1.0, "m": 1.2, "l": 1.5}[size]
    gap = 10 if len(series.processes) > 1 else 0
    room = frame.right - frame.left - gap * (len(series.processes) - 1)
    start = frame.left
    for number, process in enumerate(series.processes, 1):
        width = room * len(process) / max(total, 1)
        if len(series.processes) > 1:
            words = f"process {number}" if width > 60 else f"{number}"
            canvas.text(start + 2, 14, words, "tk")
            if number > 1:
                canvas.line(start - gap / 2, 20, start - gap / 2, frame.bottom, "ax")
        beyond = -10.0
        for i, (_, middle, high) in enumerate(process):
            x = start + width * (i + 0.5) / len(process)
            if high > frame.high and x - beyond >= 7:
                canvas.triangle(x, frame.top - 6, "dotw")
                beyond = x
            if series.binned and series.slow_ms < high <= frame.high:
                canvas.circle(x, frame.y(high), radius, "slow")
            if middle <= frame.high:
                canvas.circle(x, frame.y(middle), radius, "dot")
        start += width + gap


def _histogram(canvas: Canvas, frame: _Frame, series: LatencySeries) -> None:
    most = max(series.counts, default=1) or 1
    for i, number in enumerate(series.counts):
        if number:
            upper = frame.y(series.low_ms + (i + 1) * series.step_ms)
            lower = frame.y(series.low_ms + i * series.step_ms)
            tall = max(lower - upper - 0.6, 0.7)
            canvas.rect(frame.hist_left, upper + 0.3, (frame.hist_right - frame.hist_left) * number / most, tall, "f2")
    canvas.line(frame.hist_left, frame.top, frame.hist_left, frame.bottom, "ax")
    canvas.line(frame.hist_left, frame.bottom, frame.hist_right, frame.bottom, "ax")
    canvas.text(frame.hist_left, frame.bottom + 17, "0", "tk", "middle")
    canvas.text(frame.hist_right, frame.bottom + 17, numbers.count(most), "tk", "end")


def _latency_lines(canvas: Canvas, frame: _Frame, size: Size, series: LatencySeries) -> None:
    limit = series.limit
    if limit and limit[1] > frame.high:
        canvas.text(frame.hist_right + 9, frame.top - 14, f"↑ {limit[0]}", "tmiss" if series.missed else "ts")
    if limit and limit[1] < frame.low:
        canvas.text(frame.hist_right + 9, frame.bottom + 17, f"↓ {limit[0]}", "tmiss" if series.missed else "ts")
    words = [item for item in _line_words(size, series) if frame.low <= item[1] <= frame.high]
    places = spread([frame.y(ms) for _, ms, _ in words], 15, frame.top, frame.bottom - 4)
    for (label, ms, css), place in zip(words, places, strict=True):
        y = frame.y(ms)
        is_limit = limit is not None and label.endswith(limit[0])
        line = ("refm" if series.missed else "ref") if is_limit else "lt" if label.startswith("p50") else "ref"
        canvas.line(frame.left, y, frame.hist_right + 3, y, line)
        if abs(place - y) > 2:
            canvas.line(frame.hist_right + 3, y, frame.hist_right + 7, place, "lead")
        canvas.text(frame.hist_right + 9, place + 4, label, css)


def spread(places: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move label positions apart until none is nearer than ``gap`` to the next, keeping their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    for _ in range(100):
        is_changed = False
        for i in range(len(moved) - 1):
            lack = gap - (moved[i + 1] - moved[i])
            if lack > 0.01:
                moved[i] -= lack / 2
                moved[i + 1] += lack / 2
                is_changed = True
        if moved and moved[-1] > bottom:
            moved = [y - (moved[-1] - bottom) for y in moved]
        if moved and moved[0] < top - 8:
            moved = [y + (top - 8 - moved[0]) for y in moved]
        if not is_changed:
            break
    found = [0.0] * len(places)
    for i, place in zip(order, moved, strict=True):
        found[i] = place
    return found
