"""An experiment that was cut off goes on: nothing that ended well is done again, and nothing else is mixed in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.faults import killing
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.usefixtures("bubblewrap")]


def start(checkpoint: Path, workspace: Path, home: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "dnnbox",
        "run",
        str(checkpoint),
        "--box",
        "venv",
        "--quick",
        "--yes",
        "--out",
        "e",
    ]
    environ = {**os.environ, "DNNBOX_HOME": str(home)}
    if "PIP_FIND_LINKS" in environ:
        environ.setdefault("UV_FIND_LINKS", environ["PIP_FIND_LINKS"])
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=workspace, env=environ, **streams)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.01)


def test_resume__killed_while_measuring__goes_on_and_others_are_busy(
    dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path, dnnbox_home: Path
) -> None:
    checkpoint, experiment = zoo.copy("onnx", tmp_path), workspace / "e"
    running = start(checkpoint, workspace, dnnbox_home)
    wait_for(experiment / "outputs" / "jobs" / "02-cold" / "outcome.json")
    running.send_signal(signal.SIGSTOP)  # it would get to its end while the others start on a busy machine
    for arguments in (["run", "--resume", "e"], ["run", checkpoint, "--yes", "--out", "e"]):
        begin = time.monotonic()
        busy = dnnbox(*arguments, "--json")
        assert (busy.code, busy.json["error"]["name"]) == (51, "BUSY")
        assert time.monotonic() - begin < 5  # less than 1 s on a quiet machine
    running.send_signal(signal.SIGKILL)
    running.wait()
    finished = killing.jobs(experiment)
    assert len(finished) >= 2

    original = checkpoint.read_bytes()
    checkpoint.write_bytes(original + b"\0")
    changed = dnnbox("run", "--resume", "e", "--json")
    assert changed.code in (11, 23)  # the bytes are no ONNX file any more, or other ones
    checkpoint.write_bytes(original)
    other = dnnbox("run", checkpoint, "--box", "venv", "--yes", "--resume", "e", "--json")
    assert (other.code, other.json["error"]["name"]) == (2, "USAGE"), other.stderr  # without --quick it is another run

    done = dnnbox("run", "--resume", "e", "--json")
    assert done.code == 0, done.stderr
    assert done.json["status"] == "success"
    assert {name: killing.jobs(experiment)[name] for name in finished} == finished
    index = json.loads((experiment / "experiment.json").read_text())
    assert [stage["name"] for stage in index["stages"]].count("infer") == 1
    assert len(json.loads((experiment / "outputs" / "decisions.json").read_text())["decisions"]) == 2
    assert killing.leftovers(experiment) == []
    assert str(tmp_path) not in "".join(path.read_text("utf-8", "replace") for path in experiment.rglob("*.json"))

    before = (experiment / "experiment.json").read_bytes()
    again = dnnbox("run", "--resume", "e", "--json")
    assert (again.code, again.json["status"]) == (0, "success")
    assert (experiment / "experiment.json").read_bytes() == before


@pytest.mark.long
@pytest.mark.parametrize("box", ["venv", "docker"])
def test_run__killed_at_random_points__loses_nothing(
    box: str, dnnbox_home: Path, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue("docker_engine") if box == "docker" else ""
    tally = killing.campaign(box, 8, 5, dnnbox_home, image)
    assert tally.clean, tally
    assert tally.resumed == tally.experiments
