"""The stakeholder report: sensitivities, published figures, what is unknown, the order of the next steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from dnnbox import codec
from dnnbox.records.evaluation import MetricFigure, Quality
from dnnbox.records.experiment import StageRecord
from dnnbox.records.measurements import SizeTried, Statistics, Stats, Throughput, Variant
from dnnbox.records.published import Published, PublishedFigure
from dnnbox.reports import unmatched_numbers
from dnnbox.reports.outputs import load
from dnnbox.reports.rendering import render
from tests.unit.reports import made

FIGURES = (
    PublishedFigure("parameters", 22.7, "M", "", "22.7M parameters", "README.md:3"),
    PublishedFigure("top1", 76.1, "%", "ImageNet-1k", "76.1% top-1 on ImageNet-1k", "README.md:4"),
    PublishedFigure("latency_ms", 3.2, "ms", "", "3.2 ms latency", "README.md:5"),
    PublishedFigure("wer", 3.4, "%", "", "WER 3.4 %", "README.md:6"),
)


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return made.text_model(tmp_path, per_process=60)


def save(experiment: Path, name: str, record: object) -> None:
    (experiment / "outputs" / f"{name}.json").write_text(codec.dumps(record), encoding="utf-8")


def stakeholder(experiment: Path) -> str:
    render(experiment)
    assert unmatched_numbers(experiment) == {"experiment-report.md": (), "stakeholder-report.md": ()}
    report = (experiment / "reports" / "stakeholder-report.md").read_text(encoding="utf-8")
    return report.replace("\\", "").replace("\u00a0", " ")


def section(report: str, title: str) -> str:
    return report.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_sensitivity__nothing_tried__says_which_option_would(experiment: Path) -> None:
    stats = codec.loads(Stats, (experiment / "outputs" / "stats.json").read_text(encoding="utf-8"))
    save(experiment, "stats", replace(stats, throughput=stats.throughput[:1], throughput_best={}))
    found = section(stakeholder(experiment), "What changes the figures")
    for option in ("`--batch 1,8,32`", "`--variant bf16`", "`--variant threads-1,threads-2`"):
        assert f"Not tried: {option}" in found


def test_sensitivity__everything_tried__says_what_it_did(experiment: Path) -> None:
    stats = codec.loads(Stats, (experiment / "outputs" / "stats.json").read_text(encoding="utf-8"))
    variants = (
        Variant("bf16", Statistics(p50=4.2), 1.53, 0.0021),
        Variant("threads-1", Statistics(p50=9.1), 0.71, 0.0),
        Variant("compile", reason="no compiler in the box"),
    )
    points = (Throughput(1, 120.0, 8.3), Throughput(8, 410.0, 19.5), Throughput(32, 415.0, 77.1))
    save(experiment, "stats", replace(stats, variants=variants, throughput=points, throughput_best={"saturates_at": 8}))
    contract: dict[str, Any] = json.loads((experiment / "outputs" / "io_contract.json").read_text(encoding="utf-8"))
    tried = [
        SizeTried("tokens", 16, True),
        SizeTried("tokens", 128, True),
        SizeTried("tokens", 1024, False, "too long"),
    ]
    save(experiment, "io_contract", {**contract, "sizes": tried})
    found = section(stakeholder(experiment), "What changes the figures")
    assert "32 at once give 415 items per second, one at a time 120. Each answer then takes 77.1 ms." in found
    assert "More than 8 at once gains little." in found
    assert "bf16: 1.53 times as fast, its answers differ by 0.0021 of the largest value." in found
    assert "threads-1: 0.710 times as fast, with the same answers." in found
    assert "compile: not to be had (no compiler in the box)." in found
    assert "tokens: 16, 128 ran; 1024 failed." in found


def test_expected__published_figures__stand_as_quotes_beside_what_was_measured(experiment: Path) -> None:
    save(experiment, "published", Published(figures=FIGURES, looked=("README.md",)))
    top1 = MetricFigure("top1", 0.74, 200, (0.68, 0.8), hits=148)
    save(experiment, "metrics", Quality(dataset={"name": "mine", "used": 200, "items": 200}, n=200, figures=(top1,)))
    report = stakeholder(experiment)
    found = section(report, "Expected against measured")
    assert "| Parameters | 22.7 M, `README.md:3` | 22.7 M | They agree. |" in found
    assert "| Right answers | 76.1 % on ImageNet-1k, `README.md:4` | 0.74 on mine |" in found
    assert "Only on the same machine with the same settings." in found
    assert "| Word errors | 3.4 %, `README.md:6` | not measured | Give the same data with `--dataset`. |" in found
    assert "“WER 3.4 %” (README.md:6)" in found
    assert "Somebody else's claims, not checked." in found
    assert "On 200 labelled items: **Right answers 0.74**, 148 of 200" in report


def test_expected__nothing_published__is_said(experiment: Path) -> None:
    save(experiment, "published", Published(looked=("README.md",), reason="no figure that names this model"))
    found = section(stakeholder(experiment), "Expected against measured")
    assert "No published figure was found: no figure that names this model. Read: README.md." in found


def test_next_steps__any_run__the_deciding_ones_come_first(experiment: Path) -> None:
    found = section(stakeholder(experiment), "What to do now")
    when = [line.partition("**")[2].partition(":**")[0] for line in found.splitlines() if line[:1].isdigit()]
    assert when[0] == "Now"
    assert when == sorted(when, key=("Now", "Before use", "Later").index)
    for name in ("Entry point", "Packages", "Reserve", "At start", "Watch", "Keep", "Hand over"):
        assert f"| {name} | " in found


def test_criteria__what_nobody_measured__is_listed_with_what_would_tell(experiment: Path) -> None:
    found = section(stakeholder(experiment), "What decides")
    assert "| How often the model is right | Labelled data: " in found
    assert "| How it runs on a graphics card | " in found


def test_load__inspection_with_its_schema__is_read(experiment: Path) -> None:
    document = json.loads((experiment / "outputs" / "inspection.json").read_text(encoding="utf-8"))
    save(experiment, "inspection", {"schema": "dnnbox.inspection/1", **document})
    found = load(experiment)
    assert found.unread == ()
    assert found.inspection is not None


def test_failed__output_that_cannot_be_used__is_the_answer_of_the_first_screen(tmp_path: Path) -> None:
    experiment = made.failed(tmp_path)
    error = {
        "code": 46,
        "name": "BAD_OUTPUT",
        "message": "infer: finite: NaN or infinite values in y",
        "phase": "infer",
    }
    index = made.index(checkpoint="helmet.pt", status="failed", exit_code=46, error=error)
    passed = ["import", "context", "load", "input", "first"]
    save(experiment, "failure", {"schema": "dnnbox.failure/1", "job": "infer", "stage": "check", "passed": passed})
    (experiment / "experiment.json").write_text(codec.dumps(index), encoding="utf-8")
    report = stakeholder(experiment)
    banner = report.partition("## Decision: no-go")[2].partition("Rule:")[0]
    assert "Its answer cannot be used. It stopped while checking the output: NaN or infinite values in y." in banner
    assert "Before that it got through importing the packages, loading the weights, preparing the input and" in report
    assert "**Its answer cannot be used** (No)" in report
    assert "It did not run" not in report


@pytest.mark.parametrize(
    ("name", "stage", "hint", "told"),
    [
        ("OOM", "first", "raise `--memory`", "**Repeat the run** with a larger `--memory`."),
        ("TIMEOUT", "first", "raise `--timeout`", "**Repeat the run** with a larger `--timeout`."),
        ("RUN_FAILED", "import", "add it", "passed: inspect, choose inputs."),
        ("RUN_FAILED", "input", "other input", "passed: inspect, find source, find packages, make environment."),
    ],
)
def test_failed__cause__decides_how_to_repeat_and_what_is_cleared(
    tmp_path: Path, name: str, stage: str, hint: str, told: str
) -> None:
    experiment = made.failed(tmp_path)
    stages = ("inspect", "source", "dependencies", "environment", "inputs")
    error = {"code": 1, "name": name, "message": "m", "hint": hint, "phase": "infer"}
    index = made.index(
        checkpoint="helmet.pt",
        status="failed",
        exit_code=1,
        error=error,
        command=("run", "helmet.pt"),
        stages=tuple(StageRecord(stage, "ok", 0.1) for stage in stages),
    )
    save(experiment, "failure", {"schema": "dnnbox.failure/1", "job": "infer", "stage": stage, "signal": 9})
    (experiment / "experiment.json").write_text(codec.dumps(index), encoding="utf-8")
    render(experiment)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert told in report
    assert "| Signal | 9, SIGKILL |" in report


def test_failed__before_an_answer__says_in_the_banner_why(tmp_path: Path) -> None:
    report = stakeholder(made.failed(tmp_path))
    banner = report.partition("## Decision: no-go")[2].partition("Rule:")[0]
    assert "The model was not shown to run. It stopped while loading the weights: the checkpoint names" in banner
    assert "**It did not run** (No)" in report


def test_summary__doubts_about_the_input__are_said_first_in_both(experiment: Path) -> None:
    path = experiment / "outputs" / "io_contract.json"
    contract = json.loads(path.read_text(encoding="utf-8"))
    facts = ("size", "colour_order")
    contract["warnings"] = [{"field": "x", "fact": fact, "expected": "a", "found": "b", "text": "t"} for fact in facts]
    path.write_text(json.dumps(contract), encoding="utf-8")
    decision = stakeholder(experiment)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    told = "**How it is fed is doubtful** (size and colour order of the input), so its answers may be wrong."
    assert told in report.partition("| Question |")[0]
    assert told in section(decision, "In short")


def test_summary__two_required_targets_met__are_both(experiment: Path) -> None:
    render(made.text_model(experiment, targets=("latency_p50_ms<=10", "latency_mean_ms<=10"), per_process=60))
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert "meets both required targets" in report


def ended(experiment: Path, error: dict[str, Any], status: Literal["failed", "partial"] = "failed") -> None:
    """Have a run ended by an error, outside of any box."""
    index = made.index(checkpoint="helmet.pt", status=status, exit_code=error["code"], error=error, stages=())
    save(experiment, "failure", {})
    (experiment / "experiment.json").write_text(codec.dumps(index), encoding="utf-8")


def test_failed__stopped_by_the_user__is_no_bug_of_dnnbox(tmp_path: Path) -> None:
    experiment = made.failed(tmp_path)
    error = {"code": 130, "name": "INTERRUPTED", "message": "stopped by the user", "phase": "", "retryable": True}
    ended(experiment, error, status="partial")
    stakeholder(experiment)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert "# Did not run: it was stopped from outside" in report
    assert "dnnbox run --resume DIR" in report
    assert "bug in dnnbox" not in report


def test_failed__search_without_an_answer__shows_what_was_tried_made_harmless(tmp_path: Path) -> None:
    experiment = made.failed(tmp_path)
    tried = ["near: src/model.py:Net by src/model.py:Net({'dim': 3}), 80% of the tensors fit", "\x1b[31m<b>red</b>"]
    error = {"code": 60, "name": "ADAPTER_NEEDED", "message": "m", "phase": "match", "details": {"evidence": tried}}
    ended(experiment, error)
    render(experiment)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert "What was tried" in report
    assert tried[0] in report
    page = (experiment / "reports" / "experiment-report.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    assert "<b>red</b>" not in page
