"""Which cells are worth a look: ranked, on the front, or neither, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dnnbox.sweep.cells import Cell, Result
from dnnbox.text import visible

State = Literal["met", "missed", "unknown", "failed", "waiting"]


@dataclass(frozen=True)
class Ranked:
    """One row of the leaderboard. ``rank`` is None for cells that cannot be ranked; ``beaten_by`` is a rank."""

    cell: Cell
    result: Result | None
    state: State
    words: str
    note: str
    rank: int | None = None
    on_front: bool = False
    beaten_by: int | None = None


def quality_metric(results: Sequence[Result]) -> str:
    """Return the quality metric that most cells have, "" where fewer than two have one."""
    counts: dict[str, int] = {}
    for each in results:
        for name in each.figures.quality:
            counts[name] = counts.get(name, 0) + 1
    best = max(counts, key=lambda name: counts[name], default="")
    return best if counts.get(best, 0) > 1 else ""


def ranked(cells: Sequence[Cell], results: dict[str, Result]) -> list[Ranked]:
    """Return every cell: those that meet their targets first, then by latency; what cannot be ranked comes last."""
    rows = [_row(cell, results.get(cell.key)) for cell in cells]
    good = [row for row in rows if row.state in ("met", "missed", "unknown") and _is_ranked(row)]
    good.sort(key=lambda row: (row.state == "missed", _latency(row)))
    metric = quality_metric([row.result for row in good if row.result])
    goods = [_goods(row, metric) for row in good]
    numbered = [_with_front(row, number, goods) for number, row in enumerate(good, 1)]
    left = [row for row in rows if not _is_ranked(row)]
    order: dict[State, int] = {"unknown": 0, "met": 0, "missed": 0, "failed": 1, "waiting": 2}
    return [*numbered, *sorted(left, key=lambda row: order[row.state])]


def _is_ranked(row: Ranked) -> bool:
    figures = row.result.figures if row.result else None
    return row.state in ("met", "missed", "unknown") and bool(
        figures and figures.latency_p50_ms and figures.noise != "unstable"
    )


def _latency(row: Ranked) -> float:
    assert row.result is not None
    return row.result.figures.latency_p50_ms or 0.0


def _row(cell: Cell, result: Result | None) -> Ranked:
    if result is None:
        return Ranked(cell, None, "waiting", "Waiting", "not run yet")
    if result.exit_code not in (0, 1):
        error = result.error or {}
        return Ranked(
            cell, result, "failed", "Failed", visible(f"{error.get('name', '')}: {error.get('message', '')}", 200)
        )
    figures = result.figures
    missed = [expression for expression, status in figures.targets.items() if status == "missed"]
    unknown = [expression for expression, status in figures.targets.items() if status == "unknown"]
    if figures.noise == "unstable":
        return Ranked(cell, result, "unknown", "Unstable", "not ranked: its figures did not settle")
    if missed:
        return Ranked(cell, result, "missed", "Misses", ", ".join(missed))
    if unknown:
        return Ranked(cell, result, "unknown", "Unknown", f"cannot be judged: {', '.join(unknown)}")
    if figures.targets:
        return Ranked(cell, result, "met", "Meets all" if len(figures.targets) > 1 else "Meets it", "")
    return Ranked(cell, result, "met", "Runs", "no target was given")


def _with_front(row: Ranked, rank: int, goods: Sequence[tuple[float, ...]]) -> Ranked:
    mine = goods[rank - 1]
    beaten_by = next((number for number, theirs in enumerate(goods, 1) if _beats(theirs, mine)), None)
    return replace(row, rank=rank, on_front=beaten_by is None, beaten_by=beaten_by)


def _beats(theirs: tuple[float, ...], mine: tuple[float, ...]) -> bool:
    return theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True))


def _goods(row: Ranked, metric: str) -> tuple[float, ...]:
    """Return what should be small: latency, memory, and the negative quality where there is one."""
    assert row.result is not None
    figures = row.result.figures
    memory = figures.vram_mib or figures.memory_mib or float("inf")
    quality = (-figures.quality.get(metric, float("-inf")),) if metric else ()
    return (figures.latency_p50_ms or float("inf"), memory, *quality)
