"""Podman's API served by this process: started when it is needed and nobody else serves it, ended with the process.

Podman runs its containers without a daemon; the service only speaks the API. It ends by itself when nobody has been
connected for a while, so that a dnnbox that was killed leaves none behind; the containers are found by their labels.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from pathlib import Path

from dnnbox.boxes.engines import OWN_SOCKETS, ping
from dnnbox.process import Service

_IDLE_S = 120
_READY_S = 15.0


def start() -> str:
    """Start the service unless it runs; return why there is none, "" where there is one.

    Which OCI runtime, storage and networks podman uses is in the user's own configuration.
    """
    program = shutil.which("podman")
    if program is None:
        return "it is not installed"
    end()
    try:
        # A socket's path may have 108 bytes: not below the user's own, perhaps long, TMPDIR.
        folder = Path(tempfile.mkdtemp(prefix="dnnbox-podman-", dir="/tmp"))
    except OSError as error:
        return f"there is no place for its socket in /tmp: {error.strerror}"
    address = folder / "podman.sock"
    try:
        # Its monitors (conmon 2.1) leave files where the service was started.
        service = Service([program, "system", "service", f"--time={_IDLE_S}", f"unix://{address}"], folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return f"its service could not be started: {error.strerror}"
    _running.append((service, folder))
    OWN_SOCKETS["podman"] = address
    return _wait(service, address)


_running: list[tuple[Service, Path]] = []


def _wait(service: Service, address: Path) -> str:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and service.runs:
        if address.exists() and not (problem := ping(address)):
            return problem
        time.sleep(0.05)
    end()
    return "its service was started and does not answer; `podman info` says why"


@atexit.register
def end() -> None:
    """End the service that this process has started, if there is one."""
    OWN_SOCKETS.pop("podman", None)
    while _running:
        service, folder = _running.pop()
        service.end()
        shutil.rmtree(folder, ignore_errors=True)
