"""The client of served models, against stand-ins on the loopback that speak as the protocols say."""

from __future__ import annotations

import json
import struct
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness import wire
from dnnbox.harness.arrays import load
from dnnbox.harness.protocol import MeasurePlan, RunRequest
from dnnbox.harness.runtimes.endpoint import sanitised
from tests.unit.harness import box

METADATA = {
    "name": "double",
    "platform": "stand-in",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
}
COMPLETION = {
    "choices": [{"text": " and so on"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    "api_key": "s3cret",
}


class StandIn(BaseHTTPRequestHandler):
    """Doubles every number, as JSON or as bytes, and completes every prompt in the same way."""

    protocol_version = "HTTP/1.1"
    routes: frozenset[str] = frozenset()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        documents = {
            "/v2": {"name": "stand-in", "extensions": ["binary_tensor_data"] if "binary" in self.routes else []},
            "/v2/models/double": METADATA,
            "/v1/models": {"data": [{"id": "parrot"}]},
        }
        is_served = self.path.split("/")[1] in self.routes and self.path in documents
        self.answer(200 if is_served else 404, json.dumps(documents.get(self.path, {})).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/completions":
            assert json.loads(body)["temperature"] == 0
            self.answer(200, json.dumps(COMPLETION).encode())
        elif self.path == "/v2/repository/index":
            self.answer(200, json.dumps([{"name": "double"}]).encode())
        elif size := self.headers.get("Inference-Header-Content-Length"):
            (tensor,) = json.loads(body[: int(size)])["inputs"]
            data = struct.pack("<3f", *(2 * value for value in struct.unpack("<3f", body[int(size) :])))
            output = {"name": "y", "datatype": "FP32", "shape": tensor["shape"]}
            output["parameters"] = {"binary_data_size": len(data)}
            head = json.dumps({"outputs": [output]}).encode()
            self.answer(200, head + data, {"Inference-Header-Content-Length": str(len(head))})
        else:
            (tensor,) = json.loads(body)["inputs"]
            output = {**tensor, "name": "y", "data": [2 * value for value in tensor["data"]]}
            self.answer(200, json.dumps({"outputs": [output]}).encode())

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Any]:
    """Return a function: (what is served) → base address."""
    servers: list[ThreadingHTTPServer] = []

    def start(*routes: str) -> str:
        handler = type("Handler", (StandIn,), {"routes": frozenset(routes)})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(folder: Path, url: str, job: str = "infer") -> box.Ran:
    plan = MeasurePlan(min_iterations=5, min_seconds=0.05, max_seconds=2.0, ci_half_width=0.9, warmup_max_seconds=1.0)
    return box.run(sys.executable, folder / job, RunRequest(job, "endpoint", "", options={"url": url}, plan=plan))


@pytest.mark.parametrize(("routes", "protocol"), [(("v2",), "oip-http-json"), (("v2", "binary"), "oip-http-binary")])
def test_infer__open_inference__outputs_are_the_servers(
    tmp_path: Path, serve: Any, routes: tuple[str, ...], protocol: str
) -> None:
    ran = ask(tmp_path, serve(*routes))
    result = ran.answer
    assert result.error is None, result.error
    assert result.effective["protocol"] == protocol
    assert result.effective["model"] == "double"  # found in the repository's index
    sent, came = (load(str(ran.folder / record.path)).values() for record in result.arrays)
    assert list(came) == pytest.approx([2 * value for value in sent])
    assert [entry["title"] for entry in result.artifacts] == ["request.json", "response.json"]


def test_infer__open_ai__text_and_usage_without_secrets(tmp_path: Path, serve: Any) -> None:
    ran = ask(tmp_path, serve("v1") + "/v1")
    assert ran.answer.error is None, ran.answer.error
    (entry,) = ran.answer.decoded
    assert (entry["kind"], entry["text"], entry["completion_tokens"]) == ("completion", " and so on", 3)
    kept = (ran.folder / "artifacts" / "response.json").read_text()
    assert "and so on" in kept
    assert "s3cret" not in kept


def test_measure__endpoint__every_request_is_a_sample(tmp_path: Path, serve: Any) -> None:
    samples = ask(tmp_path, serve("v2"), "measure").answer.samples
    assert samples is not None
    assert samples.columns == ["total", "model"]
    assert samples.n >= 5


def test_infer__server_of_another_kind__says_what_was_tried(tmp_path: Path, serve: Any) -> None:
    error = ask(tmp_path, serve()).answer.error
    assert error is not None
    assert error.kind == "unsupported"
    assert "GET /v2 (HTTP 404)" in error.detail
    assert "GET /v1/models (HTTP 404)" in error.detail


def test_wire__message__comes_back_and_a_cut_one_is_refused() -> None:
    data = wire.encode([(1, "name"), (3, wire.packed([-1, 3, 300])), (5, [(1, b"x"), (2, 7)])])
    found = wire.decode(data)
    assert found[1] == [b"name"]
    assert wire.integers(found[3]) == [-1, 3, 300]
    assert wire.decode(found[5][0]) == {1: [b"x"], 2: [7]}
    with pytest.raises(ValueError, match="cut short"):
        wire.decode(data[:-1])


def test_sanitised__long_payload__is_cut_and_says_so() -> None:
    shown = sanitised({"data": list(range(100)), "Authorization": "Bearer x", "max_tokens": 5, "text": "a" * 5000})
    assert shown["data"][-1] == "… 84 more"
    assert shown["Authorization"] == "…"
    assert shown["max_tokens"] == 5
    assert len(shown["text"]) == 2001
