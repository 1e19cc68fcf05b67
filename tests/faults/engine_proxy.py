"""A socket in front of the engine's own that spoils one call: it cuts the connection, answers 500, or never answers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Literal

Fault = Literal["cut", "500", "stall"]
_BODY = b'{"message": "broken"}'
_ANSWER = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


class EngineProxy:
    """Relays one request per connection. ``calls`` lists what was asked; number ``spoil`` of them gets ``fault``."""

    def __init__(self, engine: str = "/var/run/docker.sock", fault: Fault = "cut", spoil: int = -1) -> None:
        self._engine, self._fault, self._spoil = engine, fault, spoil
        self.calls: list[str] = []
        self._folder = tempfile.mkdtemp(prefix="dnnbox-proxy-")
        self.path = os.path.join(self._folder, "s")  # noqa: PTH118
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen(64)
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(here)
                if self._closed:
                    here.close()
                    return
            threading.Thread(target=self._serve, args=(here,), daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head, body = _request(here)
            if not head:
                here.close()
                return
            with self._lock:
                number = len(self.calls)
                self.calls.append(head.split(b"\r\n", 1)[0].decode())
            if number == self._spoil:
                if self._fault == "stall":
                    return  # neither an answer nor an end
                if self._fault == "500":
                    here.sendall(_ANSWER)
                here.close()
                return
            self._relay(here, head, body)

    def _relay(self, here: socket.socket, head: bytes, body: bytes) -> None:
        """Pass the request on and copy the answer until the engine closes: one request, one connection."""
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self._engine)
            self._open.append(there)
            head = re.sub(rb"(?im)^connection:[^\r\n]*", b"Connection: close", head)
            there.sendall(head + body)
            while data := there.recv(65536):
                here.sendall(data)
        here.close()

    def close(self) -> None:
        """Stop listening and end every connection."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            self._closed = True
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        shutil.rmtree(Path(self._folder), ignore_errors=True)


def _request(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b"", b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    size = int(found[1]) if found else 0
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n", body
