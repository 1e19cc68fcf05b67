"""What the summary says of labelled data, a reference and the training check."""

from __future__ import annotations

import pytest

from dnnbox.cli.screens.judged import rows
from dnnbox.cli.screens.layout import PLAIN
from dnnbox.records.evaluation import Agreement, MetricFigure, Quality, TensorAgreement, TrainingCheck

FIGURES = (
    MetricFigure("top1", 0.995, 200, (0.9722, 0.9991)),
    MetricFigure("f1_macro", 0.9948, 200),
)


def shown(quality: Quality | None = None, training: TrainingCheck | None = None) -> list[tuple[str, str, str]]:
    found = rows(PLAIN, quality, training)
    return [(label, value.text, detail.replace("\u00a0", " ")) for label, value, detail in found]


def test_rows__labelled_data__the_first_figure_with_its_interval() -> None:
    found = shown(Quality(dataset={"name": "digits"}, n=200, failed=1, figures=FIGURES))
    assert found == [
        ("Quality", "top1 0.995", "200 items · 95 % interval 0.9722 to 0.9991 · f1_macro 0.9948 · 1 could not be read")
    ]


def test_rows__no_figure__says_why() -> None:
    found = shown(Quality(dataset={"name": "digits"}, reasons={"figures": "the run stopped before it"}))
    assert found == [("Quality", "not judged", "the run stopped before it")]


@pytest.mark.parametrize(
    ("tensors", "value", "detail"),
    [
        ((TensorAgreement("y", "y", exact=True, max_abs=0.0),), "✓ equal bits", "beside net.pt"),
        (
            (TensorAgreement("y", "y", max_abs=2e-6, cosine=1.0),),
            "2e−06",
            "beside net.pt · largest difference, in y · cosine 1",
        ),
        ((TensorAgreement("y", "", problem="no such output"),), "? not compared", "beside net.pt: y: no such output"),
        ((), "? not compared", "beside net.pt: no output on either side"),
    ],
)
def test_rows__reference__how_near(tensors: tuple[TensorAgreement, ...], value: str, detail: str) -> None:
    assert shown(Quality(agreement=Agreement("net.pt", tensors=tensors))) == [("Agreement", value, detail)]


def test_rows__training__passed_failed_and_not_tried() -> None:
    good = TrainingCheck(passed=True, steps=20, first_loss=3.5, last_loss=0.01)
    bad = TrainingCheck(passed=False, steps=20, checks=({"name": "loss_falls", "passed": False},))
    assert shown(training=good) == [("Training", "✓ yes", "20 steps on one batch, loss 3.5 to 0.01")]
    assert shown(training=bad) == [("Training", "✕ no", "failed: loss falls")]
    assert shown(training=TrainingCheck(reasons={"checks": "the box died"})) == [
        ("Training", "? not tried", "the box died")
    ]


def test_rows__nothing_asked_for__none() -> None:
    assert shown() == []
