"""Podman where nobody serves its API: this process does, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dnnbox.boxes import engines, podman_service
from dnnbox.errors import EngineUnavailable

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


def test_service__the_process_ends__so_does_it() -> None:
    code = "from dnnbox.boxes import engines; print(engines.base_url('podman'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    socket = Path(done.stdout.strip().removeprefix("unix://"))
    assert not socket.parent.exists()
    assert str(socket) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
