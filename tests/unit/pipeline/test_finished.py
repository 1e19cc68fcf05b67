"""Jobs that ended well are recognised, and only they."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.harness.protocol import RunRequest, RunResult, write
from dnnbox.pipeline import finished
from dnnbox.records.run import RunOutcome

REQUEST = RunRequest("infer", "onnxruntime", "/dnnbox/checkpoint/net.onnx")
ASKED = finished.question(REQUEST, "venv")


@pytest.fixture
def job_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs" / "jobs" / "01-infer"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def outcome(job_dir: Path, tmp_path: Path) -> RunOutcome:
    result = RunResult("infer", "3.11")
    write(result, str(job_dir / "result.json"))
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "x.npy").write_bytes(b"array")
    files = {"result.json": str(job_dir / "result.json"), "arrays/x.npy": str(tmp_path / "inputs" / "x.npy")}
    return RunOutcome("infer", result, 0, 5, 1.5, files=files, settings={"batch_size": 1})


def test_kept__same_question__is_the_same_outcome(job_dir: Path, tmp_path: Path, outcome: RunOutcome) -> None:
    finished.keep(outcome, job_dir, tmp_path, ASKED)
    assert finished.kept(job_dir, tmp_path, ASKED) == outcome


def test_kept__experiment_moved__finds_its_files(job_dir: Path, tmp_path: Path, outcome: RunOutcome) -> None:
    finished.keep(outcome, job_dir, tmp_path, ASKED)
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    found = finished.kept(moved / "outputs" / "jobs" / "01-infer", moved, ASKED)
    assert found is not None
    assert Path(found.files["arrays/x.npy"]).read_bytes() == b"array"


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, seed=1),
        replace(REQUEST, batch_size=2),
        replace(REQUEST, job="cold"),
        replace(REQUEST, threads=1),
    ],
)
def test_kept__another_question__is_asked_again(
    job_dir: Path, tmp_path: Path, outcome: RunOutcome, other: RunRequest
) -> None:
    finished.keep(outcome, job_dir, tmp_path, ASKED)
    assert finished.kept(job_dir, tmp_path, finished.question(other, "venv")) is None
    assert finished.kept(job_dir, tmp_path, finished.question(REQUEST, "another environment")) is None


def test_question__the_machines_pace_of_that_time__is_no_part_of_it() -> None:
    def waiting(usual_ns: int, seconds: float) -> str:
        plan = replace(REQUEST.plan, quiet_seconds=seconds, usual_pace_ns=usual_ns)
        return finished.question(replace(REQUEST, plan=plan), "venv")

    assert waiting(110_000, 60) == waiting(0, 60)
    assert waiting(110_000, 60) != waiting(110_000, 0)


@pytest.mark.parametrize("damage", ["no mark", "half a mark", "no file", "short file", "no result", "bad result"])
def test_kept__something_missing_or_broken__is_asked_again(
    job_dir: Path, tmp_path: Path, outcome: RunOutcome, damage: str
) -> None:
    finished.keep(outcome, job_dir, tmp_path, ASKED)
    mark, result, array = job_dir / "outcome.json", job_dir / "result.json", tmp_path / "inputs" / "x.npy"
    if damage.startswith("no"):
        {"no mark": mark, "no file": array, "no result": result}[damage].unlink()
    elif damage == "bad result":
        result.write_bytes(b"{" * result.stat().st_size)
    else:
        broken = mark if damage == "half a mark" else array
        broken.write_bytes(broken.read_bytes()[:-2])
    assert finished.kept(job_dir, tmp_path, ASKED) is None
