"""Collecting from a staging directory that somebody else filled."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dnnbox.boxes.collect import collect, remove_tree
from dnnbox.harness.protocol import ArrayRecord, RunResult, Samples, encode, write
from dnnbox.records.environment import Limits

LIMITS = Limits(memory_bytes=1, file_bytes=1 << 20, output_bytes=2 << 20, output_files=20)


def array(path: str) -> ArrayRecord:
    return ArrayRecord("y", "output", path, "float32", [1])


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    path = tmp_path / "staging"
    (path / "arrays").mkdir(parents=True)
    return path


@pytest.fixture
def job_dir(tmp_path: Path) -> Path:
    path = tmp_path / "job"
    path.mkdir()
    return path


def test_collect__honest_job__takes_everything_over(staging: Path, job_dir: Path) -> None:
    (staging / "arrays" / "y.npy").write_bytes(b"data")
    (staging / "artifacts").mkdir()
    (staging / "artifacts" / "plot.png").write_bytes(b"png")
    (staging / "events.jsonl").write_text("{}\n")
    samples = Samples("arrays/y.npy", ["total"], 1, 0, 0, True)
    result = RunResult(
        "infer", "3.11", arrays=[array("arrays/y.npy")], samples=samples, artifacts=[{"path": "artifacts/plot.png"}]
    )
    write(result, str(staging / "result.json"))
    found = collect(staging, job_dir, LIMITS)
    assert found.result == result
    assert sorted(found.files) == ["arrays/y.npy", "artifacts/plot.png", "events.jsonl", "result.json"]
    assert (job_dir / "arrays" / "y.npy").read_bytes() == b"data"
    assert (found.rejected, found.problem, found.output_limit) == ([], "", "")


def test_collect__no_result__is_no_problem_but_none(staging: Path, job_dir: Path) -> None:
    found = collect(staging, job_dir, LIMITS)
    assert (found.result, found.problem, found.files) == (None, "", {})


def test_collect__declared_files__come_before_junk(staging: Path, job_dir: Path) -> None:
    for number in range(200):
        (staging / "arrays" / f"{number:03d}.npy").write_bytes(b"junk")
    (staging / "arrays" / "zz.npy").write_bytes(b"declared")
    write(RunResult("infer", "3.11", arrays=[array("arrays/zz.npy")]), str(staging / "result.json"))
    found = collect(staging, job_dir, LIMITS)
    assert "arrays/zz.npy" in found.files
    assert len(found.files) <= LIMITS.output_files
    assert found.output_limit == ""


def test_collect__declared_file_over_the_cap__is_an_output_limit(staging: Path, job_dir: Path) -> None:
    with (staging / "arrays" / "big.npy").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that takes no room
    write(RunResult("infer", "3.11", arrays=[array("arrays/big.npy")]), str(staging / "result.json"))
    found = collect(staging, job_dir, LIMITS)
    assert "1099511627776 bytes" in found.output_limit
    assert not (job_dir / "arrays").exists()


def test_collect__sum_over_the_cap__stops_there(staging: Path, job_dir: Path) -> None:
    for number in range(5):
        (staging / "arrays" / f"{number}.npy").write_bytes(b"x" * (900 << 10))
    found = collect(staging, job_dir, LIMITS)
    assert len(found.files) == 2
    assert len(found.rejected) == 3


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "arrays/../../secret", "arrays//y", "arrays", "arrays/.", "other/y", "", "."]
)
def test_collect__declared_path_outside__is_refused(staging: Path, job_dir: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    write(RunResult("infer", "3.11", arrays=[array(path)]), str(staging / "result.json"))
    found = collect(staging, job_dir, LIMITS)
    assert list(found.files) == ["result.json"]
    assert len(found.rejected) == 1


def test_collect__directory_that_is_a_link__is_not_entered(staging: Path, job_dir: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "y.npy").write_text("secret")
    (staging / "arrays").rmdir()
    (staging / "arrays").symlink_to(outside)
    write(RunResult("infer", "3.11", arrays=[array("arrays/y.npy")]), str(staging / "result.json"))
    found = collect(staging, job_dir, LIMITS)
    assert list(found.files) == ["result.json"]
    assert not (job_dir / "arrays").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "socketless", "directory", "huge"])
def test_collect__result_that_is_no_plain_file__is_a_problem(staging: Path, job_dir: Path, kind: str) -> None:
    path = staging / "result.json"
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    else:
        path.write_bytes(b"\xff\xfe not json")
    found = collect(staging, job_dir, LIMITS)
    assert found.result is None
    assert found.problem
    assert not (job_dir / "result.json").exists()


def valid() -> dict[str, object]:
    return encode(RunResult("infer", "3.11", arrays=[array("arrays/y.npy")]))


@pytest.mark.parametrize(
    "change",
    [
        {"record": "RunRequest"},
        {"schema": 2},
        {"surprise": 1},
        {"job": 7},
        {"started_ns": "soon"},
        {"started_ns": True},
        {"started_ns": 1 << 80},
        {"stages_ns": {"load": "x"}},
        {"outputs": {}},
        {"outputs": [7]},
        {"arrays": [{**asdict(array("a")), "mean": "high"}]},
        {"notes": [1]},
        {"memory": []},
        {"error": {"kind": "oom"}},
        {"error": "text"},
        {"effective": {"x": 1 << 80}},
    ],
    ids=str,
)
def test_collect__result_of_another_form__is_a_problem(staging: Path, job_dir: Path, change: dict[str, object]) -> None:
    (staging / "result.json").write_text(json.dumps({**valid(), **change}))
    found = collect(staging, job_dir, LIMITS)
    assert found.result is None
    assert found.problem


@pytest.mark.parametrize(
    "text",
    [
        '{"record": "RunResult", "schema": 1, "job": "infer", "python": "3", "memory": {"x": NaN}}',
        '{"record": "RunResult", "schema": 1, "job": "infer", "python": "3", "memory": {"x": 1e999}}',
        "[" * 200_000,
        '{"record": "RunResult", "schema": 1, "job": "infer", "python": "3", "started_ns": ' + "9" * 6000 + "}",
        "",
    ],
    ids=["nan", "infinity", "depth", "digits", "empty"],
)
def test_collect__json_that_hurts__is_a_problem(staging: Path, job_dir: Path, text: str) -> None:
    (staging / "result.json").write_text(text)
    found = collect(staging, job_dir, LIMITS)
    assert found.result is None
    assert found.problem


def test_collect__odd_names__are_refused_and_shown_inert(staging: Path, job_dir: Path) -> None:
    for name in (b"\x1b[31mred", b"\xff\xfe", b"line\nbreak", b"n" * 230, "right\u202eleft".encode()):
        with open(os.fsencode(staging / "arrays") + b"/" + name, "wb"):  # noqa: PTH123 - a name that is no text
            pass
    found = collect(staging, job_dir, LIMITS)
    assert found.files == {}
    assert len(found.rejected) == 5
    assert not any(char in text for text in found.rejected for char in "\x1b\n\u202e")


def test_collect__existing_link_at_the_target__is_replaced_not_followed(
    staging: Path, job_dir: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (job_dir / "result.json").symlink_to(victim)
    write(RunResult("infer", "3.11"), str(staging / "result.json"))
    collect(staging, job_dir, LIMITS)
    assert victim.read_text() == "untouched"
    assert not (job_dir / "result.json").is_symlink()


def test_collect__very_many_entries__are_not_all_looked_at(staging: Path, job_dir: Path) -> None:
    for number in range(300):
        (staging / f"{number}").touch()
    found = collect(staging, job_dir, replace(LIMITS, output_files=5))
    assert len(found.rejected) <= 51


def test_remove_tree__deep_closed_and_linked__is_gone_and_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    here = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (root / "closed").mkdir()
    (root / "closed" / "inner").mkdir()
    (root / "closed").chmod(0)
    remove_tree(root)
    assert not root.exists()
    assert (outside / "kept").read_text() == "kept"


def test_remove_tree__missing_or_a_link__does_nothing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    remove_tree(tmp_path / "missing")
    remove_tree(tmp_path / "link")
    assert (tmp_path / "real").is_dir()
