"""Graphs without a magic number or in plain text: TensorFlow, Paddle, ncnn, pnnx, MNN, Darknet."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import Corrupt, DnnboxError
from tests.unit.checkpoints.test_header_readers import SAMPLES, tensors, write
from tests.unit.checkpoints.test_onnx import block, number

MINUS_ONE = (1 << 64) - 1


def attribute(key: str, value: bytes) -> bytes:
    return block(5, block(1, key) + block(2, value))


def node(name: str, operator: str, *attributes: bytes) -> bytes:
    return block(1, block(1, name) + block(2, operator) + b"".join(attributes))


SHAPE = block(2, number(1, MINUS_ONE)) + block(2, number(1, 3))
FIXED = block(2, number(1, 2)) + block(2, number(1, 3))
GRAPH = node("x", "Placeholder", attribute("dtype", number(6, 1)), attribute("shape", block(7, SHAPE))) + node(
    "w", "Const", attribute("value", block(8, number(1, 1) + block(2, FIXED) + block(4, b"\0" * 24)))
)


def test_tensorflow_graph__placeholders_and_constants(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, GRAPH, "frozen.pb"))
    assert (inspection.format, inspection.verdict) == ("tf-graph", "no-code")
    assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("x", ("x_0", 3), "float32")]
    assert tensors(inspection) == {"w": ("float32", (2, 3))}
    assert inspect(write(tmp_path, GRAPH + node("n", "WriteFile"), "frozen.pb")).verdict == "dangerous"


def variable(name: str, dims: tuple[int, ...], persistable: int) -> bytes:
    tensor = number(1, 5) + b"".join(number(2, extent % (1 << 64)) for extent in dims)
    return block(3, block(1, name) + block(2, number(1, 7) + block(3, block(1, tensor))) + number(3, persistable))


def operator(kind: str, taken: str, given: str) -> bytes:
    return block(
        4, block(1, block(1, "X") + block(2, taken)) + block(2, block(1, "Out") + block(2, given)) + block(3, kind)
    )


PADDLE = block(
    1,
    number(1, 0)
    + number(2, MINUS_ONE)
    + variable("image", (-1, 3), 0)
    + variable("fc.w", (3, 2), 1)
    + variable("out", (-1, 2), 0)
    + operator("feed", "feed", "image")
    + operator("matmul", "image", "out")
    + operator("fetch", "out", "fetch"),
)


def test_paddle_program__parameters_and_ports(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, PADDLE, "inference.pdmodel"))
    assert (inspection.format, inspection.framework) == ("paddle-program", "paddle")
    assert tensors(inspection) == {"fc.w": ("float32", (3, 2))}
    assert [(f.name, f.shape) for f in inspection.io_hints.inputs] == [("image", ("image_0", 3))]
    assert [f.name for f in inspection.io_hints.outputs] == ["out"]


NCNN = "7767517\n3 3\nInput in0 0 1 in0 0=224 1=112 2=3\nConvolution c 1 1 in0 1 0=16\nSoftmax s 1 1 1 out0\n"
PNNX = (
    "7767517\n3 2\npnnx.Input i 0 1 0 #0=(1,3,8,8)f32\n"
    "nn.Conv2d conv 1 1 0 1 bias=True @bias=(4)f32 @weight=(4,3,3,3)f16 #0=(1,3,8,8)f32 #1=(1,4,6,6)f32\n"
    "pnnx.Output o 1 0 1 #1=(1,4,6,6)f32\n"
)


def test_ncnn__inputs_and_outputs(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, NCNN.encode(), "m.param"))
    assert (inspection.format, inspection.metadata["operators"]["Convolution"]) == ("ncnn-param", 1)
    assert [(f.name, f.shape) for f in inspection.io_hints.inputs] == [("in0", (3, 112, 224))]
    assert [f.name for f in inspection.io_hints.outputs] == ["out0"]
    with pytest.raises(Corrupt, match="cut short"):
        inspect(write(tmp_path, NCNN[: NCNN.index("Softmax")].encode(), "m.param"))


def test_pnnx__weights_too(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, PNNX.encode(), "m.pnnx.param"))
    assert inspection.format == "pnnx"
    assert tensors(inspection) == {"conv.bias": ("float32", (4,)), "conv.weight": ("float16", (4, 3, 3, 3))}
    assert [(f.shape, f.dtype) for f in inspection.io_hints.inputs] == [((1, 3, 8, 8), "float32")]
    assert [f.shape for f in inspection.io_hints.outputs] == [(1, 4, 6, 6)]


def test_mnn__names_and_inputs() -> None:
    inspection = inspect(SAMPLES / "net.mnn")
    assert (inspection.format, inspection.metadata["tensor_names"]) == ("mnn", ["image", "prob"])
    assert [(f.name, f.shape) for f in inspection.io_hints.inputs] == [("image", (1, 3, "axis_2", 8))]
    assert [f.name for f in inspection.io_hints.outputs] == ["prob"]


def test_darknet__is_named_and_counted(tmp_path: Path) -> None:
    data = struct.pack("<iiiQ", 0, 2, 5, 32013312) + b"\0" * 40
    inspection = inspect(write(tmp_path, data, "yolov3.weights"))
    assert (inspection.format, inspection.tensors.parameters) == ("darknet", 10)
    assert inspection.metadata["images_seen"] == 32013312


@pytest.mark.parametrize("data", [GRAPH, PADDLE, NCNN.encode(), PNNX.encode()])
def test_graphs__cut_at_every_offset__never_crash(data: bytes, tmp_path: Path) -> None:
    for length in range(1, len(data)):
        try:
            assert inspect(write(tmp_path, data[:length])).format
        except DnnboxError:
            continue
