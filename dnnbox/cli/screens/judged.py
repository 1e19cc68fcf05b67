"""The rows of what was asked for beyond measuring: quality on labelled data, agreement with a reference, training."""

from __future__ import annotations

from dnnbox.cli.screens.layout import Cell, Look
from dnnbox.records.evaluation import Agreement, Quality, TrainingCheck
from dnnbox.reports import numbers
from dnnbox.text import visible

Row = tuple[str, Cell, str]
_MOST_FIGURES = 4


def rows(look: Look, quality: Quality | None, training: TrainingCheck | None) -> list[Row]:
    """Return a row for each thing that was asked for, also where it came to nothing."""
    found: list[Row] = []
    if quality is not None and quality.dataset:
        found.append(("Quality", *_quality(quality)))
    if quality is not None and quality.agreement is not None:
        found.append(("Agreement", *_agreement(look, quality.agreement)))
    if training is not None:
        found.append(("Training", *_training(look, training)))
    return found


def _quality(quality: Quality) -> tuple[Cell, str]:
    known = [figure for figure in quality.figures if figure.value is not None]
    if not known or known[0].value is None:
        return Cell("not judged", "unknown"), visible(quality.reasons.get("figures", "no figure was computed"), 160)
    first, *others = known
    detail = [f"{numbers.count(first.n or quality.n)} items"]
    if first.interval is not None:
        low, high = (numbers.plain(bound) for bound in first.interval)
        detail.append(f"95 % interval {low} to {high}")
    detail += [
        f"{visible(f.name, 40)} {numbers.plain(f.value)}" for f in others[: _MOST_FIGURES - 1] if f.value is not None
    ]
    if quality.failed:
        detail.append(f"{numbers.count(quality.failed)} could not be read")
    value = numbers.plain(known[0].value)
    return Cell(f"{visible(first.name, 40)} {value}", "title"), " · ".join(detail)


def _agreement(look: Look, agreement: Agreement) -> tuple[Cell, str]:
    beside = f"beside {visible(agreement.reference, 60)}"
    problem = agreement.problem or next((f"{t.name}: {t.problem}" for t in agreement.tensors if t.problem), "")
    if problem or not agreement.tensors:
        why = visible(problem or "no output on either side", 160)
        return look.mark("unknown", "not compared"), f"{beside}: {why}"
    if all(tensor.exact for tensor in agreement.tensors):
        return look.mark("met", "equal bits"), beside
    largest = max((t for t in agreement.tensors if t.max_abs is not None), key=lambda t: t.max_abs or 0.0, default=None)
    if largest is None or largest.max_abs is None:
        return look.mark("unknown", "not compared"), beside
    detail = [beside, f"largest difference, in {visible(largest.name, 40)}"]
    if largest.cosine is not None:
        detail.append(f"cosine {numbers.plain(largest.cosine)}")
    return Cell(numbers.plain(largest.max_abs)), " · ".join(detail)


def _training(look: Look, training: TrainingCheck) -> tuple[Cell, str]:
    if training.passed is None:
        return look.mark("unknown", "not tried"), visible(training.reasons.get("checks", ""), 160)
    bad = [
        visible(str(check.get("name", "")), 40).replace("_", " ")
        for check in training.checks
        if not check.get("passed")
    ]
    if bad:
        return look.mark("missed", "no"), f"failed: {', '.join(bad)}"
    fell = ""
    if training.first_loss is not None and training.last_loss is not None:
        fell = f", loss {numbers.plain(training.first_loss)} to {numbers.plain(training.last_loss)}"
    return look.mark("met", "yes"), f"{numbers.counted(training.steps, 'step')} on one batch{fell}"
