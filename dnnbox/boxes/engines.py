"""Which container engines answer here: found by their sockets, asked with the smallest request there is.

Only the standard library: this runs on every start, and the SDK's import alone would take longer.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dnnbox.errors import EngineUnavailable, Usage

Engine = Literal["docker", "podman"]
ENGINES: tuple[Engine, ...] = ("docker", "podman")
OWN_SOCKETS: dict[str, Path] = {}
"""Services that this process has started for itself."""

_PING_S = 1.0
_ANSWER_S = 10.0
"""How long an engine may take that was chosen already: on a busy machine a ping can take seconds."""

_JOIN = "join its group (`sudo usermod -aG {} $USER`, then log in again), or choose `--box venv`"
_START = {
    "docker": "start it with `systemctl start docker` (or `dockerd &` as root), or choose `--box venv`",
    "podman": "install podman (dnnbox starts its service itself), or choose `--box venv`",
}


def engine_answers(engine: str, timeout_s: float = _PING_S) -> bool:
    """Return whether the engine answers a ping in time. Nothing is started."""
    return _problem(engine, timeout_s) == ""


def engine_available(engine: str) -> bool:
    """Return whether the engine can be used, after starting a service for this process where that is all it lacks."""
    try:
        return bool(base_url(engine, _PING_S))
    except EngineUnavailable:
        return False


def base_url(engine: str, timeout_s: float = _ANSWER_S) -> str:
    """Return the URL of the engine's API. Podman needs no daemon: where nobody serves it, this process does.

    Raises:
        EngineUnavailable: it does not answer, or this user may not use it; the hint says how to start it.
    """
    problem = _problem(engine, timeout_s)
    if problem and engine == "podman" and not os.environ.get("CONTAINER_HOST"):
        from dnnbox.boxes import podman_service

        problem = podman_service.start() or _problem(engine, timeout_s)
    if problem:
        hint = _JOIN.format(engine) if "you may not use" in problem else _START[engine]
        raise EngineUnavailable(f"{engine}: {problem}", hint=hint)
    return _remote(engine) or f"unix://{next(_sockets(engine))}"


def _problem(engine: str, timeout_s: float) -> str:
    """Return why the engine cannot be used, "" when it can."""
    if engine not in ENGINES:
        raise Usage(f"unknown container engine `{engine}`", hint=f"known: {', '.join(ENGINES)}")
    if _remote(engine):
        return ""  # tcp:// or ssh:// from the user's own configuration: the SDK finds out
    path = next(_sockets(engine), None)
    return "its socket is not there; the engine is not running" if path is None else ping(path, timeout_s)


def _remote(engine: str) -> str:
    host = os.environ.get({"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}[engine], "")
    return "" if host.startswith("unix://") else host


def _sockets(engine: str) -> Iterator[Path]:
    """Yield the sockets that exist: what the user configured, else rootless before rootful."""
    host = os.environ.get({"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}[engine], "")
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    places = {
        "docker": [runtime / "docker.sock", Path("/var/run/docker.sock"), Path.home() / ".docker/run/docker.sock"],
        "podman": [runtime / "podman/podman.sock", Path("/run/podman/podman.sock")],
    }[engine]
    if engine == "docker" and os.access("/var/run/docker.sock", os.W_OK):
        places.insert(0, Path("/var/run/docker.sock"))  # the usual one, where this user may use it
    if (own := OWN_SOCKETS.get(engine)) is not None:
        places.insert(0, own)
    if host.startswith("unix://"):
        places = [Path(host.removeprefix("unix://"))]
    for place in places:
        try:
            found = place.is_socket()
        except PermissionError:
            continue
        if found:
            yield place


def ping(path: Path, timeout_s: float = _PING_S) -> str:
    """Return why the engine behind a socket cannot be used, "" when it can."""
    try:
        answer = _get(path, "/_ping", timeout_s)
    except PermissionError:
        return f"you may not use {path}; your user is not in the engine's group"
    except TimeoutError:
        return f"it does not answer within {timeout_s:g} s"
    except (OSError, ValueError) as error:
        return f"{path} does not answer ({getattr(error, 'strerror', None) or error}); the engine is not running"
    return "" if answer.status == 200 and answer.body.startswith(b"OK") else "it does not answer well"


def api_version(url: str) -> str:
    """Return the version of its API that an engine on this machine names when it is pinged, "" where it does not.

    The API's own place for that is slow: for an answer there Docker starts three programs.
    """
    if not url.startswith("unix://"):
        return ""
    try:
        return _get(Path(url.removeprefix("unix://")), "/_ping", _PING_S).header(b"api-version")
    except (OSError, ValueError):
        return ""


def get_json(path: Path, place: str) -> Any:
    """Return what the engine behind a socket says about a place of its API, None where there is nothing.

    Raises:
        EngineUnavailable: it does not answer.
    """
    return ask(path, place).json()


def ask(path: Path, place: str) -> Asked:
    """Ask the engine behind a socket about a place of its API, without waiting for the answer.

    Raises:
        EngineUnavailable: it does not listen.
    """
    try:
        return Asked(path, place)
    except OSError as error:
        raise EngineUnavailable("the container engine does not answer") from error


@dataclass(frozen=True)
class Answer:
    """What an engine answered; ``status`` is 0 where that was not HTTP."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" where there is none; ``name`` is in small letters."""
        lines = (line.partition(b":") for line in self.head.split(b"\r\n"))
        return next((value.strip().decode("ascii", "replace") for key, _, value in lines if key.lower() == name), "")


class Asked:
    """A question that the engine works on while nobody waits for it yet.

    In HTTP/1.0, so that the end of the connection is the end of the answer.
    """

    def __init__(self, path: Path, place: str) -> None:
        """Send the question.

        Raises:
            OSError: nobody listens.
        """
        self._connection: socket.socket | None = None
        if not re.fullmatch(r"[!-~]+", place):
            return  # no image has such a name, and no second line gets into the request
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connection.settimeout(_PING_S)
            self._connection.connect(str(path))
            self._connection.sendall(f"GET {place} HTTP/1.0\r\nHost: dnnbox\r\n\r\n".encode("ascii"))
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the question up."""
        if self._connection is not None:
            self._connection.close()

    def answer(self, timeout_s: float) -> Answer:
        """Wait for the answer; it can be had once.

        Raises:
            OSError, ValueError: there is none, or it is no HTTP.
        """
        if self._connection is None:
            return Answer(404, b"", b"")
        deadline, answer = time.monotonic() + timeout_s, bytearray()
        with self._connection as connection:
            connection.settimeout(timeout_s)
            while chunk := connection.recv(65536):
                answer += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        return Answer(int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1") else 0, head, body)

    def json(self, timeout_s: float = _ANSWER_S) -> Any:
        """Wait for the answer; returns None where there is nothing.

        Raises:
            EngineUnavailable: there is no answer, or it is not JSON.
        """
        try:
            answer = self.answer(timeout_s)
            return json.loads(answer.body) if answer.status == 200 else None
        except (OSError, ValueError) as error:
            raise EngineUnavailable("the container engine does not answer") from error


def _get(path: Path, place: str, timeout_s: float) -> Answer:
    return Asked(path, place).answer(timeout_s)
