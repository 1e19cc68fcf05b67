"""Questions to an engine's socket: several at once, each answered when it is wanted, and what is no answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnnbox.boxes import engines
from dnnbox.errors import EngineUnavailable
from tests.listening import listening

PONG = b"HTTP/1.0 200 OK\r\n\r\nOK"
Listen = Callable[..., Path]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Answer each place as given, after a while; ``/slow`` only once another was asked for; any other not at all."""
    with contextlib.ExitStack() as stack:

        def start(answers: dict[str, bytes], after_s: float = 0.0) -> Path:
            other_asked = threading.Event()

            def serve(connection: socket.socket) -> None:
                asked = connection.recv(4096).split(b" ")
                if len(asked) < 2:
                    return
                if asked[1] == b"/slow":
                    other_asked.wait(10)
                else:
                    other_asked.set()
                time.sleep(after_s)
                connection.sendall(answers.get(asked[1].decode(), b""))

            return stack.enter_context(listening(serve))

        yield start


def test_ask__slow_answer__does_not_hold_up_another_question(listen: Listen) -> None:
    place = listen({"/slow": b"HTTP/1.0 200 OK\r\n\r\n[1]", "/quick": b"HTTP/1.0 200 OK\r\n\r\n[2]"})

    slow = engines.ask(place, "/slow")

    assert engines.get_json(place, "/quick") == [2]
    assert slow.json(5) == [1]


def test_ask__answer_that_nobody_wants__is_given_up_quietly(listen: Listen) -> None:
    place = listen({})
    engines.ask(place, "/slow").close()


def test_base_url__engine_on_a_busy_machine__is_waited_for_once_it_was_chosen(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"unix://{listen({'/_ping': PONG}, after_s=0.3)}"
    monkeypatch.setenv("DOCKER_HOST", url)

    assert not engines.engine_answers("docker", 0.05)
    assert engines.base_url("docker") == url


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.0 200 OK\r\nOstype: linux\r\nApi-Version: 1.41\r\n\r\nOK", "1.41"),
        (b"HTTP/1.0 200 OK\r\nAPI-Version:1.44\r\n\r\nOK", "1.44"),
        (b"HTTP/1.0 200 OK\r\nLibpod-Api-Version: 4.3.1\r\n\r\nOK\r\nApi-Version: 9", ""),
        (b"nonsense", ""),
        (b"", ""),
    ],
)
def test_api_version__answer_to_a_ping__is_its_header_or_nothing(listen: Listen, answer: bytes, expected: str) -> None:
    assert engines.api_version(f"unix://{listen({'/_ping': answer})}") == expected


def test_api_version__engine_elsewhere_or_nowhere__is_asked_by_the_sdk(tmp_path: Path) -> None:
    assert engines.api_version("tcp://127.0.0.1:1") == ""
    assert engines.api_version(f"unix://{tmp_path / 'none'}") == ""


def test_get_json__nobody_listens__is_engine_unavailable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="does not answer"):
        engines.get_json(tmp_path / "none", "/info")


@pytest.mark.parametrize("place", ["/images/a b/json", "/images/a\r\nX: y/json", "/images/ä/json", ""])
def test_get_json__name_that_no_image_has__is_not_sent(listen: Listen, place: str) -> None:
    assert engines.get_json(listen({place: b"HTTP/1.0 200 OK\r\n\r\n[1]"}), place) is None


def test_answer__that_trickles_for_ever__ends_at_its_time() -> None:
    def trickle(connection: socket.socket) -> None:
        while True:  # until nobody listens
            connection.sendall(b"x")
            time.sleep(0.02)

    with listening(trickle) as place, pytest.raises(EngineUnavailable):
        engines.ask(place, "/info").json(0.2)
