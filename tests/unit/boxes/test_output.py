"""What a container wrote, as an engine's answer carries it: whole, in pieces, cut short, refused."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import NotFound
from requests.exceptions import RequestException

from dnnbox.boxes.output import frames, read_output
from tests.listening import listening

Serve = Callable[[bytes], DockerClient]


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def joined(source: bytes, most: int = 1 << 20) -> list[tuple[int, bytes]]:
    file = io.BytesIO(source)
    return list(frames(lambda size: file.read(min(size, most))))


def test_frames__two_streams__come_in_their_order() -> None:
    source = frame(1, b"out") + frame(2, b"") + frame(2, b"err") + frame(1, b"more")

    assert joined(source) == [(1, b"out"), (2, b"err"), (1, b"more")]


def test_frames__source_that_gives_one_byte_at_a_time__is_the_same_text() -> None:
    found = joined(frame(1, b"out") + frame(2, b"err"), most=1)

    assert b"".join(data for stream, data in found if stream == 1) == b"out"
    assert b"".join(data for stream, data in found if stream == 2) == b"err"


def test_frames__length_that_lies__is_what_there_is_and_no_more_memory() -> None:
    asked: list[int] = []
    file = io.BytesIO(b"\x01\x00\x00\x00\xff\xff\xff\xff" + b"x" * 10)

    def read(size: int) -> bytes:
        asked.append(size)
        return file.read(size)

    assert list(frames(read)) == [(1, b"x" * 10)]
    assert max(asked) <= 1 << 16


@pytest.mark.parametrize("cut", range(1, 8))
def test_frames__head_cut_short__ends(cut: int) -> None:
    assert joined(frame(1, b"out") + frame(2, b"err")[:cut]) == [(1, b"out")]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer every request with the given bytes, then close."""
    with contextlib.ExitStack() as stack:

        def start(answer: bytes) -> DockerClient:
            def once(connection: socket.socket) -> None:
                connection.recv(65536)
                connection.sendall(answer)

            place = stack.enter_context(listening(once))
            client = DockerClient(base_url=f"unix://{place}", version="1.41")
            stack.callback(client.close)
            return client

        yield start


def answer(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def test_read_output__both_streams__are_in_their_files_up_to_the_limit(serve: Serve, tmp_path: Path) -> None:
    client = serve(answer(frame(1, b"0123456789") + frame(2, b"err") + frame(7, b"neither")))
    files = (tmp_path / "stdout.txt", tmp_path / "stderr.txt")

    assert read_output(client, "name", files, 4, timeout_s=5) == ("0123456789", "err")
    assert files[0].read_bytes().startswith(b"0123\n[dnnbox: the rest")
    assert files[1].read_bytes() == b"err"


def test_read_output__container_that_is_gone__is_the_engines_own_error(serve: Serve) -> None:
    client = serve(answer(b'{"message": "no such container"}', "404 Not Found"))

    with pytest.raises(NotFound, match="no such container"):
        read_output(client, "name", (None, None), 4, timeout_s=5)


def test_read_output__connection_that_breaks_in_the_middle__is_an_error_of_the_connection(serve: Serve) -> None:
    client = serve(answer(frame(1, b"0123456789"), length=1000))

    with pytest.raises(RequestException, match="cut short"):
        read_output(client, "name", (None, None), 4, timeout_s=5)


def test_read_output__chunk_that_breaks_in_the_middle__is_an_error_of_the_connection(serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = serve(head + b"40\r\n" + frame(1, b"0123456789"))

    with pytest.raises(RequestException, match="cut short"):
        read_output(client, "name", (None, None), 4, timeout_s=5)
