"""failure.json: how a job failed, without credentials."""

from __future__ import annotations

from dnnbox import codec
from dnnbox.harness.protocol import RunError, RunResult
from dnnbox.records.run import RunOutcome
from dnnbox.results import failure


def test_failure__harness_answered__has_kind_stage_and_traceback() -> None:
    result = RunResult(
        "infer", "3.11", error=RunError("load_failed", "no\x1b[31m file", "load", "Traceback\nToken=hf_" + "a" * 30)
    )
    document = failure(RunOutcome("infer", result, 0, 0, 1.5), log="logs/infer/stderr.txt")
    assert (document["kind"], document["stage"], document["log"]) == ("load_failed", "load", "logs/infer/stderr.txt")
    assert "hf_" not in codec.dumps(document)
    assert "\x1b" not in document["detail"]


def test_failure__box_died__says_how() -> None:
    document = failure(RunOutcome("measure", None, -11, 0, 0.5, signal=11, stderr_tail="Segmentation fault"))
    assert (document["kind"], document["signal"], document["stderr_tail"]) == ("died", 11, "Segmentation fault")
