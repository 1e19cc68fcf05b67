"""Waiting for a container: Podman is told how often to look, any other engine is asked as ever."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient
from docker.models.containers import Container

from dnnbox.boxes.engine import _Waiter
from tests.listening import listening

Ask = Callable[..., tuple[list[str], BaseException | None]]
ENDED = b'{"StatusCode":0}'


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Wait for a container of an engine that answers each place as given, others by 404; returns what it was asked."""
    with contextlib.ExitStack() as stack:

        def start(kind: str, answers: dict[str, bytes]) -> tuple[list[str], BaseException | None]:
            asked: list[str] = []

            def serve(connection: socket.socket) -> None:
                asked.append(connection.recv(65536).split(b" ")[1].decode())
                body = answers.get(asked[-1].partition("?")[0])
                status = "404 Not Found" if body is None else "200 OK"
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body or b'')}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + (body or b""))

            place = stack.enter_context(listening(serve))
            client = DockerClient(base_url=f"unix://{place}", version="1.41")
            stack.callback(client.close)
            waiter = _Waiter(Container({"Id": "c1"}, client), kind)
            waiter.start()
            waiter.join(10)
            assert not waiter.is_alive()
            return asked, waiter.failure

        yield start


def test_wait__podman__is_told_how_often_to_look(ask: Ask) -> None:
    asked, failure = ask("podman", {"/v4.0.0/libpod/containers/c1/wait": b"0\n"})

    assert asked == ["/v4.0.0/libpod/containers/c1/wait?condition=stopped&condition=exited&interval=250ms"]
    assert failure is None


def test_wait__engine_that_does_not_know_podmans_question__is_asked_as_docker(ask: Ask) -> None:
    asked, failure = ask("podman", {"/v1.41/containers/c1/wait": ENDED})

    assert [place.partition("?")[0] for place in asked][-1] == "/v1.41/containers/c1/wait"
    assert failure is None


def test_wait__docker__blocks_by_itself(ask: Ask) -> None:
    assert ask("docker", {"/v1.41/containers/c1/wait": ENDED}) == (["/v1.41/containers/c1/wait"], None)


def test_wait__connection_that_breaks__is_a_failure_and_no_end(ask: Ask) -> None:
    _, failure = ask("podman", {})

    assert failure is not None
