"""A TensorFlow Lite file, made with LiteRT's own schema, runs in its box and gives what arithmetic says."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from dnnbox.harness.arrays import read_npy, write_npy
from tests.conftest import Cli

pytestmark = [pytest.mark.engine, pytest.mark.slow]

# y = x · Wᵀ, with x [batch, 3] and W [2, 3].
MAKER = """
import struct, sys
import flatbuffers
from ai_edge_litert import schema_py_generated as schema

def tensor(name, shape, buffer, free=None):
    made = schema.TensorT()
    made.name, made.shape, made.buffer, made.type, made.shapeSignature = name, shape, buffer, 0, free
    return made

code = schema.OperatorCodeT()
code.deprecatedBuiltinCode = code.builtinCode = schema.BuiltinOperator.FULLY_CONNECTED
product = schema.OperatorT()
product.opcodeIndex, product.inputs, product.outputs = 0, [0, 1, -1], [2]
product.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
product.builtinOptions = schema.FullyConnectedOptionsT()
graph = schema.SubGraphT()
graph.tensors = [tensor(b"x", [1, 3], 0, [-1, 3]), tensor(b"W", [2, 3], 1), tensor(b"y", [1, 2], 0, [-1, 2])]
graph.inputs, graph.outputs, graph.operators = [0], [2], [product]
weights = schema.BufferT()
weights.data = list(struct.pack("<6f", 1, 3, 5, 2, 4, 6))
model = schema.ModelT()
model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
model.buffers = [schema.BufferT(), weights]
builder = flatbuffers.Builder(1024)
builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
open(sys.argv[1], "wb").write(builder.Output())
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Make the file with the packages that a box would get."""
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "run", "-q", "--no-project", "--with", "ai-edge-litert==2.3.0", "--with", "flatbuffers", "python"]
    path = tmp_path / "net.tflite"
    done = subprocess.run([*command, "-c", MAKER, path], cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    return path


def test_run__tflite__measured_and_right(
    dnnbox: Cli, workspace: Path, tmp_path: Path, model: Path, bubblewrap: Path
) -> None:
    write_npy(tmp_path / "x.npy", "float32", (2, 3), struct.pack("<6f", 1, 0, 0, 0, 1, 1))

    options = ("--box", "venv", "--threads", "1", "--batch", "2", "--yes", "--quick", "--json")
    done = dnnbox("run", model, "--input", f"x=@{tmp_path / 'x.npy'}", *options)

    assert done.code == 0, done.stderr[-2000:]
    outputs = workspace / done.json["experiment"] / "outputs"
    contract = json.loads((outputs / "io_contract.json").read_text(encoding="utf-8"))
    assert [(field["name"], field["dtype"]) for field in contract["outputs"]] == [("y", "float32")]
    arrays = [read_npy(path) for path in outputs.rglob("*.npy")]
    assert [1.0, 2.0, 8.0, 10.0] in [list(data.cast("B").cast("f")) for _, shape, data in arrays if shape == (2, 2)]
    assert "ai-edge-litert" in json.loads((outputs / "environment.json").read_text(encoding="utf-8"))["packages"]
