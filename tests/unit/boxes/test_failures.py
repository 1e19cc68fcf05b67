"""Outcomes to errors: the right leaf, one line, a way out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnnbox.boxes.failures import error_of
from dnnbox.harness.protocol import ERROR_KINDS, ArrayRecord, RunError, RunResult
from dnnbox.records.environment import Limits
from dnnbox.records.run import RunOutcome

LIMITS = Limits(memory_bytes=64 << 20)
GOOD = RunOutcome("infer", RunResult("infer", "3.11"), 0, 0, 1.0)
DEAD = RunOutcome("infer", None, 1, 0, 1.0)


def name_of(outcome: RunOutcome) -> str:
    error = error_of(outcome, LIMITS, 5)
    if error is None:
        return "OK"
    assert "\n" not in error.line()
    assert len(error.line()) <= 420
    return error.name


def refused(kind: str, detail: str = "why", **changes: object) -> RunOutcome:
    result = replace(GOOD.result, error=RunError(kind, detail, "load"))  # type: ignore[type-var]
    return replace(GOOD, result=result, **changes)  # type: ignore[arg-type]


def test_error_of__good_result__is_none() -> None:
    assert error_of(GOOD, LIMITS, 5) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("protocol", "INTERNAL"),
        ("missing_module", "RUN_FAILED"),
        ("import_failed", "RUN_FAILED"),
        ("load_failed", "RUN_FAILED"),
        ("needs_adapter", "ADAPTER_NEEDED"),
        ("unsupported", "UNSUPPORTED"),
        ("input_failed", "RUN_FAILED"),
        ("infer_failed", "RUN_FAILED"),
        ("bad_output", "BAD_OUTPUT"),
        ("device_unavailable", "GPU_UNAVAILABLE"),
        ("oom", "OOM"),
        ("vram_oom", "VRAM_OOM"),
        ("internal", "INTERNAL"),
        ("from a later version", "INTERNAL"),
    ],
)
def test_error_of__what_the_harness_understood__has_its_leaf(kind: str, name: str) -> None:
    assert name_of(refused(kind)) == name


def test_error_of__every_kind_of_the_protocol__is_known() -> None:
    assert {kind for kind in ERROR_KINDS if "reports" in str(error_of(refused(kind), LIMITS, 5))} == set()


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (replace(DEAD, timed_out=True, signal=15), "TIMEOUT"),
        (replace(GOOD, timed_out=True), "TIMEOUT"),
        (replace(DEAD, output_limit="9 MiB written"), "OUTPUT_LIMIT"),
        (replace(DEAD, oom_killed=True, signal=9, exit_code=137), "OOM"),
        (replace(GOOD, oom_killed=True), "OOM"),
        (
            replace(DEAD, settings={"memory": "rlimit"}, stderr_tail="OpenBLAS error: Memory allocation still failed"),
            "OOM",
        ),
        (replace(DEAD, settings={"memory": "rlimit"}, stderr_tail="terminate: std::bad_alloc", signal=6), "OOM"),
        (replace(DEAD, settings={"memory": "cgroup v2"}, stderr_tail="MemoryError"), "RUN_FAILED"),
        (replace(DEAD, signal=11, exit_code=139), "RUN_SIGNAL"),
        (replace(DEAD, signal=9, exit_code=137), "RUN_SIGNAL"),
        (replace(DEAD, signal=64), "RUN_SIGNAL"),
        (replace(DEAD, stderr_tail="torch.OutOfMemoryError: CUDA out of memory. Tried"), "VRAM_OOM"),
        (DEAD, "RUN_FAILED"),
        (replace(DEAD, exit_code=0), "BAD_OUTPUT"),
        (replace(DEAD, exit_code=0, settings={"result_problem": "result.json: not JSON"}), "BAD_OUTPUT"),
        (replace(GOOD, exit_code=3), "BAD_OUTPUT"),
        (replace(GOOD, job="cold"), "BAD_OUTPUT"),
        (refused("import_failed", "failed to map segment", settings={"memory": "rlimit"}), "OOM"),
        (refused("import_failed", "failed to map segment", settings={"memory": "cgroup v1"}), "RUN_FAILED"),
        (refused("infer_failed", oom_killed=True), "OOM"),
    ],
)
def test_error_of__how_it_ended__has_its_leaf(outcome: RunOutcome, name: str) -> None:
    assert name_of(outcome) == name


def test_error_of__declared_file_that_was_refused__is_bad_output() -> None:
    result = RunResult("infer", "3.11", arrays=[ArrayRecord("y", "output", "arrays/y.npy", "float32")])
    error = error_of(replace(GOOD, result=result, rejected=("arrays/y.npy: not a regular file",)), LIMITS, 5)
    assert error is not None
    assert (error.name, "not a regular file" in error.what) == ("BAD_OUTPUT", True)
    assert error_of(replace(GOOD, result=result, files={"arrays/y.npy": "x"}), LIMITS, 5) is None


def test_error_of__hostile_words__are_shown_inert() -> None:
    for outcome in (
        replace(DEAD, stderr_tail="first\n\x1b]0;title\x07\x1b[2Jlast words\u202e\n" + " \n"),
        refused("infer_failed", "\x1b[31m" + "x" * 5000 + "\nsecond line"),
        refused("missing_module", "evil\x1b[0m\nmodule"),
        refused("\x1b[31mkind"),
    ):
        error = error_of(outcome, LIMITS, 5)
        assert error is not None
        assert not any(char in error.line() for char in "\x1b\x07\u202e\n")
        assert len(error.line()) <= 420


def test_error_of__missing_module__names_it() -> None:
    error = error_of(refused("missing_module", "einops"), LIMITS, 5)
    assert error is not None
    assert "einops" in error.what
    assert error.details["module"] == "einops"
