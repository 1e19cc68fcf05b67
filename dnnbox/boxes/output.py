"""What a container wrote to its two streams, read in one request.

The SDK reads one stream at a time, and asks each time beforehand whether there are two.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dnnbox.process import LogSink

if TYPE_CHECKING:
    from docker import DockerClient

_HEAD_BYTES = 8
_CHUNK_BYTES = 64 << 10
_STREAMS = {1: 0, 2: 1}
"""Standard output and error, as the engine numbers them; 0 would be what a terminal was sent."""


def read_output(
    client: DockerClient, container: str, files: Sequence[Path | None], limit_bytes: int, *, timeout_s: float
) -> tuple[str, str]:
    """Return the ends of standard output and error; ``files`` get both from their beginning, up to the limit.

    Raises:
        APIError: the engine refuses.
        RequestException: the connection broke.
        HostFull, HostPermission: a file could not be written.
    """
    from docker.errors import create_api_error_from_http_exception
    from requests.exceptions import ConnectionError as Broken
    from requests.exceptions import HTTPError
    from urllib3.exceptions import HTTPError as Unread

    place = f"{client.api.base_url}/v{client.api.api_version}/containers/{container}/logs"
    wanted = {"stdout": "1", "stderr": "1", "follow": "0", "tail": "all"}
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(LogSink.open(path, limit_bytes)) for path in files]
        answer = stack.enter_context(client.api.get(place, params=wanted, stream=True, timeout=timeout_s))
        try:
            answer.raise_for_status()
        except HTTPError as error:
            create_api_error_from_http_exception(error)
        try:
            for number, data in frames(answer.raw.read):
                if number in _STREAMS:
                    sinks[_STREAMS[number]].write(data)
        except Unread as error:  # requests does not see what is read past it
            raise Broken("the output was cut short") from error
        return sinks[0].tail(), sinks[1].tail()


def frames(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield (stream, bytes) until the source ends; a long frame comes in pieces, of one cut short what there is.

    The format is of the Engine API 1.41, "attach to a container": a byte for the stream, three of nothing, four for
    the length, the bytes.
    """
    while len(head := _whole(read, _HEAD_BYTES)) == _HEAD_BYTES:
        left = int.from_bytes(head[4:], "big")
        while left > 0 and (data := read(min(left, _CHUNK_BYTES))):
            left -= len(data)
            yield head[0], data


def _whole(read: Callable[[int], bytes], size: int) -> bytes:
    data = b""
    while len(data) < size and (more := read(size - len(data))):
        data += more
    return data
