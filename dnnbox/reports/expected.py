"""What upstream publishes beside what was measured here. The published side is quoted, never believed."""

from __future__ import annotations

from dnnbox.records.published import PublishedFigure
from dnnbox.reports import numbers, words
from dnnbox.reports.blocks import Block, Column, Section, Table
from dnnbox.reports.blocks import Words as Paragraphs
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, say, sentences

_MOST_ROWS = 12
_NAMES = {
    "parameters": "Parameters",
    "latency_ms": "Response time",
    "frames_per_s": "Items per second",
    "accuracy": "Right answers",
    "perplexity": "Perplexity",
}
_SCALES = {"K": 1e3, "M": 1e6, "million": 1e6, "B": 1e9, "billion": 1e9}
_NEAR = 0.02  # two counts of parameters that differ by less are one count, rounded


def section(outputs: Outputs) -> Section | None:
    """Return the section of the stakeholder report; None for experiments that did not look."""
    found = outputs.published
    if found is None:
        return None
    title, nav = "Expected against measured", "Expected"
    if not found.figures:
        looked = f"Read: {', '.join(found.looked)}." if found.looked else ""
        text = sentences(
            say("No published figure was found: {why}.", why=found.reason or "nobody looked"), data(looked)
        )
        return Section("expected", title, (Paragraphs((text,)),), nav=nav)
    columns = (Column("Figure"), Column("Published"), Column("Measured here"), Column("Can they be compared?"))
    rows = tuple(
        (data(_name(figure.metric)), _quoted(figure), *_beside(outputs, figure))
        for figure in found.figures[:_MOST_ROWS]
    )
    quotes = [
        say("“{quote}” ({source})", quote=quote, source=source)
        for quote, source in dict.fromkeys((figure.quote, figure.source) for figure in found.figures[:_MOST_ROWS])
    ]
    blocks: tuple[Block, ...] = (
        Table("Published and measured", columns, rows),
        Paragraphs(tuple(quotes), say("The words that were quoted"), say("Somebody else's claims, not checked.")),
    )
    sub = say("What upstream publishes, quoted from its documents, beside what this run measured.")
    return Section("expected", title, blocks, sub, nav=nav)


def _name(metric: str) -> str:
    return _NAMES.get(metric) or words.plain_metric(metric)


def _quoted(figure: PublishedFigure) -> Prose:
    unit = f"{numbers.NBSP}{figure.unit}" if figure.unit else ""
    on = say(" on {dataset}", dataset=figure.dataset) if figure.dataset else NOTHING
    return sentences(data(f"{numbers.plain(figure.value)}{unit}") + on + data(","), code(figure.source))


def _beside(outputs: Outputs, figure: PublishedFigure) -> tuple[Prose, Prose]:
    """Return what was measured here of the same name, and whether the two may be held against each other."""
    if figure.metric == "parameters":
        return _parameters(outputs, figure)
    if figure.metric == "latency_ms":
        here = outputs.stats.warm.latency_ms
        return data(numbers.duration(here.p50, here.ci95)), say("Only on the same machine with the same settings.")
    if figure.metric == "frames_per_s":
        rate = next((point.items_per_s for point in outputs.stats.throughput), None)
        return data(numbers.rate(rate)), say("Only on the same machine with the same settings.")
    name = "top1" if figure.metric == "accuracy" else figure.metric
    measured = outputs.quality.figure(name) if outputs.quality is not None else None
    if measured is None or measured.value is None:
        return data("not measured"), say("Give the same data with `--dataset`.")
    known = str(outputs.quality.dataset.get("name", "")) if outputs.quality is not None else ""
    return (
        say("{value} on {name}", value=numbers.plain(measured.value), name=known),
        say("Only if {name} is the data that upstream used.", name=known),
    )


def _parameters(outputs: Outputs, figure: PublishedFigure) -> tuple[Prose, Prose]:
    here = outputs.inspection.tensors.parameters if outputs.inspection is not None else 0
    if not here:
        return data(numbers.MISSING), say("The file does not list its weights.")
    told = figure.value * _SCALES.get(figure.unit, 1.0)
    agrees = abs(told - here) <= _NEAR * here
    return data(numbers.parameters(here)), say("They agree.") if agrees else say(
        "**They differ:** another variant, or other weights are counted."
    )
