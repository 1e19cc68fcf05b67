"""The sections of the model's borders: the contract, the checks of its output, and what the outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from dnnbox.records.measurements import ContractField, ContractStep
from dnnbox.reports import numbers, quality, words
from dnnbox.reports.blocks import Beside, Block, Cell, Chip, Column, Gallery, Pairs, Section, Status, Table, Words
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, say, sentences
from dnnbox.reports.speed import share_graphic

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
        tuple(data(f"{words.sentence_case(str(note)).rstrip('.')}.") for note in notes[:8])
        if isinstance(notes, list)
        else ()
    )
    return (Words(shown, say("Remarks of the run")),) if shown else ()


def _fields(title: str, fields: Sequence[ContractField]) -> Table:
    columns = (Column("Name"), Column("Shape"), Column("Type"), Column("Layout"), Column("Range"), Column("How known"))
    rows = tuple(
        (
            code(field.name),
            code(words.shape(field.shape)),
            code(field.dtype),
            data(", ".join(filter(None, (field.layout, field.colour_order))) or numbers.MISSING),
            data(_range(field)),
            _chip(field.status.get("shape", "assumed"), field.source.get("shape", "")),
        )
        for field in fields
    )
    return Table(title, columns, rows, say("{title}", title=title), kind="stack")


def _range(field: ContractField) -> str:
    if field.range is None:
        return numbers.MISSING
    return f"{numbers.plain(field.range[0])} to {numbers.plain(field.range[1])}"


def _chip(status: str, source: str) -> Chip:
    known = status if status in _CHIPS else "assumed"
    return Chip(
        cast("Literal['observed', 'declared', 'stated', 'assumed']", known), "" if source == "the run" else source
    )


def _steps(title: str, steps: Sequence[ContractStep]) -> Table:
    columns = (Column("Step"), Column("Parameters"), Column("How known"))
    rows = tuple((data(step.step), code(_flat(step.parameters)), _chip(step.status, step.source)) for step in steps)
    return Table(title, columns, rows, say("{title}", title=title), kind="stack")


def _flat(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_scalar(item)}" for key, item in value.items())[:300]


def _scalar(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return numbers.plain(value)
    if isinstance(value, list):
        shown = ", ".join(_scalar(item) for item in value[:6])
        return f"[{shown}{', …' if len(value) > 6 else ''}]"
    return f"{{{_flat(value)}}}" if isinstance(value, Mapping) else str(value)


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


def examples(outputs: Outputs, gallery: Gallery) -> Section | None:
    """Return what the outputs mean, for people: pictures first, then tables."""
    blocks: list[Block] = [gallery] if gallery.pictures else []
    blocks += [_decoded(entry) for entry in outputs.contract.decoded[:8] if isinstance(entry, Mapping)]
    if not blocks:
        return None
    sub = say("What the model returned for the inputs in `inputs/`. Scores are the model's own, not calibrated.")
    return Section("examples", "Examples", tuple(blocks), sub, nav="Examples")


def _decoded(entry: Mapping[str, Any]) -> Block:
    """Show a list of records as a table with the most telling column as a bar; anything else as names and values."""
    kind = str(entry.get("kind", "result")).replace("-", " ").replace("_", " ").capitalize()
    source = str(entry.get("source", entry.get("item", "")))
    title = say("{kind}: {source}", kind=kind, source=source) if source else data(kind)
    listed = next(
        (
            (key, value)
            for key, value in entry.items()
            if isinstance(value, list) and value and isinstance(value[0], Mapping)
        ),
        None,
    )
    rest = [
        (str(key).replace("_", " ").capitalize(), data(_scalar(value)))
        for key, value in entry.items()
        if key not in ("kind", "source", "item") and (listed is None or key != listed[0])
    ]
    if listed is None:
        return Pairs(tuple(rest) or (("Result", data("empty")),), title)
    note = sentences(*(say("{name}: {value}.", name=name, value=value) for name, value in rest))
    return _records_table(kind, listed[1][:10], title, note)


def _records_table(caption: str, records: Sequence[Mapping[str, Any]], title: Prose, note: Prose) -> Table:
    keys = list(dict.fromkeys(key for record in records for key in record))[:6]
    scored = next((k for k in ("probability", "score", "similarity") if k in keys), None)
    columns = [Column(str(key).replace("_", " ").capitalize(), numeric=_is_numeric(records, key)) for key in keys]
    rows = [[data(_value(record.get(key))) for key in keys] for record in records]
    if scored:
        columns.append(Column("", only_html=True))
    shown: list[tuple[Cell, ...]] = []
    for i, (record, row) in enumerate(zip(records, rows, strict=True)):
        score = record.get(scored) if scored else None
        graphic: tuple[Cell, ...] = (
            (share_graphic(float(score), is_first=i == 0),)
            if isinstance(score, int | float)
            else (NOTHING,)
            if scored
            else ()
        )
        shown.append((*row, *graphic))
    return Table(caption, tuple(columns), tuple(shown), title, NOTHING, note, kind="")


def _is_numeric(records: Sequence[Mapping[str, Any]], key: str) -> bool:
    values = [record.get(key) for record in records if record.get(key) is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return numbers.fixed(value, 3) if abs(value) < 1000 else numbers.plain(value)
    return numbers.MISSING if value is None else _scalar(value)
