"""An engine that fails at any one of its calls: the right error, the earlier results whole, no container left."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox import boxes
from dnnbox.boxes import owner
from dnnbox.boxes.container import open_container
from dnnbox.boxes.engine import Session
from dnnbox.boxes.failures import error_of
from dnnbox.errors import DnnboxError
from tests.engine.boxes.conftest import LIMITS, PROBE, ask
from tests.faults.engine_proxy import EngineProxy, Fault

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("docker_engine")]

MOST_CALLS = 24
STEP = 1 if os.environ.get("DNNBOX_FAULTS") == "all" else 5
"""`make fault-engine` spoils every call, CI every fifth."""
EXPECTED = {
    "cut": {"OK", "ENGINE_LOST", "ENGINE_UNAVAILABLE"},
    "500": {"OK", "ENGINE_UNAVAILABLE"},
    "stall": {"OK", "ENGINE_LOST", "ENGINE_UNAVAILABLE"},
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnnbox.boxes.engine._CALL_S", 3.0)
    monkeypatch.setattr("dnnbox.boxes.engine._RETURN_S", 2.0)


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[EngineProxy]:
    fault, number = getattr(request, "param", ("cut", -1))
    proxy = EngineProxy(fault=fault, spoil=number)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{proxy.path}")
    yield proxy
    proxy.close()


def run_one(job_dir: Path) -> str:
    """Run one small job; returns the name of its error."""
    try:
        with open_container("docker", boxes.DEFAULT_IMAGE, "/usr/bin/python3", [], LIMITS, harness_dir=PROBE) as box:
            error = error_of(ask(box, job_dir, "facts['x'] = 1", timeout_s=15), LIMITS, 15)
    except DnnboxError as raised:
        error = raised
    return error.name if error else "OK"


def own_containers() -> list[str]:
    ours = [f"{owner.LABEL}.pid={os.getpid()}", f"{owner.LABEL}.host={socket.gethostname()}"]
    with Session("docker") as session:
        return [str(c.name) for c in session.client.containers.list(all=True, filters={"label": ours})]


def test_calls__of_one_job__are_fewer_than_are_spoiled(proxied: EngineProxy, job_dir: Path) -> None:
    assert run_one(job_dir) == "OK"
    assert 8 < len(proxied.calls) <= MOST_CALLS, proxied.calls


@pytest.mark.parametrize("proxied", [("stall", 4), ("500", 4), ("cut", 4)], indirect=True, ids=str)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_sweep__engine_that_hangs_on_one_container__goes_on(
    proxied: EngineProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = {**owner.labels(), f"{owner.LABEL}.pid": "999999999"}
    with monkeypatch.context() as direct:
        direct.delenv("DOCKER_HOST")
        with Session("docker") as session:
            for _ in range(2):
                session.client.containers.create(boxes.DEFAULT_IMAGE, ["true"], labels=dead, network_mode="none")

    boxes.sweep("docker")

    assert proxied.calls[4].startswith("DELETE"), proxied.calls
    monkeypatch.delenv("DOCKER_HOST")
    boxes.sweep("docker")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "proxied",
    [(fault, number) for first, fault in enumerate(EXPECTED) for number in range(first, MOST_CALLS, STEP)],
    indirect=True,
    ids=str,
)
def test_run__one_call_spoiled__has_its_code_and_leaves_nothing(
    proxied: EngineProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    fault: Fault = request.node.callspec.params["proxied"][0]
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "result.json").write_bytes(b"{}")
    name = run_one(tmp_path / "job")
    monkeypatch.delenv("DOCKER_HOST")
    assert name in EXPECTED[fault], (name, proxied.calls)
    assert (earlier / "result.json").read_bytes() == b"{}"
    assert own_containers() == []
    if name == "OK":
        assert (tmp_path / "job" / "result.json").is_file()
