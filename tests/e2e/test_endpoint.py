"""Served models: MLServer by JSON and gRPC, the KServe SDK by binary tensors, llama-cpp-python as OpenAI's API.

Each server is started here and ended by its id.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.e2e.test_frameworks import FRAMEWORKS, made

pytestmark = [pytest.mark.extended, pytest.mark.slow, pytest.mark.engine]

MLSERVER_MODEL = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Double(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        doubled = (NumpyCodec.decode_input(payload.inputs[0]) * 2).astype("float32")
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", doubled)])
"""
# The SDK listens on all interfaces and offers no way to say otherwise: its server's host is set here.
KSERVE_SERVER = """
import sys
import uvicorn
start = uvicorn.Config.__init__
uvicorn.Config.__init__ = lambda self, *given, **named: start(self, *given, **{**named, "host": "127.0.0.1"})
from kserve import InferOutput, InferResponse, Model, ModelServer

class Double(Model):
    ready = True

    def predict(self, payload, headers=None, response_headers=None):
        doubled = (payload.inputs[0].as_numpy() * 2).astype("float32")
        output = InferOutput("y", list(doubled.shape), "FP32")
        output.set_data_from_numpy(doubled, binary_data=True)
        return InferResponse(response_id="1", model_name=self.name, infer_outputs=[output])

    async def get_input_types(self):
        return [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]

    async def get_output_types(self):
        return [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}]

model = Double("double")
model.ready = True
ModelServer(http_port=int(sys.argv[1]), enable_grpc=False).start([model])
"""

LLAMA = next(each for each in FRAMEWORKS if each.name == "llama_cpp")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Return a function that runs a command with packages and waits for a port."""
    running: list[subprocess.Popen[bytes]] = []
    uv = Path(sys.executable).parent / "uv"
    environ = {**os.environ}
    if "PIP_FIND_LINKS" in environ:
        environ.setdefault("UV_FIND_LINKS", environ["PIP_FIND_LINKS"])

    def start(package: str, command: list[str], port: int) -> None:
        argv = [uv, "run", "-q", "--no-project", "--no-build", "--python", "3.11", "--with", package, *command]
        with (tmp_path / "server.log").open("wb") as log:
            running.append(
                subprocess.Popen(argv, cwd=tmp_path, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ)
            )
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and running[-1].poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.3)
        told = (tmp_path / "server.log").read_text()[-1500:]
        if "no usable wheels" in told:
            pytest.skip(f"{package} has no wheel on PyPI; a folder with one in UV_FIND_LINKS runs this test")
        pytest.fail(f"no server on port {port}: {told}")

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=60)


def check(done: Any, workspace: Path, protocol: str) -> None:
    assert done.code == 0, done.stderr[-2000:]
    outputs = workspace / done.json["experiment"] / "outputs"
    params = json.loads((outputs / "params.json").read_text(encoding="utf-8"))
    assert params["effective"]["protocol"] == protocol
    stats = json.loads((outputs / "stats.json").read_text(encoding="utf-8"))
    assert stats["warm"]["latency_ms"]["n"] >= 30
    contract = json.loads((outputs / "io_contract.json").read_text(encoding="utf-8"))
    assert [(field["name"], field["dtype"]) for field in contract["outputs"]] == [("y", "float32")]
    for name in ("request.json", "response.json"):
        assert json.loads((outputs / "artifacts" / name).read_text(encoding="utf-8"))


@pytest.mark.timeout(400)
def test_endpoint__mlserver__json_and_grpc_are_measured(
    dnnbox: Cli, serve: Callable[..., None], workspace: Path, tmp_path: Path
) -> None:
    http, grpc, metrics = free_port(), free_port(), free_port()
    (tmp_path / "model.py").write_text(MLSERVER_MODEL)
    tensors = [{"name": name, "datatype": "FP32", "shape": [-1, 3]} for name in ("x", "y")]
    known = {"name": "double", "implementation": "model.Double", "inputs": tensors[:1], "outputs": tensors[1:]}
    (tmp_path / "model-settings.json").write_text(json.dumps(known))
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    (tmp_path / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    serve("mlserver==1.7.1", ["mlserver", "start", str(tmp_path)], http)

    options = ("--yes", "--quick", "--json")
    check(dnnbox("run", "--endpoint", f"http://127.0.0.1:{http}", *options), workspace, "oip-http-json")
    check(dnnbox("run", "--endpoint", f"grpc://127.0.0.1:{grpc}#double", *options), workspace, "oip-grpc")


@pytest.mark.timeout(400)
def test_endpoint__kserve__binary_tensors_are_measured(
    dnnbox: Cli, serve: Callable[..., None], workspace: Path, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "server.py").write_text(KSERVE_SERVER)
    serve("kserve==0.21.0", ["python", "server.py", str(port)], port)

    address = f"http://127.0.0.1:{port}?tensors=binary#double"
    check(dnnbox("run", "--endpoint", address, "--yes", "--quick", "--json"), workspace, "oip-http-binary")


@pytest.mark.timeout(400)
def test_endpoint__llama_cpp_server__completions_and_chat_are_measured(
    dnnbox: Cli, serve: Callable[..., None], workspace: Path, tmp_path: Path, dnnbox_home: Path
) -> None:
    port = free_port()
    checkpoint = made(LLAMA, tmp_path, dnnbox_home)
    command = ["python", "-m", "llama_cpp.server", "--model", str(checkpoint), "--port", str(port), "--n_ctx", "256"]
    serve("llama-cpp-python[server]", [*command, "--chat_format", "chatml", "--model_alias", "fox"], port)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("the fox and the dog\n")

    for query, route in (("", "completions"), ("?route=chat", "chat")):
        options = ("--input", prompts, "--yes", "--quick", "--json")
        done = dnnbox("run", "--endpoint", f"http://127.0.0.1:{port}/v1{query}", *options)
        assert done.code == 0, done.stderr[-2000:]
        outputs = workspace / done.json["experiment"] / "outputs"
        effective = json.loads((outputs / "params.json").read_text(encoding="utf-8"))["effective"]
        assert (effective["protocol"], effective["model"]) == ("openai", "fox")
        assert effective["server"]["route"] == route
        stats = json.loads((outputs / "stats.json").read_text(encoding="utf-8"))
        assert stats["warm"]["latency_ms"]["n"] >= 30
        request = json.loads((outputs / "artifacts" / "request.json").read_text(encoding="utf-8"))
        assert "the fox and the dog" in json.dumps(request)
        response = json.loads((outputs / "artifacts" / "response.json").read_text(encoding="utf-8"))
        assert response["usage"]["completion_tokens"] > 0


def test_endpoint__nobody_there__is_a_network_error_and_leaves_nothing(dnnbox: Cli, workspace: Path) -> None:
    done = dnnbox("run", "--endpoint", f"http://127.0.0.1:{free_port()}", "--yes")
    assert done.code == 22
    assert "nobody answers" in done.stderr
    assert list(workspace.iterdir()) == []
