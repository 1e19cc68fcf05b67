"""A socket of this machine that a test answers on, as an engine would."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[Path]:
    """Yield the socket's place; ``serve`` is called with each connection in a thread of its own.

    The place is a short one: a socket's path may have a hundred bytes.
    """
    with tempfile.TemporaryDirectory(prefix="dnnbox-test-") as folder, socket.socket(socket.AF_UNIX) as server:
        place = Path(folder, "s")
        server.bind(str(place))
        server.listen()
        thread = threading.Thread(target=_accept, args=(server, serve), daemon=True)
        thread.start()
        try:
            yield place
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(server: socket.socket, serve: Callable[[socket.socket], object]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # shut down
            return
        threading.Thread(target=_served, args=(connection, serve), daemon=True).start()


def _served(connection: socket.socket, serve: Callable[[socket.socket], object]) -> None:
    with connection, contextlib.suppress(OSError):  # nobody waits for the answer any more
        serve(connection)
