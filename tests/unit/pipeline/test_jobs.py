"""What later jobs are told of the verified inference, and a profile that may fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dnnbox import paces
from dnnbox.events import Silent
from dnnbox.experiment import Experiment
from dnnbox.harness.protocol import InputFile, RunError, RunRequest, RunResult, TensorRecord
from dnnbox.pipeline import jobs
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.options import RunOptions
from dnnbox.records.run import RunOutcome
from dnnbox.store import Store

REQUEST = RunRequest("infer", "torchscript", "model.pt", options={"format": "torchscript", "inputs": []})
GUESSED = TensorRecord("x", "float32", ["N", 3, 64, 64], "assumed", "tried: Conv2d of layer stem")


def told(request: RunRequest, *inputs: TensorRecord) -> RunRequest:
    result = RunResult("infer", "3.11", inputs=list(inputs))
    return jobs._without_guessing(request, RunOutcome("infer", result, 0, 0, 1.0))


def test_later_jobs__input_was_found_by_trying__get_its_shape() -> None:
    request = told(REQUEST, GUESSED)

    assert request.options["inputs"] == [
        {"name": "x", "shape": ["N", 3, 64, 64], "dtype": "float32", "status": "observed"}
    ]
    assert request.options["format"] == "torchscript"


@pytest.mark.parametrize(
    ("request_", "record"),
    [
        (REQUEST, replace(GUESSED, status="observed")),
        (REQUEST, replace(GUESSED, dtype="int64")),
        (replace(REQUEST, runtime="timm"), GUESSED),
        (replace(REQUEST, inputs=[InputFile("/dnnbox/inputs/x.npy")]), GUESSED),
    ],
)
def test_later_jobs__nothing_was_guessed__are_asked_as_before(request_: RunRequest, record: TensorRecord) -> None:
    assert told(request_, record) == request_


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_later_jobs__waiting_for_quiet__are_told_the_usual_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setenv("DNNBOX_HOME", str(tmp_path))
    machine = {"cpu": "one", "cores_available": 2}
    paces.usual(Store.default().root, paces.key_of(machine, "cpython 3.11"), 112.3)
    first = RunOutcome("infer", RunResult("infer", "3.11.7", machine=machine), 0, 0, 1.0)
    options = RunOptions("x", tmp_path, wait_quiet_s=seconds)
    waiting = jobs.Jobs._waiting(
        cast("Any", SimpleNamespace(prepared=SimpleNamespace(options=options))), REQUEST, first
    )
    asked = (seconds, 112_300) if seconds else (0.0, 0)
    assert (waiting.plan.quiet_seconds, waiting.plan.usual_pace_ns) == asked


class OneJobBox:
    """A box whose job ends as it is told."""

    environment = None

    def __init__(self, result: RunResult, trace: str = "") -> None:
        self.result, self.trace = result, trace

    def run(self, request: RunRequest, job_dir: Path, *, timeout_s: float) -> RunOutcome:
        files = {}
        if self.trace:
            path = job_dir / "artifacts" / "trace.json"
            path.parent.mkdir()
            path.write_text(self.trace)
            files["artifacts/trace.json"] = str(path)
        return RunOutcome(request.job, self.result, 0, 0, 1.0, files=files)


def prepared_with(options: RunOptions) -> Any:
    """As much of a prepared run as running one job asks for."""
    return SimpleNamespace(
        box="venv",
        image="",
        options=options,
        path=options.workspace / options.checkpoint,
        inspection=SimpleNamespace(companions=()),
        device=SimpleNamespace(name="cpu"),
    )


def profiled(root: Path, box: OneJobBox, **options: Any) -> tuple[Experiment, jobs.Execution]:
    experiment = Experiment.create(root / "experiment", ExperimentIndex())
    prepared = prepared_with(RunOptions("model.pt", root, **options))
    execution = jobs.Execution()
    jobs.Jobs(experiment, prepared, cast("Any", box), Silent(), execution)._profile(REQUEST)
    experiment.close()
    return experiment, execution


def stage_of(experiment: Experiment) -> tuple[str, str, str]:
    stage = experiment.index.stages[-1]
    return stage.name, stage.status, str((stage.error or {}).get("message", ""))


def test_profile__it_fails__is_noted_and_the_run_goes_on(tmp_path: Path) -> None:
    failed = RunResult("profile", "3.11", error=RunError("infer_failed", "the profiler broke", "profile"))
    experiment, execution = profiled(tmp_path, OneJobBox(failed))
    assert stage_of(experiment)[:2] == ("profile", "skipped")
    assert "the profiler broke" in execution.profile_reason
    assert execution.trace == ""


def test_profile__trace_is_there__moves_to_the_logs_without_paths(tmp_path: Path) -> None:
    box = OneJobBox(
        RunResult("profile", "3.11"), '{"traceName": "/home/me/t", "traceEvents": [{"ph": "X", "name": "a"}]}'
    )
    experiment, execution = profiled(tmp_path, box)
    assert stage_of(experiment) == ("profile", "ok", "")
    assert execution.trace == "logs/profile-trace.json"
    assert "home" not in (experiment.root / execution.trace).read_text()
    assert list(experiment.outputs.rglob("trace.json")) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"quick": True}, "not taken with `--quick`"), ({"profile": False}, "not wanted")],
)
def test_profile__not_wanted__is_skipped_with_the_reason(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    experiment, execution = profiled(tmp_path, OneJobBox(RunResult("profile", "3.11")), **options)
    assert stage_of(experiment) == ("profile", "skipped", reason)
    assert (execution.profile_reason, execution.outcomes) == (reason, [])


def test_options__quick_and_profile__the_flag_wins(tmp_path: Path) -> None:
    assert RunOptions("x", tmp_path).wants_profile
    assert not RunOptions("x", tmp_path, quick=True).wants_profile
    assert RunOptions("x", tmp_path, quick=True, profile=True).wants_profile


def test_batch__refused_by_the_model__is_a_finding(tmp_path: Path) -> None:
    refused = RunResult("measure", "3.11", error=RunError("unsupported", "the batch of input x is fixed at 1", "input"))
    experiment = Experiment.create(tmp_path / "experiment", ExperimentIndex())
    prepared = prepared_with(RunOptions("model.pt", tmp_path))
    execution = jobs.Execution()
    several = jobs.Jobs(experiment, prepared, cast("Any", OneJobBox(refused)), Silent(), execution)
    several._batch(replace(REQUEST, batch_size=8))
    experiment.close()
    assert [(outcome.job, outcome.settings["batch_size"]) for outcome in execution.outcomes] == [("measure", 8)]


class ScriptedBox(OneJobBox):
    """A box that answers each kind of job with its own result, and remembers what it was asked."""

    def __init__(self, **results: RunResult) -> None:
        self.results, self.asked = results, []  # type: ignore[var-annotated]

    def run(self, request: RunRequest, job_dir: Path, *, timeout_s: float) -> RunOutcome:
        self.asked.append(request)
        return RunOutcome(request.job, self.results[request.job], 0, 0, 1.0)


def test_generate__it_cannot_be_driven_token_by_token__is_a_finding(tmp_path: Path) -> None:
    refused = RunResult("generate", "3.11", error=RunError("unsupported", "no room for a continuation", "generate"))
    box = ScriptedBox(generate=refused)
    experiment = Experiment.create(tmp_path / "experiment", ExperimentIndex())
    execution = jobs.Execution()
    jobs.Jobs(experiment, prepared_with(RunOptions("m", tmp_path)), cast("Any", box), Silent(), execution)._generate(
        REQUEST, 3
    )
    experiment.close()
    assert [outcome.job for outcome in execution.outcomes] == ["generate"]


@pytest.mark.parametrize(("told", "expected"), [({"generates": ""}, True), ({"generates": "no"}, False), ({}, False)])
def test_generates__what_the_box_found__decides(told: dict[str, str], expected: bool) -> None:
    result = RunResult("infer", "3.11", findings=told)
    assert jobs._generates(RunOutcome("infer", result, 0, 0, 1.0)) is expected
