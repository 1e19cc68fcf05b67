"""All cells of a sweep on one page: sorted, filtered, plotted. One file, no network; a plain table without script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox.experiment import utc_now
from dnnbox.files import write_atomic
from dnnbox.reports import numbers, words
from dnnbox.reports.canvas import Size
from dnnbox.reports.style import environment, page_style
from dnnbox.sweep.cells import Cell, Figures, Result, place
from dnnbox.sweep.matrix import AXES, Matrix
from dnnbox.sweep.pareto import plot, short
from dnnbox.sweep.ranking import Ranked, quality_metric, ranked
from dnnbox.text import visible

if TYPE_CHECKING:
    from jinja2 import Template

PAGE = "leaderboard.html"
TEMPLATES = Path(__file__).parent / "templates"
_SIZES: tuple[Size, ...] = ("s", "m", "l")


def write(folder: Path, matrix: Matrix, cells: Sequence[Cell], results: dict[str, Result]) -> Path:
    """Write the page and return where it lies."""
    rows = ranked(cells, results)
    metric = quality_metric([row.result for row in rows if row.rank is not None and row.result])
    style, script = page_style() + _asset("leaderboard.css"), _asset("leaderboard.js")
    page = _template().render(
        name=matrix.name,
        title=_title(rows, metric),
        lede=_lede(rows),
        axes=_axes(matrix),
        classes=sorted(
            {row.result.figures.device_class for row in rows if row.result and row.result.figures.device_class}
        ),
        when=words.day_and_time(utc_now()),
        plots=[svg for size in _SIZES if (svg := plot(rows, metric, size))],
        front=_front(rows),
        metric=metric,
        rows=[_row(row, folder, metric) for row in rows],
        style=style,
        script=script,
        policy=f"style-src '{_source(style)}'; script-src '{_source(script)}'",
    )
    target = folder / PAGE
    write_atomic(target, page.strip() + "\n", durable=False)
    return target


def _source(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}"


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


@cache
def _template() -> Template:
    return environment(TEMPLATES).get_template("leaderboard.html.j2")


def _title(rows: Sequence[Ranked], metric: str) -> str:
    best = next((row for row in rows if row.rank == 1), None)
    if best is None or best.result is None:
        return "No cell has a figure yet"
    figures = best.result.figures
    quality = f" at {figures.quality[metric]:.3f} {metric}" if metric in figures.quality else ""
    latency = numbers.duration(figures.latency_p50_ms, figures.ci95_ms)
    return f"Fastest cell: {visible(short(best), 80)}. {latency}{quality}"


def _lede(rows: Sequence[Ranked]) -> str:
    counts = {
        "ranked": sum(row.rank is not None for row in rows),
        "unstable": sum(row.words == "Unstable" for row in rows),
        "failed": sum(row.state == "failed" for row in rows),
        "waiting": sum(row.state == "waiting" for row in rows),
    }
    parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    meets = sum(row.words.startswith("Meets") for row in rows)
    judged = any(row.result and row.result.figures.targets for row in rows)
    return f"{numbers.counted(len(rows), 'cell')}: {parts}." + (
        f" {meets} {'meets' if meets == 1 else 'meet'} every target." if judged else ""
    )


def _axes(matrix: Matrix) -> str:
    parts = [numbers.counted(len(matrix.checkpoints), "checkpoint")]
    parts += [f"{len(matrix.axes[name])} {key}" for key, (name, _) in AXES.items() if len(matrix.axes[name]) > 1]
    return " × ".join(parts)


def _front(rows: Sequence[Ranked]) -> str:
    count = sum(row.on_front for row in rows)
    return f"{count} {'cell is' if count == 1 else 'cells are'} on the front"


def _row(row: Ranked, folder: Path, metric: str) -> dict[str, Any]:
    point, result = row.cell.point, row.result
    figures = result.figures if result else None
    p50 = figures.latency_p50_ms if figures else None
    return {
        "rank": row.rank,
        "best": row.rank == 1,
        "checkpoint": visible(Path(point.checkpoint).name, 80),
        "device": point.device,
        "runtime": figures.runtime if figures else "",
        "precision": point.precision,
        "batch": point.batch,
        "variant": point.variant,
        "box": point.box,
        "p50": p50,
        "p50_words": numbers.fixed(p50, numbers.decimals_for(p50)) if p50 else "",
        "half": _half(result),
        "figures": list(_figures(figures, metric)),
        "state": {"failed": "missed", "waiting": "unknown"}.get(row.state, row.state),
        "words": row.words,
        "note": _note(row),
        "href": _href(row, folder),
    }


def _figures(figures: Figures | None, metric: str) -> Iterator[tuple[str, str]]:
    """Yield (heading, figure) of the columns beside the median."""
    given = figures or Figures()
    yield "p95, ms", _figure(given.latency_p95_ms)
    if metric:
        yield metric, f"{given.quality[metric]:.3f}" if metric in given.quality else ""
    yield "MiB", _figure(given.vram_mib or given.memory_mib)
    yield "Cold, ms", _figure(given.cold_total_ms)
    yield "Items/s", _figure(given.throughput_items_s)


def _figure(value: float | None) -> str:
    return "" if value is None else numbers.significant(value)


def _half(result: Result | None) -> str:
    interval = result.figures.ci95_ms if result else None
    p50 = result.figures.latency_p50_ms if result else None
    if not interval or not p50:
        return ""
    return numbers.fixed((interval[1] - interval[0]) / 2, numbers.decimals_for(p50))


def _note(row: Ranked) -> str:
    place_words = ""
    if row.on_front:
        place_words = "on the front"
    elif row.beaten_by is not None:
        place_words = f"beaten by rank {row.beaten_by}"
    noise = row.result.figures.noise if row.result and row.rank is not None else None
    contended = "contended machine" if noise == "contended" else ""
    return "; ".join(part for part in (row.note, place_words, contended) if part)


def _href(row: Ranked, folder: Path) -> str:
    """Return the report's place, relative to the page."""
    if row.result is None or not row.result.experiment:
        return ""
    target = place(folder, row.cell.key) / row.result.experiment / "reports" / "experiment-report.html"
    return target.relative_to(folder).as_posix() if target.is_file() else ""
