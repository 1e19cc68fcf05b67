"""Sweeps on a real Slurm with two slots: all cells end, nothing twice, nothing lost, a bad checkpoint costs its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.long, pytest.mark.xdist_group("slurm")]

MATRIX = """
name = "cluster"
executor = "slurm"
checkpoints = ["net.onnx", "broken.onnx"]
boxes = ["venv"]
devices = ["cpu", "cuda"]
batches = [1, 2, 3]
exclude = [
  { checkpoint = "broken.onnx", batch = "3" },
  { checkpoint = "broken.onnx", device = "cuda" },
  { device = "cuda", batch = "2" },
  { device = "cuda", batch = "3" },
]
[options]
quick = true
profile = false
threads = 1
seed = %d
[slurm]
timeout_min = 10
workers = 2
[slurm.device.cuda]
partition = "gpu"
"""
CELLS, GOOD = 6, 3
Squeue = Callable[[str], list[str]]


@pytest.fixture
def squeue(slurm: dict[str, str], workspace: Path) -> Iterator[Squeue]:
    """Return a function: the ids of this test's jobs in a state; what it leaves behind is cancelled."""

    def ask(state: str) -> list[str]:
        command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", f"--states={state}", "--format=%i %Z"]
        done = subprocess.run(command, env=os.environ | slurm, capture_output=True, text=True, check=True)
        return [line.split()[0] for line in done.stdout.splitlines() if str(workspace) in line]

    yield ask
    for job in (*ask("PENDING"), *ask("RUNNING")):
        subprocess.run(["scancel", job], env=os.environ | slurm, check=False)


@pytest.fixture
def matrix(workspace: Path, zoo: Zoo) -> Callable[[int], Path]:
    """Return a function that writes the matrix with a seed of its own: other seeds are other cells."""
    whole = zoo.path("onnx")
    shutil.copy(whole, workspace / "net.onnx")
    (workspace / "broken.onnx").write_bytes(whole.read_bytes()[:100])

    def write(seed: int) -> Path:
        (workspace / "matrix.toml").write_text(MATRIX % seed, encoding="utf-8")
        return workspace / "matrix.toml"

    return write


def results(workspace: Path) -> dict[str, Any]:
    found = (workspace / "tmp" / "sweep-cluster" / "cells").glob("*/*/cell.json")
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def attempts(workspace: Path) -> list[int]:
    """Return how many runs each cell began."""
    cells = (workspace / "tmp" / "sweep-cluster" / "cells").glob("*/*/")
    return [len([each for each in cell.glob("run-*") if each.is_dir()]) for cell in cells]


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it did not happen within 120 s"
        time.sleep(0.1)


def test_sweep__on_slurm__every_cell_ends_and_a_broken_checkpoint_costs_its_own(
    matrix: Callable[[int], Path], dnnbox: Cli, workspace: Path, slurm: dict[str, str], squeue: Squeue
) -> None:
    done = dnnbox("sweep", matrix(1), "--yes", "--json", env=slurm)

    assert done.code == 40, done.stderr
    assert (done.json["cells"], done.json["success"], done.json["failed"]) == (CELLS, GOOD, CELLS - GOOD)
    ended = results(workspace)
    names = sorted(each["error"]["name"] for each in ended.values() if each["exit_code"])
    assert names == ["CORRUPT", "CORRUPT", "GPU_UNAVAILABLE"]  # the cluster's GPU is a pretended one
    submissions = "".join(path.read_text() for path in workspace.glob("tmp/sweep-cluster/slurm/*/*_submission.sh"))
    assert submissions.count("--gpus-per-node=1\n") == submissions.count("--partition=gpu\n") == 1
    assert sum(attempts(workspace)) == GOOD
    page = (workspace / "tmp" / "sweep-cluster" / "leaderboard.html").read_text(encoding="utf-8")
    assert page.count('href="cells/') == GOOD

    again = dnnbox("sweep", matrix(1), "--yes", "--json", env=slurm)
    assert (again.json["skipped"], results(workspace)) == (CELLS, ended)


def test_sweep__coordinator_killed_and_a_job_cancelled__nothing_twice_nothing_lost(
    matrix: Callable[[int], Path],
    dnnbox: Cli,
    workspace: Path,
    dnnbox_home: Path,
    slurm: dict[str, str],
    squeue: Squeue,
) -> None:
    environ = os.environ | slurm | {"DNNBOX_HOME": str(dnnbox_home)}
    command = [sys.executable, "-m", "dnnbox", "sweep", str(matrix(2)), "--yes", "--progress", "none"]
    first = subprocess.Popen(command, cwd=workspace, env=environ, start_new_session=True)
    wait_until(lambda: results(workspace))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    if running := squeue("RUNNING"):
        subprocess.run(["scancel", running[0]], env=environ, check=True)

    done = dnnbox("sweep", matrix(2), "--yes", "--json", env=slurm)

    assert (done.json["cells"], done.json["success"], done.json["failed"]) == (CELLS, GOOD, CELLS - GOOD)
    assert len(results(workspace)) == CELLS
    assert sorted(attempts(workspace))[-GOOD:] == [1] * GOOD
