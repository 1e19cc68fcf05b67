"""Podman where nobody serves its API: this process does, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dnnbox import boxes
from dnnbox.boxes import engines, owner, podman_service
from dnnbox.boxes.container import open_container
from dnnbox.boxes.engine import Session
from dnnbox.errors import EngineUnavailable
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("podman_engine")]


@pytest.fixture(autouse=True)
def nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    podman_service.end()
    if engines.engine_answers("podman"):
        pytest.skip("a podman service of the user's own answers here")


def test_base_url__no_socket__a_service_of_our_own_answers_until_the_end() -> None:
    try:
        url = engines.base_url("podman")
        socket = Path(url.removeprefix("unix://"))

        assert engines.engine_answers("podman")
        assert engines.base_url("podman") == url, "one service, however often it is asked for"
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    finally:
        podman_service.end()
    assert not socket.parent.exists()
    assert not engines.engine_answers("podman")


def test_base_url__the_user_named_a_socket__nothing_else_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path / 'none.sock'}")

    with pytest.raises(EngineUnavailable, match="socket is not there"):
        engines.base_url("podman")
    assert engines.OWN_SOCKETS == {}


@pytest.mark.long
def test_run__service_dies_during_the_job__another_takes_over_and_the_job_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        service, _ = podman_service._running[0]
        service._process.kill()

    try:
        with open_container("podman", boxes.DEFAULT_IMAGE, "/usr/bin/python3", [], LIMITS, harness_dir=PROBE) as box:
            first = engines.OWN_SOCKETS["podman"]
            threading.Timer(3.0, die).start()
            outcome = ask(box, tmp_path / "job", "import time; time.sleep(8); facts['done'] = True")
            second = engines.OWN_SOCKETS["podman"]
            again = ask(box, tmp_path / "again", "facts['done'] = True")
        with Session("podman") as session:
            ours = {"label": f"{owner.LABEL}.pid={os.getpid()}"}
            left = session.client.containers.list(all=True, filters=ours)
    finally:
        podman_service.end()
    assert first != second
    assert (facts(outcome), outcome.exit_code) == ({"done": True}, 0)
    assert facts(again) == {"done": True}
    assert left == []


@pytest.mark.long
def test_run__model_that_takes_its_time__service_leaves_the_processor_to_it(tmp_path: Path) -> None:
    try:
        with open_container("podman", boxes.DEFAULT_IMAGE, "/usr/bin/python3", [], LIMITS, harness_dir=PROBE) as box:
            service, _ = podman_service._running[0]
            before = processor_s(service._process.pid)
            outcome = ask(box, tmp_path / "job", "import time; time.sleep(6)")
            taken = processor_s(service._process.pid) - before
    finally:
        podman_service.end()

    assert taken < 0.25 * outcome.wall_s


def processor_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_service__the_process_ends__so_does_it() -> None:
    code = "from dnnbox.boxes import engines; print(engines.base_url('podman'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    socket = Path(done.stdout.strip().removeprefix("unix://"))
    assert not socket.parent.exists()
    assert str(socket) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
