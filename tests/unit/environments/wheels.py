"""Hand-made wheels, and an index on this machine that serves them: everything real but the packages."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
    script: bool = False,
) -> Path:
    """Write one wheel and return its path; the package holds ``VERSION`` and the given files."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    contents = {
        f"{module}/__init__.py": f"VERSION = {version!r}\n\n\ndef main():\n    print(VERSION)\n",
        **{f"{module}/{path}": text for path, text in (files or {}).items()},
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if script:
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {module}:main\n"
    record = "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{module}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in contents.items():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), text)
    return path


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Index:
    """A package index (PEP 691) over a folder of wheels. ``requests`` are the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.requests, self.url = folder, list[str](), ""
        self.damaged: set[str] = set()  # wheels that are served with a changed byte
        self.exchanged: dict[str, bytes] = {}  # wheels that are served with another content

    def answer(self, path: str) -> tuple[int, str, bytes]:
        self.requests.append(path)
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["simple"] and len(parts) == 2:
            wheels = [
                p for p in sorted(self.folder.glob("*.whl")) if p.name.split("-")[0].replace("_", "-") == parts[1]
            ]
            entries = [self._entry(p) for p in wheels]
            body = {"meta": {"api-version": "1.1"}, "name": parts[1], "files": entries}
            return (200 if entries else 404), "application/vnd.pypi.simple.v1+json", json.dumps(body).encode()
        file = self.folder / parts[-1].removesuffix(".metadata")
        data = file.read_bytes() if file.is_file() else b""
        if data and parts[-1].endswith(".metadata"):
            with zipfile.ZipFile(file) as archive:
                name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
                return 200, "text/plain", archive.read(name)
        data = self.exchanged.get(file.name, data)
        if file.name in self.damaged:
            data = data.replace(b"VERSION", b"VERSIOM")
        return (200 if data else 404), "application/octet-stream", data

    def _entry(self, path: Path) -> dict[str, object]:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {
            "filename": path.name,
            "url": f"{self.url}/files/{path.name}",
            "hashes": {"sha256": digest},
            "size": path.stat().st_size,
            "core-metadata": True,
        }


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """Serve a folder of wheels on the loopback interface while the block runs."""
    index = Index(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, kind, body = index.answer(self.path)
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                with suppress(BrokenPipeError):  # a client that has seen enough
                    self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
