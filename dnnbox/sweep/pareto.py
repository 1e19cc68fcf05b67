"""The plot of the leaderboard: latency against quality, or against memory where nobody measured quality."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dnnbox.reports import numbers
from dnnbox.reports.canvas import WIDTHS, Canvas, Size, text_width, tick_text, ticks_between
from dnnbox.sweep.ranking import Ranked

_HEIGHT = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 30, 44
_MOST_LABELS = 14
_LONGEST_STEM = 18
_LINE = 14
_LARGEST, _SMALLEST = 16.0, 5.0

_Box = tuple[float, float, float, float]  # left, top, right, bottom


def plot(rows: Sequence[Ranked], metric: str, size: Size) -> str:
    """Return the drawing at one width; cells that cannot be ranked are in the table only."""
    shown = [row for row in rows if row.rank is not None]
    if len(shown) < 2:
        return ""
    canvas = Canvas(WIDTHS[size], _HEIGHT, _label(shown, metric), f"v v-{size}")
    return _Plot(canvas, shown, metric).draw()


def _label(rows: Sequence[Ranked], metric: str) -> str:
    front = [row for row in rows if row.on_front]
    names = ", ".join(short(row) for row in front[:8])
    return f"Latency against {metric or 'memory'} of {len(rows)} cells. On the front: {names}."


def short(row: Ranked, telling: Sequence[str] = (), longest: int = _LONGEST_STEM) -> str:
    """Return the few words that tell a cell from others; ``telling`` names the axes that do, all where it is empty."""
    point = row.cell.point
    parts = {
        "device": point.device,
        "precision": point.precision,
        "batch": f"b{point.batch}" if telling or point.batch != "1" else "",
        "variant": point.variant,
        "box": point.box if telling else "",
    }
    stem = Path(point.checkpoint).stem
    stem = stem if len(stem) <= longest else f"{stem[: longest - 1]}…"
    return " ".join(
        (stem, *(part for name, part in parts.items() if part not in ("", "auto") and (not telling or name in telling)))
    )


def telling_axes(rows: Sequence[Ranked]) -> tuple[str, ...]:
    """Return the axes in which cells differ."""
    names = ("device", "precision", "batch", "variant", "box")
    return tuple(name for name in names if len({getattr(row.cell.point, name) for row in rows}) > 1) or ("none",)


class _Plot:
    def __init__(self, canvas: Canvas, rows: Sequence[Ranked], metric: str) -> None:
        self.canvas, self.rows, self.metric = canvas, rows, metric
        xs = [self._x_value(row) for row in rows]
        ys = [self._y_value(row) for row in rows]
        self.low, self.high = min(xs) / 1.15, max(xs) * 1.25
        spread = (max(ys) - min(ys)) or max(abs(max(ys)), 1e-9) * 0.2
        self.bottom, self.top = min(ys) - 0.15 * spread, max(ys) + 0.2 * spread
        if not metric:
            self.bottom = max(0.0, self.bottom)
        self.telling = telling_axes(rows)
        self.largest = max((self._memory(row) for row in rows), default=1.0) or 1.0

    def _x_value(self, row: Ranked) -> float:
        assert row.result is not None
        return row.result.figures.latency_p50_ms or 1e-9

    def _y_value(self, row: Ranked) -> float:
        assert row.result is not None
        return row.result.figures.quality.get(self.metric, 0.0) if self.metric else self._memory(row)

    def _memory(self, row: Ranked) -> float:
        assert row.result is not None
        return row.result.figures.vram_mib or row.result.figures.memory_mib or 0.0

    def _x(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return _LEFT + share * (self.canvas.width - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def draw(self) -> str:
        self._axes()
        self._front()
        for row in reversed(self.rows):
            self._circle(row)
        self._labels()
        return self.canvas.svg()

    def _axes(self) -> None:
        right, floor = self.canvas.width - _RIGHT, _HEIGHT - _BOTTOM
        name = f"{self.metric}, higher is better" if self.metric else "memory, MiB, lower is better"
        self.canvas.text(0, 14, name, "tk")
        for tick in ticks_between(self.bottom, self.top, 5):
            if self.bottom <= tick <= self.top:
                self.canvas.line(_LEFT, self._y(tick), right, self._y(tick))
                self.canvas.text(_LEFT - 8, self._y(tick) + 4, tick_text(tick), "tk", "end")
        for tick in _log_ticks(self.low, self.high):
            self.canvas.line(self._x(tick), _TOP, self._x(tick), floor)
            self.canvas.text(self._x(tick), floor + 17, tick_text(tick), "tk", "middle")
        self.canvas.text(right, floor + 36, "latency p50, ms (log), lower is better", "tk", "end")

    def _front(self) -> None:
        if not self.metric:
            return
        points = sorted((self._x_value(row), self._y_value(row)) for row in self.rows if row.on_front)
        steps: list[tuple[float, float]] = []
        best = -math.inf
        for x, y in points:
            if y > best:
                if steps:
                    steps.append((self._x(x), steps[-1][1]))
                steps.append((self._x(x), self._y(y)))
                best = y
        if len(steps) > 1:
            self.canvas.path(steps, "lt")

    def _radius(self, row: Ranked) -> float:
        if not self.metric:
            return 6.0
        return max(_SMALLEST, _LARGEST * math.sqrt(self._memory(row) / self.largest))

    def _circle(self, row: Ranked) -> None:
        x, y = self._x(self._x_value(row)), self._y(self._y_value(row))
        self.canvas.circle(x, y, self._radius(row), "bub" if row.on_front else "bubg")
        self.canvas.circle(x, y, 1.6, "ftext")
        if row.rank == 1:
            self.canvas.circle(x, y, self._radius(row) + 4, "lt")

    def _labels(self) -> None:
        """Name cells, those of the front first: as many as have a place where their name covers nothing."""
        taken = [self._box_of(row) for row in self.rows]
        for row in sorted(self.rows, key=lambda each: (not each.on_front, each.rank or 0))[:_MOST_LABELS]:
            words = short(row, self.telling)
            width = text_width(words, 13)  # some sans-serif faces are wide
            for x, y in self._places(row, width):
                box = (x, y - 11, x + width, y + 3)
                if self._fits(box) and not any(_overlap(box, other) for other in taken):
                    taken.append(box)
                    self._leader(row, box)
                    self.canvas.text(x, y, words, "tp halo" if row.on_front else "halo")
                    break

    def _box_of(self, row: Ranked) -> _Box:
        x, y, radius = self._x(self._x_value(row)), self._y(self._y_value(row)), self._radius(row) + 1
        return x - radius, y - radius, x + radius, y + radius

    def _places(self, row: Ranked, width: float) -> Iterator[tuple[float, float]]:
        """Yield where a name may begin: above, below, on the right, on the left, then further away."""
        left, top, right, bottom = self._box_of(row)
        middle = (left + right) / 2
        x = min(max(middle - width / 2, _LEFT), self.canvas.width - _RIGHT - width)
        yield x, top - 6
        yield x, bottom + 14
        yield right + 4, (top + bottom) / 2 + 4
        yield left - 4 - width, (top + bottom) / 2 + 4
        for away in range(1, 4):
            yield x, top - 6 - away * _LINE
            yield x, bottom + 14 + away * _LINE

    def _leader(self, row: Ranked, box: _Box) -> None:
        """Lead from a circle to a name that does not lie beside it."""
        left, top, right, bottom = self._box_of(row)
        middle = (left + right) / 2
        if box[3] < top - _LINE:
            self.canvas.line(middle, top, middle, box[3], "lead")
        elif box[1] > bottom + _LINE:
            self.canvas.line(middle, bottom, middle, box[1], "lead")

    def _fits(self, box: _Box) -> bool:
        left, top, right, bottom = box
        return left >= _LEFT and top >= _TOP - _LINE and right <= self.canvas.width and bottom <= _HEIGHT - _BOTTOM


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] + 3 and other[0] < one[2] + 3 and one[1] < other[3] and other[1] < one[3]


def _log_ticks(low: float, high: float) -> list[float]:
    power = math.floor(math.log10(low))
    found = [m * 10.0**p for p in range(power, power + 12) for m in (1, 2, 5) if low <= m * 10.0**p <= high]
    return [float(numbers.significant(each, 1).replace("\u00a0", "")) for each in found] or [low, high]
