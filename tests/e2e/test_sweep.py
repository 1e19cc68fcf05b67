"""Sweeps on this machine: cells that were cut off go on, and a runner of CI knows the cells that another planned."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.long, pytest.mark.usefixtures("bubblewrap")]

MATRIX = """
checkpoints = ["net.onnx"]
boxes = ["venv"]
devices = ["cpu"]
batches = [1, 2]
[options]
quick = true
profile = false
threads = 1
"""


@pytest.fixture
def matrix(workspace: Path, zoo: Zoo) -> Path:
    """Return the matrix, its checkpoint beside it."""
    shutil.copy(zoo.path("onnx"), workspace / "net.onnx")
    (workspace / "matrix.toml").write_text(MATRIX, encoding="utf-8")
    return workspace / "matrix.toml"


def started(matrix: Path, home: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a sweep; return it and its first cell's experiment, in the middle of its measurement."""
    command = [sys.executable, "-m", "dnnbox", "sweep", str(matrix), "--out", "s", "--yes", "--progress", "none"]
    environ = os.environ | {"DNNBOX_HOME": str(home)}
    running = subprocess.Popen(command, cwd=matrix.parent, env=environ, start_new_session=True)
    end = time.monotonic() + 300
    while not (found := list(matrix.parent.glob("s/cells/*/*/run-1/outputs/jobs/02-cold/outcome.json"))):
        assert time.monotonic() < end, "no cell began"
        time.sleep(0.02)
    return running, found[0].parents[3]


def run_of(experiment: Path) -> int:
    """Return the process that works on an experiment."""
    place = str(experiment)
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if "dnnbox" in words and "run" in words and place in words:
            return int(entry.parent.name)
    raise AssertionError("nobody works on it")


@pytest.mark.parametrize("is_run_killed", [True, False])
def test_sweep__killed_in_the_middle_of_a_cell__goes_on_with_it(
    matrix: Path, dnnbox: Cli, dnnbox_home: Path, is_run_killed: bool
) -> None:
    running, experiment = started(matrix, dnnbox_home)
    run = run_of(experiment)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    if is_run_killed:
        os.kill(run, signal.SIGKILL)

    done = dnnbox("sweep", matrix, "--out", "s", "--yes", "--json")

    assert (done.code, done.json["success"]) == (0, 2), done.stderr
    cells = [json.loads(path.read_text()) for path in matrix.parent.glob("s/cells/*/*/cell.json")]
    assert sorted((each["experiment"], each["resumed"]) for each in cells) == [("run-1", False), ("run-1", True)]
    resumed = len(json.loads((experiment / "experiment.json").read_text())["resumed_utc"])
    assert resumed == (1 if is_run_killed else 0)  # a run that went on alone was waited for
    assert [path.name for path in experiment.parent.iterdir() if path.is_dir()] == ["run-1"]


def test_sweep__cells_named_by_another_machine__run_here(matrix: Path, dnnbox: Cli, workspace: Path) -> None:
    emitted = dnnbox("sweep", matrix, "--emit", "github-matrix").json["include"]
    assert [entry["runs-on"] for entry in emitted] == [["self-hosted", "linux"]] * 2

    done = dnnbox("sweep", matrix, "--only", emitted[1]["cells"], "--out", "s", "--yes", "--json")

    assert (done.code, done.json["cells"], done.json["success"]) == (0, 1, 1), done.stderr
    (cell,) = workspace.glob("s/cells/*/*/cell.json")
    key = json.loads(cell.read_text())["key"]
    assert key.startswith(f"{emitted[1]['id']}-")
    refused = dnnbox("sweep", matrix, "--only", "no-such", "--plan")
    assert (refused.code, "--plan --json" in refused.stderr) == (2, True)
