"""The history of a workspace on a terminal: a line per checkpoint and device, its figure over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnnbox.cli.screens.layout import GAP, PLAIN, Cell, Look, clip, grid, heading, rule
from dnnbox.handoff.history import Entry, History, Trend, changes
from dnnbox.reports import numbers, words
from dnnbox.text import visible

_WIDE, _NARROW = (20, 22, 6, 22, 11, 0), (13, 13, 0, 9, 7)
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-=+*#@"


def _is_wide(look: Look) -> bool:
    return look.columns >= 100


def _widths(look: Look) -> tuple[int, ...]:
    return _WIDE if _is_wide(look) else _NARROW


def _shown(look: Look, row: Sequence[Cell]) -> Sequence[Cell]:
    """Leave out how many runs there were on a narrow terminal: the bars show them."""
    return row if _is_wide(look) else (*row[:2], *row[3:])


def _bars_that_fit(look: Look) -> int:
    return _WIDE[3] - 2 if _is_wide(look) else look.columns - 2 - sum(_NARROW) - GAP * (len(_NARROW) - 1)


def history_screen(found: History, *, look: Look = PLAIN) -> str:
    """Return the whole screen."""
    return "\n".join(_lines(found, look)).replace(numbers.NBSP, " ") + "\n"


def _lines(found: History, look: Look) -> Iterator[str]:
    total = numbers.counted(found.experiments, "experiment")
    yield heading(look, f"History of {words.metric_name(found.metric)}", total)
    if found.unread:
        yield ""
        names = clip(visible(", ".join(found.unread), 400), look.columns - 46)
        yield f"  left out, experiment.json cannot be read: {names}"
    if not found.trends:
        yield ""
        yield "  no experiment lies below tmp/ here"
        return
    yield ""
    bars = Cell("Oldest to newest" if _is_wide(look) else "By time")
    head = [Cell("Checkpoint"), Cell("Device"), Cell("Runs", right=True), bars]
    widths = _widths(look)
    yield from grid(look, widths, [_shown(look, [*head, Cell("Newest", right=True), Cell("Change")])], indent=2)
    yield rule(look, indent=2)
    for trend in found.trends:
        yield from grid(look, widths, [_shown(look, _row(trend, found.metric, look))], indent=2)


def _row(trend: Trend, metric: str, look: Look) -> list[Cell]:
    newest, widths = trend.entries[-1], _widths(look)
    device = trend.device_class or newest.device
    setting = "".join(f" {part}" for part in (trend.precision, f"b{trend.batch}" if trend.batch != 1 else "") if part)
    interval = (newest.low, newest.high) if newest.low is not None and newest.high is not None else None
    return [
        Cell(clip(visible(trend.checkpoint, 60), widths[0])),
        Cell(f"{clip(visible(device, 60), widths[1] - len(setting))}{setting}"),
        Cell(str(len(trend.entries)), right=True),
        Cell(sparkline(trend.entries, look)),
        Cell(
            words.metric_value(metric, newest.value, interval) if newest.value is not None else newest.status,
            right=True,
        ),
        Cell(_change(trend.entries)),
    ]


def sparkline(entries: Sequence[Entry], look: Look) -> str:
    """Return the figures as bars from zero, the newest last; a run without the figure is a gap."""
    values = [entry.value for entry in entries[-_bars_that_fit(look) :]]
    highest = max((value for value in values if value is not None), default=0.0)
    bars = _BARS if look.unicode else _ASCII_BARS
    if highest <= 0:
        return ""
    return "".join("x" if value is None else bars[min(7, int(value / highest * 7.999))] for value in values)


def _change(entries: Sequence[Entry]) -> str:
    share = changes(entries)
    if share is None:
        return numbers.MISSING
    sign = "−" if share < 0 else "+"
    return f"{sign} {abs(100 * share):.0f} %"
