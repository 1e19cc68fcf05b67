"""The section of the model's borders: the contract and the checks of its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from dnnbox.records.measurements import ContractField, ContractStep
from dnnbox.reports import decoded, numbers, quality, words
from dnnbox.reports.blocks import Beside, Block, Chip, Column, Section, Status, Table, Words
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import Prose, code, data, say, sentence_case

_CHIPS = ("observed", "declared", "stated", "assumed")


def contract(outputs: Outputs) -> Section | None:
    """Return the inputs, the outputs, the steps around them and the checks of the output."""
    found = outputs.contract
    if not (found.inputs or found.outputs):
        return None
    blocks: list[Block] = [
        _fields(name, fields) for name, fields in (("Inputs", found.inputs), ("Outputs", found.outputs)) if fields
    ]
    steps = [
        _steps(name, steps)
        for name, steps in (("Preprocessing", found.preprocessing), ("Postprocessing", found.postprocessing))
        if steps
    ]
    checks = _checks(found.checks)
    if steps and checks:
        blocks.append(Beside(tuple(steps), checks))
    else:
        blocks += [*steps, *checks]
    blocks += quality.sizes(outputs)
    blocks += _remarks(outputs)
    return Section(
        "contract",
        "Input and output contract",
        tuple(blocks),
        say("What the model needs and returns, and how each fact is known."),
        nav="Contract",
    )


def _remarks(outputs: Outputs) -> tuple[Words, ...]:
    notes = outputs.params.get("notes")
    shown = (
        tuple(data(f"{sentence_case(str(note)).rstrip('.')}.") for note in notes[:8]) if isinstance(notes, list) else ()
    )
    return (Words(shown, say("Remarks of the run")),) if shown else ()


def _fields(title: str, fields: Sequence[ContractField]) -> Table:
    columns = (Column("Name"), Column("Shape"), Column("Type"), Column("Layout"), Column("Range"), Column("How known"))
    rows = tuple(
        (
            code(field.name),
            code(words.shape(field.shape) or numbers.MISSING),
            code(field.dtype or numbers.MISSING),
            data(_order(field) or numbers.MISSING),
            data(_range(field)),
            _chip(field.status.get("shape", "assumed"), field.source.get("shape", "")),
        )
        for field in fields
    )
    return Table(title, columns, rows, say("{title}", title=title), kind="stack")


def _order(field: ContractField) -> str:
    """Return layout and order of colours, each with how it is known where that is not how the shape is."""
    shape = field.status.get("shape", "assumed")
    told = []
    for name, value in (("layout", field.layout), ("colour_order", field.colour_order)):
        status = field.status.get(name, shape)
        told.append(f"{value} ({status})" if value and status != shape else value)
    return ", ".join(filter(None, told))


def _range(field: ContractField) -> str:
    if field.range is None:
        return numbers.MISSING
    low, high = (numbers.plain(bound) for bound in field.range)
    return low if low == high else f"{low} to {high}"


def _chip(status: str, source: str) -> Chip:
    known = status if status in _CHIPS else "assumed"
    return Chip(
        cast("Literal['observed', 'declared', 'stated', 'assumed']", known), "" if source == "the run" else source
    )


def _steps(title: str, steps: Sequence[ContractStep]) -> Table:
    columns = (Column("Step"), Column("Parameters"), Column("How known"))
    rows = tuple(
        (data(step.step.replace("_", " ")), code(decoded.flat(step.parameters)), _chip(step.status, step.source))
        for step in steps
    )
    return Table(title, columns, rows, say("{title}", title=title), kind="stack")


def _checks(checks: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    if not checks:
        return ()
    rows = tuple(
        (
            data(str(check.get("name", "")).replace("_", " ")),
            Status("met", "passed") if check.get("passed") else Status("missed", "failed"),
            _detail(str(check.get("detail", ""))),
        )
        for check in checks
    )
    measured = say("**Measured:** before anything was timed.")
    return (
        Table(
            "Checks",
            (Column("Check"), Column("Result"), Column("Detail")),
            rows,
            say("Checks of the output"),
            measured,
            kind="stack",
        ),
    )


def _detail(told: str) -> Prose:
    is_digest = len(told) == 64 and all(c in "0123456789abcdef" for c in told)
    return words.short_hash(told) if is_digest else data(told)
