"""The sections on quality: metrics over labelled data, agreement with a reference, the training check, sizes tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dnnbox.records.evaluation import Agreement, MetricFigure, Quality, TrainingCheck
from dnnbox.records.measurements import SizeTried
from dnnbox.reports import MOST_WRONG, examples, numbers
from dnnbox.reports.blocks import (
    Beside,
    Block,
    Cell,
    Column,
    Gallery,
    Pairs,
    Picture,
    Section,
    Status,
    Table,
    Words,
)
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, marked, say, sentence_case, sentences

_MOST_ROWS = 40
_MOST_LOSSES = 20
_MOST_WRONG = 10


def quality(outputs: Outputs, root: Path) -> Section | None:
    """Return how good the answers are and how near they are to a reference; ``root`` is where the pictures lie."""
    found = outputs.quality
    if found is None:
        return None
    blocks = [
        *_figures(found),
        *_wrong(outputs, root),
        *_failures(found),
        *_needed(outputs),
        *_agreement(found.agreement),
    ]
    sub = say("How good the answers are on the data that was given; each figure with its definition and its interval.")
    return Section("quality", "Quality", tuple(blocks), sub, nav="Quality") if blocks else None


def _figures(found: Quality) -> list[Block]:
    if not found.dataset:
        return []
    if not found.figures:
        return [Words((say("No figure: {why}.", why=found.reasons.get("figures", "none was computed")),))]
    columns = (
        Column("Metric"),
        Column("Result", numeric=True),
        Column("95 % interval"),
        Column("Items", numeric=True),
        Column("Definition"),
        Column("Computed by"),
    )
    rows = tuple(_figure_row(figure, found.n) for figure in found.figures)
    dataset = found.dataset
    note = sentences(
        say(
            "Data: {name}, {used} of {items} items used, {form}.",
            name=str(dataset.get("name", "")),
            used=numbers.count(int(dataset.get("used") or 0)),
            items=numbers.count(int(dataset.get("items") or 0)),
            form=str(dataset.get("form", "")),
        ),
        *(data(f"{sentence_case(note.rstrip('.'))}.") for note in found.notes[:5]),
    )
    return [Table("Metrics", columns, rows, say("Metrics"), NOTHING, note, kind="stack")]


def _figure_row(figure: MetricFigure, n: int) -> tuple[Cell, ...]:
    value = numbers.MISSING if figure.value is None else numbers.plain(figure.value)
    interval = numbers.MISSING
    if figure.interval is not None:
        interval = f"{numbers.plain(figure.interval[0])} to {numbers.plain(figure.interval[1])}"
    unit = f"{numbers.NBSP}{figure.unit}" if figure.unit else ""
    return (
        code(figure.name),
        data(f"{value}{unit}"),
        data(interval),
        data(numbers.count(figure.n or n)),
        data(figure.definition),
        data(figure.library),
    )


def _wrong(outputs: Outputs, root: Path) -> list[Block]:
    """Show the first items that were answered wrong: who only sees good examples learns nothing."""
    judged = [answer for answer in outputs.predictions if isinstance(answer.get("right"), bool)]
    wrong = [answer for answer in judged if not answer["right"]]
    if not judged:
        return []
    was = "was" if len(wrong) == 1 else "were"
    title = say(
        "{n} of {all} {was} answered wrong", n=numbers.count(len(wrong)), all=numbers.count(len(judged)), was=was
    )
    if not wrong:
        return [Words((say("Every item was answered right."),), title)]
    rows = tuple(
        (code(str(answer.get("item", ""))), data(str(answer.get("label", ""))), data(str(answer.get("answer", ""))))
        for answer in wrong[:_MOST_WRONG]
    )
    columns = (Column("Item"), Column("Label"), Column("Answer"))
    note = say("The first {n}.", n=len(rows)) if len(wrong) > len(rows) else NOTHING
    table = Table("Answered wrong", columns, rows, title, NOTHING, note, kind="fit")
    shown = tuple(picture for answer in wrong[:MOST_WRONG] if (picture := _mistake(answer, root)) is not None)
    return [Beside((Gallery(shown),), (table,))] if shown else [table]


def _mistake(answer: Mapping[str, Any], root: Path) -> Picture | None:
    path = PurePosixPath(str(answer.get("picture") or ""))
    embedded = examples.embedded(root, str(path)) if path.name else None
    if embedded is None:
        return None
    words = say("Labelled {label}, taken for {answer}", label=answer.get("label"), answer=answer.get("answer"))
    name = f"wrong-{path.stem}.{embedded.kind}"
    of = code(str(answer.get("item", "")))
    return Picture(f"outputs/{path}", words, of, embedded.data_uri, name, is_small=embedded.is_small)


def _failures(found: Quality) -> list[Block]:
    if not found.failures:
        return []
    rows = tuple((code(str(item.get("item", ""))), data(str(item.get("problem", "")))) for item in found.failures)
    title = say("{n} could not be evaluated", n=numbers.counted(found.failed, "item"))
    return [Table("Items left out", (Column("Item"), Column("Problem")), rows, title, kind="stack")]


def _needed(outputs: Outputs) -> list[Block]:
    """Say what would have to change for each target that is not met."""
    rows = tuple(
        (code(target.expression), Status(target.status, target.status), data(target.needed), data(target.definition))
        for target in outputs.verdict.targets
        if target.needed
    )
    if not rows:
        return []
    columns = (Column("Target"), Column("Status"), Column("What would have to change"), Column("Definition"))
    return [Table("To meet the targets", columns, rows, say("To meet the targets"), kind="stack")]


def _agreement(found: Agreement | None) -> list[Block]:
    if found is None:
        return []
    title = say("Agreement with {name}", name=found.reference)
    if found.problem or not found.tensors:
        return [Words((say("Not compared: {why}.", why=found.problem or "no output on either side"),), title)]
    columns = (
        Column("Output"),
        Column("Reference"),
        Column("Largest difference", numeric=True),
        Column("Relative", numeric=True),
        Column("Cosine", numeric=True),
        Column("Same best class", numeric=True),
        Column("Remark"),
    )
    rows = tuple(
        (
            code(tensor.name),
            code(tensor.reference),
            data(_number(tensor.max_abs)),
            data(_number(tensor.max_rel)),
            data(_number(tensor.cosine)),
            data(_number(tensor.same_best)),
            data(tensor.problem or ("equal in every bit" if tensor.exact else "")),
        )
        for tensor in found.tensors[:_MOST_ROWS]
    )
    measured = say(
        "**Measured:** {how}. Relative is the largest difference over the reference's largest value.", how=found.inputs
    )
    return [Table("Agreement", columns, rows, title, measured, kind="stack")]


def _number(value: float | None) -> str:
    return numbers.MISSING if value is None else numbers.plain(value)


def training(outputs: Outputs) -> Section | None:
    """Return what twenty steps on one batch showed."""
    found = outputs.training
    if found is None:
        return None
    if not found.checks:
        blocks: tuple[Block, ...] = (Words((say("Not made: {why}.", why=found.reasons.get("checks", "unknown")),)),)
    else:
        blocks = (_training_checks(found), _training_facts(found))
    sub = say("A few steps on one batch with made-up labels: can it be trained at all. Nothing of it is kept.")
    return Section("training", "Training check", blocks, sub, nav="Training")


def _training_checks(found: TrainingCheck) -> Table:
    rows = tuple(
        (
            data(str(check.get("name", "")).replace("_", " ")),
            Status("met", "passed") if check.get("passed") else Status("missed", "failed"),
            data(str(check.get("detail", ""))),
            data(found.definitions.get(str(check.get("name", "")), "")),
        )
        for check in found.checks
    )
    columns = (Column("Check"), Column("Result"), Column("Detail"), Column("Definition"))
    return Table("Training checks", columns, rows, say("Checks"), kind="stack")


def _training_facts(found: TrainingCheck) -> Pairs:
    items: list[tuple[str, Prose]] = [
        ("Optimizer", data(found.optimizer)),
        ("Learning rate", data(_number(found.learning_rate))),
        ("Loss function", data(found.loss)),
        ("Batch", data(str(found.batch))),
        ("Precision", data(found.precision)),
        ("Losses", data(", ".join(_number(loss) for loss in found.losses[:_MOST_LOSSES]))),
        ("Norm of the first gradient", data(_number(found.gradient_norm))),
        (
            "Trained weights",
            data(f"{numbers.count(found.trained_weights)}, {numbers.count(found.frozen_weights)} frozen"),
        ),
        ("Without gradient", code(", ".join(found.without_gradient))),
        ("Gradient of zero", code(", ".join(found.zero_gradient))),
        ("Step", data(numbers.duration(found.step_ms) if found.step_ms is not None else numbers.MISSING)),
    ]
    peak = found.memory.get("host_peak_mib")
    items.append(("Peak RAM", data(numbers.memory(peak) if peak is not None else numbers.MISSING)))
    return Pairs(tuple((name, value) for name, value in items if value), say("What was run"))


def sizes(outputs: Outputs) -> tuple[Block, ...]:
    """Return which sizes were tried, for the section of the contract."""
    found = outputs.contract
    blocks: list[Block] = []
    if found.warnings:
        rows = tuple(
            (
                code(str(warning.get("field", ""))),
                data(str(warning.get("fact", "")).replace("_", " ")),
                data(str(warning.get("expected", ""))),
                data(str(warning.get("found", ""))),
                data(str(warning.get("text", ""))),
            )
            for warning in found.warnings
        )
        columns = (Column("Input"), Column("Fact"), Column("Expected"), Column("Found"), Column("Why"))
        blocks.append(Table("Doubts", columns, rows, say("Doubts about how the model is fed"), kind="stack"))
    if found.fed_back.get("runs") is not None:
        told = say("Fed with inputs made from this contract alone, the model runs.")
        if not found.fed_back["runs"]:
            why = str(found.fed_back.get("detail", ""))
            told = say("Fed with inputs made from this contract alone, the model does not run: {why}.", why=why)
        blocks.append(Words((told,), say("The contract, fed back")))
    if found.sizes:
        blocks.append(_sizes(found.sizes))
    elif found.sizes_reason:
        blocks.append(Words((say("Which sizes run: {why}.", why=marked(found.sizes_reason)),)))
    return tuple(blocks)


def _sizes(tried: tuple[SizeTried, ...]) -> Table:
    by_dimension: dict[str, list[SizeTried]] = {}
    for one in tried:
        by_dimension.setdefault(one.dimension, []).append(one)
    rows = tuple(
        (
            code(name),
            data(", ".join(str(one.size) for one in group if one.runs) or "none but its own"),
            data(", ".join(str(one.size) for one in group if not one.runs) or "none"),
            data(next((one.problem for one in group if one.problem), "")),
        )
        for name, group in by_dimension.items()
    )
    columns = (Column("Dimension"), Column("Sizes that ran"), Column("Sizes that failed"), Column("How"))
    return Table("Sizes", columns, rows, say("Sizes that were tried"), kind="stack")
