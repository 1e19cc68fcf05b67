"""The section of a model that continues a text: the first token, the next ones, and the rates of both parts."""

from __future__ import annotations

from dnnbox.records.measurements import Generation, Statistics
from dnnbox.reports import figures, numbers, token_figure
from dnnbox.reports.blocks import Block, Cell, Column, Figure, Pairs, Section, Table
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, data, say
from dnnbox.reports.speed import definition, standalone

_ROWS = (
    ("first_token_ms", "First token"),
    ("prefill_ms", "Reading the prompt"),
    ("between_tokens_ms", "Each token after it"),
    ("total_ms", "Whole run"),
)
_FEWEST_BARS = 3


def generation(outputs: Outputs) -> Section | None:
    """Return the section; None for a model that does not continue a text."""
    found = outputs.stats.generation
    if found is None or found.first_token_ms.p50 is None:
        return None
    blocks: tuple[Block, ...] = (_times(outputs, found), *_by_position(outputs, found), _rates(outputs, found))
    sub = say(
        "Prompt of {prompt}, then {new}, the likeliest each time. The timed call above reads the prompt only.",
        prompt=numbers.counted(found.prompt_tokens, "token"),
        new=numbers.counted(found.new_tokens, "new token"),
    )
    return Section("generation", "Token by token", blocks, sub, nav="Tokens")


def _times(outputs: Outputs, found: Generation) -> Table:
    numeric = ("p50", "95 % CI", "p95", "p99", "n")
    columns = (Column("Part"), *(Column(name, numeric=True) for name in numeric))
    rows = tuple(_row(title, getattr(found, name)) for name, title in _ROWS)
    title = say(
        "First token after {first}, then one in {next}",
        first=numbers.duration(found.first_token_ms.p50, found.first_token_ms.ci95),
        next=numbers.duration(found.between_tokens_ms.p50, found.between_tokens_ms.ci95),
    )
    return Table("Token by token", columns, rows, title, definition(outputs, "generation.first_token_ms"), kind="")


def _row(title: str, summary: Statistics) -> tuple[Cell, ...]:
    return (
        data(title),
        data(numbers.duration(summary.p50, summary.ci95)),
        data(numbers.duration_interval(summary.p50, summary.ci95)),
        data(numbers.duration(summary.p95)),
        data(numbers.duration(summary.p99)),
        data(numbers.count(summary.n)),
    )


def _by_position(outputs: Outputs, found: Generation) -> tuple[Figure, ...]:
    between = found.between_tokens_ms.p50
    if between is None or len(found.by_position_ms) < _FEWEST_BARS:
        return ()
    draw = token_figure.tokens(found.by_position_ms, between)
    return (
        Figure(
            "tokens",
            say("What each token takes"),
            definition(outputs, "generation.by_position_ms"),
            figures.variants(draw),
            standalone(draw),
            f"Time of each token after the first, {numbers.duration(between)} in the middle",
            say("Dashed: the median over all positions."),
        ),
    )


def _rates(outputs: Outputs, found: Generation) -> Pairs:
    items = (
        ("Prompt (prefill)", _rate(found.prefill_tokens_per_s)),
        ("Continuation (decode)", _rate(found.decode_tokens_per_s)),
        ("New tokens, whole run", _rate(found.tokens_per_s)),
        ("Sequences at once", data(numbers.count(found.sequences))),
        ("Machine", data(found.quality or "")),
    )
    kept = tuple((name, value) for name, value in items if value)
    return Pairs(kept, say("Tokens per second"), definition(outputs, "generation.decode_tokens_per_s"))


def _rate(value: float | None) -> Prose:
    return NOTHING if value is None else data(f"{numbers.rate(value)}{numbers.NBSP}tokens/s")
