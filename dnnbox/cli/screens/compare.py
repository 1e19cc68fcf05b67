"""Experiments side by side on a terminal: a table, and each latency with its interval on one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnnbox.cli.screens.layout import GAP, PLAIN, Cell, Look, clip, grid, heading, rule
from dnnbox.handoff.comparing import Compared, Comparison
from dnnbox.reports import numbers
from dnnbox.text import visible

_WIDTHS = (8, 14, 9, 9, 9, 9, 9, 0)
_WIDE = 98  # columns that the whole table takes


def compare_screen(comparison: Comparison, *, look: Look = PLAIN) -> str:
    """Return the whole screen."""
    return "\n".join(_lines(comparison, look)).replace(numbers.NBSP, " ") + "\n"


def _lines(comparison: Comparison, look: Look) -> Iterator[str]:
    rows = comparison.experiments
    yield heading(look, f"{len(rows)} experiments", f"against {rows[0].experiment}")
    yield ""
    figures = [Cell(name, right=True) for name in ("p50", "p95", "Items/s", "Cold", "Memory")]
    yield from _table_row(look, Cell(""), Cell("Checkpoint"), figures, Cell("Change"))
    yield rule(look, indent=2)
    for row in rows:
        name = clip(visible(row.checkpoint, 60), 14)
        yield from _table_row(look, Cell(row.experiment), Cell(name), _figures(row), _change(row, look))
    yield ""
    yield from _plot(rows, look)
    if any(row.note for row in rows):
        yield ""
        yield from grid(look, (8, 0), [(row.experiment, Cell(row.note, "quiet")) for row in rows if row.note], indent=2)


def _table_row(look: Look, name: Cell, checkpoint: Cell, figures: Sequence[Cell], change: Cell) -> Iterator[str]:
    """Yield a row of the table; on a narrow terminal the figures have a line of their own."""
    if look.columns >= _WIDE:
        yield from grid(look, _WIDTHS, [[name, checkpoint, *figures, change]], indent=2)
        return
    yield from grid(look, (8, 0, 18), [[name, checkpoint, change]], indent=2)
    yield from grid(look, (9,) * len(figures), [figures], indent=2)


def _figures(row: Compared) -> Sequence[Cell]:
    return (
        Cell(numbers.duration(row.latency_p50_ms, row.interval_ms), right=True),
        Cell(numbers.duration(row.latency_p95_ms), right=True),
        Cell(numbers.rate(row.throughput_items_s), right=True),
        Cell(numbers.duration(row.cold_total_ms), right=True),
        Cell(numbers.memory(row.memory_mib), right=True),
    )


def _change(row: Compared, look: Look) -> Cell:
    if row.change is None:
        return Cell(numbers.MISSING if row.note else "base")
    low, high = row.change.interval
    if low <= 0 <= high:
        return Cell(f"none (±{numbers.NBSP}{100 * row.change.noise:.0f}{numbers.NBSP}%)")
    style = "missed" if low > 0 else "met"
    word = "slower" if low > 0 else "faster"
    told = f"{numbers.fixed(100 * abs(row.change.share), 0)}{numbers.NBSP}% {word}"
    if row.change.share >= 1:
        told = f"{numbers.significant(1 + row.change.share)}× as long"
    return Cell(told, style if look.colour else "")


def _plot(rows: tuple[Compared, ...], look: Look) -> Iterator[str]:
    """Yield a line per experiment: its 95 % interval as a bar, its median as a point, all on one axis from zero."""
    measured = [row.latency_p50_ms for row in rows if row.latency_p50_ms is not None]
    if not measured:
        return
    width = look.columns - 2 - 8 - GAP - 12
    highest = max((row.interval_ms or (0, row.latency_p50_ms or 0))[1] for row in rows if row.latency_p50_ms) * 1.02
    for row in rows:
        if row.latency_p50_ms is None:
            continue
        low, high = row.interval_ms or (row.latency_p50_ms, row.latency_p50_ms)
        places = [min(width - 1, round(value / highest * (width - 1))) for value in (low, row.latency_p50_ms, high)]
        line = [" "] * width
        line[: places[0]] = ["·"] * places[0]
        line[places[0] : places[2] + 1] = ["━"] * (places[2] + 1 - places[0])
        line[places[1]] = "●" if look.unicode else "o"
        yield look.fold(
            f"  {row.experiment:<8}  {''.join(line)} {numbers.duration(row.latency_p50_ms, row.interval_ms)}"
        ).rstrip()
    end = numbers.duration(highest)
    yield look.fold(f"  {'':<8}  0{'latency, lower is better':^{width - 1 - len(end)}}{end}")
