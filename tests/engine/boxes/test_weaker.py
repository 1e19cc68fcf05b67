"""An engine that cannot limit something: a real Docker whose account of itself is changed on the way.

No engine at hand really lacks a limit; rootless ones without delegated control groups do.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.faults.engine_proxy import EngineProxy
from tests.zoo import Zoo

pytestmark = [pytest.mark.engine, pytest.mark.zoo, pytest.mark.usefixtures("docker_engine")]


class Weak(EngineProxy):
    """Says that the engine cannot limit the number of processes."""

    def _relay(self, here: socket.socket, head: bytes, body: bytes) -> None:
        if b"/info " not in head.split(b"\r\n", 1)[0]:
            return super()._relay(here, head, body)
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self._engine)
            there.sendall(re.sub(rb"(?im)^connection:[^\r\n]*", b"Connection: close", head) + body)
            answer = b"".join(iter(lambda: there.recv(65536), b""))
        assert answer.count(b'"PidsLimit":true') == 1
        here.sendall(answer.replace(b'"PidsLimit":true', b'"PidsLimit":null'))  # as long as before
        here.close()
        return None


@pytest.fixture
def weak(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    proxy = Weak()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{proxy.path}")
    yield
    proxy.close()


@pytest.fixture
def dnnbox(dnnbox: Cli, weak: None) -> Cli:
    address = os.environ["DOCKER_HOST"]
    return lambda *arguments, **more: dnnbox(*arguments, env={"DOCKER_HOST": address}, **more)


def test_run__limit_that_the_engine_cannot_enforce__is_31_before_anything_is_made(
    dnnbox: Cli, zoo: Zoo, workspace: Path
) -> None:
    done = dnnbox("run", zoo.path("onnx"), "--box", "docker", "--yes", "--quick", "--json")

    assert done.code == 31, done.stderr[-2000:]
    assert "docker cannot limit pids" in done.json["error"]["message"]
    assert "--allow-weaker" in done.json["error"]["hint"]
    plan = dnnbox("plan", zoo.path("onnx"), "--box", "docker", "--json").json
    assert [(c["name"], c["status"]) for c in plan["fit"] if c["status"] != "ok"] == [("engine limits", "failed")]


@pytest.mark.long
def test_run__weaker_limits_accepted__run_and_said_in_record_and_reports(
    dnnbox: Cli, zoo: Zoo, workspace: Path
) -> None:
    options = ("--box", "docker", "--yes", "--quick", "--json", "--threads", "1", "--allow-weaker")

    done = dnnbox("run", zoo.path("onnx"), *options)

    assert done.code == 0, done.stderr[-2000:]
    experiment = workspace / done.json["experiment"]
    environment = json.loads((experiment / "outputs" / "environment.json").read_text("utf-8"))
    assert environment["settings"]["weaker"] == ["the number of processes is not limited"]
    assert environment["settings"]["memory_bytes"] > 0
    for name in ("experiment", "stakeholder"):
        for kind in ("md", "html"):
            text = (experiment / "reports" / f"{name}-report.{kind}").read_text("utf-8")
            assert "the number of processes is not limited" in text, (name, kind)
