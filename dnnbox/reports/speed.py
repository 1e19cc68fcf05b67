"""The section with the figures of speed when warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.measurements import Statistics, Target
from dnnbox.reports import bars, figures, latency_figure, numbers, words
from dnnbox.reports.blocks import Beside, Block, Cell, Column, Figure, Graphic, Section, Table
from dnnbox.reports.canvas import Size
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, data, say, sentence_case, sentences
from dnnbox.reports.summary import largest_warm

STANDALONE: Size = "m"
_TAILS = ("p50", "p90", "p95", "p99")


def speed(outputs: Outputs) -> Section | None:
    """Return the section of the warm latency; None where nothing was timed."""
    if not outputs.is_measured:
        return None
    blocks: list[Block] = [*_latency(outputs), _percentiles(outputs)]
    halves = (_stages(outputs), _batches(outputs))
    if halves[0] and halves[1]:
        blocks.append(Beside(halves[0], halves[1]))
    elif len(halves[1]) > 1:
        blocks.append(Beside(halves[1][:1], halves[1][1:]))
    else:
        blocks += halves[0] or halves[1]
    blocks += _variants(outputs)
    sub = say("Batch {batch}, model already loaded, one request at a time.", batch=outputs.stats.batch)
    return Section("speed", "Speed when warm", tuple(blocks), sub, nav="Speed")


def definition(outputs: Outputs, name: str) -> Prose:
    words_ = outputs.stats.definitions.get(name, "")
    return say("**Measured:** {what}.", what=words_) if words_ else NOTHING


def limit(outputs: Outputs, prefix: str) -> Target | None:
    """Return the first target on a figure of this group, required ones first."""
    found = [t for t in outputs.verdict.targets if t.metric.startswith(prefix) and t.expression.find("<") > 0]
    return min(found, key=lambda t: not t.required, default=None)


def _latency(outputs: Outputs) -> tuple[Figure, ...]:
    processes = [p for p in outputs.samples.get("processes", []) if isinstance(p, Mapping) and p.get("latency_ms")]
    histogram = outputs.samples.get("histogram")
    if not processes or not isinstance(histogram, Mapping):
        return ()
    stats = outputs.stats.warm
    series = _series(outputs, processes, histogram)
    draw = latency_figure.latency(series)
    time = numbers.duration(stats.latency_ms.p50, stats.latency_ms.ci95)
    title = _latency_title(outputs, time)
    caption = sentences(
        say(
            "Each dot is the median of {n} inferences in a row, pale ones the slowest of them; warm-up is not shown.",
            n=processes[0].get("per_bin", 1),
        )
        if series.binned
        else say("Each dot is one inference; warm-up is not shown."),
        say("Triangles: {n} outside the axis.", n=numbers.counted(series.beyond, "sample"))
        if series.beyond
        else NOTHING,
        NOTHING if latency_figure.begins_at_zero(series) else say("The axis does not begin at zero."),
    )
    return (
        Figure(
            "latency",
            title,
            definition(outputs, "warm.latency_ms"),
            figures.variants(draw, ("s", "m", "l")),
            standalone(draw),
            f"Latency over time, p50 {time}",
            caption,
        ),
    )


def standalone(draw: figures.Draw) -> str:
    """Return the figure as a file of its own, with its colours."""
    from dnnbox.reports.style import svg_style

    return draw(STANDALONE).svg(svg_style())


def _latency_title(outputs: Outputs, time: str) -> Prose:
    warm = outputs.stats.warm
    n = numbers.count(warm.latency_ms.n)
    if warm.modes_ms:
        low, high = (numbers.duration(ms) for ms in warm.modes_ms[:2])
        return say("Latency has two modes, {low} and {high}", low=low, high=high)
    if warm.drift:
        return say("Latency {drift}", drift=warm.drift)
    if outputs.stats.quality == "unstable":
        return say("Latency did not settle: {time} over {n} inferences is a rough size", time=time, n=n)
    return say("Latency holds at {time} with no drift over {n} inferences", time=time, n=n)


def _series(
    outputs: Outputs, processes: Sequence[Mapping[str, Any]], histogram: Mapping[str, Any]
) -> latency_figure.LatencySeries:
    warm = outputs.stats.warm.latency_ms
    lines = [(name, value) for name in ("p50", "p90", "p95") if (value := getattr(warm, name)) is not None]
    target = limit(outputs, "latency_")
    return latency_figure.LatencySeries(
        processes=[p["latency_ms"] for p in processes],
        counts=list(histogram.get("counts", [])),
        low_ms=float(histogram.get("low_ms", 0)),
        step_ms=float(histogram.get("step_ms", 1)),
        beyond=int(histogram.get("beyond", 0)),
        lines=lines,
        interval=warm.ci95,
        limit=(_limit_words(target), target.target) if target else None,
        missed=target is not None and target.status == "missed",
        total_n=warm.n,
        slow_ms=warm.p95 or 0.0,
        binned=any(int(p.get("per_bin", 1)) > 1 for p in processes),
    )


def _limit_words(target: Target) -> str:
    return words.requirement(target).removeprefix("Latency ")


def _percentiles(outputs: Outputs) -> Table:
    latency = outputs.stats.warm.latency_ms
    rows: list[tuple[Cell, ...]] = []
    for name in _TAILS:
        value: float | None = getattr(latency, name)
        interval = latency.ci95 if name == "p50" else latency.intervals.get(name)
        note = "the headline figure" if name == "p50" else outputs.stats.reasons.get(f"warm.latency_ms.{name}", "")
        rows.append(
            (
                data(name),
                data(numbers.duration(value, interval)),
                data(numbers.duration_interval(value, interval)),
                data(note),
            )
        )
    rows.append(
        (
            data("mean"),
            data(numbers.duration(latency.mean, latency.intervals.get("mean"))),
            data(numbers.duration_interval(latency.mean, latency.intervals.get("mean"))),
            NOTHING,
        )
    )
    rows.append((data("fastest"), data(numbers.duration(latency.min)), data(numbers.MISSING), NOTHING))
    outliers = say(
        "{n} of {all}, counted, never dropped", n=numbers.count(latency.outliers), all=numbers.count(latency.n)
    )
    rows.append(
        (
            data("MAD"),
            data(numbers.duration(latency.mad)),
            data(numbers.MISSING),
            sentences(data("outliers:"), outliers),
        )
    )
    columns = (Column("Figure"), Column("Value", numeric=True), Column("95 % CI", numeric=True), Column("Note"))
    return Table("Latency", columns, tuple(rows), kind="notes")


def _warm_bars(outputs: Outputs) -> list[figures.Bar]:
    found = []
    for name, stage in outputs.stats.warm.stages_ms.items():
        if stage.p50 is not None:
            title, css = words.WARM_STAGES.get(name, (name.replace("_", " ").capitalize(), "f2"))
            found.append(figures.Bar(title, stage.p50, outputs.stats.shares.get(f"warm.{name}"), css))
    return found


def _stages(outputs: Outputs) -> tuple[Block, ...]:
    shown = _warm_bars(outputs)
    whole = outputs.stats.warm.latency_ms.p50
    largest = largest_warm(outputs)
    if len(shown) < 2 or whole is None or largest is None:
        return ()
    draw = figures.stages(shown, whole)
    what = words.WARM_FINDINGS.get(largest[0], largest[0])
    title = say("{what} takes {share} of each request", what=what, share=numbers.percent(largest[1]))
    measured = say(
        "**Measured:** median wall time per stage, the same {n} inferences.",
        n=numbers.count(outputs.stats.warm.latency_ms.n),
    )
    caption = say(
        "Medians do not add up: p50 of the whole request is {time}. The rest is not attributed.",
        time=numbers.duration(whole),
    )
    alt = ", ".join(f"{bar.name} {numbers.duration(bar.milliseconds)}" for bar in shown)
    return (
        Figure("stages", title, measured, figures.variants(draw), standalone(draw), alt, caption),
        _stage_table(outputs),
    )


def _stage_table(outputs: Outputs) -> Table:
    """The same figures as a table; the page shows the drawing, Markdown and screen readers the table."""
    columns = (
        Column("Stage"),
        Column("p50", numeric=True),
        Column("95 % CI", numeric=True),
        Column("Share", numeric=True),
    )
    rows = tuple(
        stage_row(outputs, "warm", name, stage, words.WARM_STAGES.get(name, (name, ""))[0])
        for name, stage in outputs.stats.warm.stages_ms.items()
    )
    return Table("Stages of a warm request", columns, rows, kind="", is_folded=True)


def stage_row(outputs: Outputs, group: str, name: str, stage: Statistics, title: str) -> tuple[Cell, ...]:
    return (
        data(title),
        data(numbers.duration(stage.p50, stage.ci95)),
        data(numbers.duration_interval(stage.p50, stage.ci95)),
        data(numbers.percent_cell(outputs.stats.shares.get(f"{group}.{name}"))),
    )


def _batches(outputs: Outputs) -> tuple[Block, ...]:
    points = [(t.batch, t.latency_p50_ms, t.items_per_s) for t in outputs.stats.throughput if t.latency_p50_ms]
    if not points:
        return ()
    has_ranges = any(t.interval is not None for t in outputs.stats.throughput)
    names = ("Batch", "p50", "Items/s", *(("Range",) if has_ranges else ()))
    columns = tuple(Column(name, numeric=True) for name in names)
    rows = tuple(
        (
            data(str(t.batch)),
            data(numbers.duration(t.latency_p50_ms)),
            data(numbers.rate(t.items_per_s)),
            *((data(_rates(t.interval)),) if has_ranges else ()),
        )
        for t in outputs.stats.throughput
    )
    table = Table(
        "Throughput per batch",
        columns,
        rows,
        kind="",
        title=say("Throughput") if len(points) == 1 else NOTHING,
        measured=definition(outputs, "throughput"),
    )
    if len(points) < 2:
        return (table,)
    draw = figures.batches([(b, ms, rate) for b, ms, rate in points if ms is not None])
    best = max(points, key=lambda point: point[2])
    title = say(
        "Throughput is highest at batch {batch}: {rate} items per second", batch=best[0], rate=numbers.rate(best[2])
    )
    saturates = outputs.stats.throughput_best.get("saturates_at")
    caption = (
        say("From batch {batch} on, more in a batch gains less than 5\u00a0%.", batch=saturates)
        if saturates
        else say("{why}.", why=sentence_case(outputs.stats.reasons.get("throughput_best.saturates_at", "")))
    )
    figure = Figure(
        "batches",
        title,
        say("**Measured:** p50 and items per second at each batch size."),
        figures.variants(draw),
        standalone(draw),
        "Latency and throughput per batch",
        caption,
    )
    return (figure, table)


def _variants(outputs: Outputs) -> tuple[Block, ...]:
    """Return the table of the other ways to run the model that were asked for."""
    if not outputs.stats.variants:
        return ()
    numeric = ("p50", "95 % CI", "Speed-up", "Difference")
    columns = (Column("Variant"), *(Column(name, numeric=True) for name in numeric), Column("Note"))
    rows = tuple(
        (
            data(found.name),
            data(numbers.duration(found.latency_ms.p50, found.latency_ms.ci95)),
            data(numbers.duration_interval(found.latency_ms.p50, found.latency_ms.ci95)),
            data(numbers.MISSING if found.speedup is None else f"{numbers.significant(found.speedup)}×"),
            data(numbers.MISSING if found.difference is None else f"{found.difference:.2g}"),
            data(found.reason or ", ".join(filter(None, (found.precision, found.quality)))),
        )
        for found in outputs.stats.variants
    )
    title = say("Other ways to run the same model")
    return (Table("Variants", columns, rows, title, definition(outputs, "variants"), kind=""),)


def _rates(interval: tuple[float, float] | None) -> str:
    return numbers.MISSING if interval is None else f"{numbers.rate(interval[0])}–{numbers.rate(interval[1])}"


def share_graphic(share: float, *, is_first: bool) -> Graphic:
    """Return a bar for a table cell, pale for all but the first row."""
    return Graphic(bars.share_bar(share, "f1" if is_first else "f3"))
