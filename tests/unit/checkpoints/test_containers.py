"""Files that hold a checkpoint among other things: compressed ones, LiteRT-LM's sections, RKNN's JSON."""

from __future__ import annotations

import gzip
import json
import os
import struct
import zlib
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect, read_file
from dnnbox.checkpoints.compressed import Ends, unpacked
from dnnbox.checkpoints.opening import Memory
from dnnbox.errors import Corrupt, DnnboxError, InputLimit, Unsupported
from tests.unit.checkpoints.hostile import SYSTEM_CALL
from tests.unit.checkpoints.test_embedded import NEMO, tar, write

SAMPLE = Path(__file__).with_name("samples") / "small.litertlm"


def memory(data: bytes) -> Memory:
    return Memory(data, Path("model.bin"), "model.bin")


def test_gzip__nemo__is_read_like_the_bare_archive(tmp_path: Path) -> None:
    bare = inspect(write(tmp_path, tar(NEMO), "a.nemo"))
    packed = inspect(write(tmp_path, gzip.compress(tar(NEMO)), "b.nemo"))
    assert (packed.format, packed.tensor_list, packed.verdict) == (bare.format, bare.tensor_list, bare.verdict)
    assert packed.metadata["compressed"] == "gzip"
    assert [finding.code for finding in packed.findings] == ["compressed"]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_compressed__hostile_pickle__is_dangerous(tmp_path: Path, pack: object) -> None:
    assert inspect(write(tmp_path, pack(b"\x80\x02" + SYSTEM_CALL + b"."))).verdict == "dangerous"  # type: ignore[operator]


def test_compressed__larger_than_what_is_kept__ends_are_there_and_the_middle_is_refused() -> None:
    first, last = os.urandom(20 << 20), os.urandom(20 << 20)
    found = unpacked(memory(zlib.compress(first + b"middle" * 1000 + last, 1)))
    assert isinstance(found, Ends)
    assert found.size == (40 << 20) + 6000
    assert found.read(0, 1000) == first[:1000]
    assert found.read(found.size - (16 << 20), 16 << 20) == last[-(16 << 20) :]
    with pytest.raises(InputLimit, match="were not kept"):
        found.read(20 << 20, 6000)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (gzip.compress(b"\0" * (128 << 20)), InputLimit),
        (gzip.compress(tar(NEMO))[:-9], Corrupt),
        (gzip.compress(tar(NEMO))[:40] + b"\xff" * 40, Corrupt),
        (gzip.compress(tar(NEMO)) + gzip.compress(b"more"), Unsupported),
        (gzip.compress(gzip.compress(tar(NEMO))), Unsupported),
        (gzip.compress(b""), Corrupt),
        (gzip.compress(b"a,b\n1,2\n"), Unsupported),
    ],
    ids=["bomb", "cut", "broken", "two streams", "twice", "nothing", "a table"],
)
def test_compressed__odd_streams__give_their_error(data: bytes, error: type[DnnboxError]) -> None:
    with pytest.raises(error):
        read_file(memory(data))


def test_litertlm__real_file__sections_signature_and_tensors() -> None:
    found = inspect(SAMPLE)
    assert (found.format, found.framework, found.verdict) == ("litert-lm", "litert", "no-code")
    assert [tensor.name for tensor in found.tensor_list] == ["tf_lite_prefill_decode.dense/kernel"]
    assert [port.name for port in found.io_hints.inputs] == ["image"]
    assert [section["kind"] for section in found.metadata["sections"]] == ["TFLite model", "binary"]
    assert (found.metadata["system"]["author"], found.metadata["system"]["build"]) == ("samples", 7)
    assert found.not_scanned == ("section 1: binary",)


@pytest.mark.parametrize("size", [20, 40, 300, 16_384, 20_000])
def test_litertlm__cut_short__is_corrupt(size: int) -> None:
    data = SAMPLE.read_bytes()
    with pytest.raises(Corrupt):
        read_file(memory(data[: min(size, len(data) - 1)] if size < 16_384 else data[:16_400]))


RKNN_MODEL = {
    "version": "1.6.0-source_code",
    "name": "rknn model",
    "ori_network_platform": "onnx",
    "target_platform": ["rk3588"],
    "const_tensor": [{"tensor_id": 0, "size": [16, 3, 3, 3], "dtype": {"vx_type": "VSI_NN_TYPE_INT8"}, "offset": 0}],
    "norm_tensor": [
        {"tensor_id": 0, "size": [1, 3, 224, 224], "dtype": {"vx_type": "VSI_NN_TYPE_INT8"}},
        {"tensor_id": 1, "size": [1, 10], "dtype": {"vx_type": "VSI_NN_TYPE_FLOAT16"}},
    ],
    "graph": [
        {"left": "input", "left_tensor_id": 0, "right": "norm_tensor", "right_tensor_id": 0},
        {"left": "output", "left_tensor_id": 0, "right": "norm_tensor", "right_tensor_id": 1},
    ],
    "nodes": [],
}


def rknn(model: object = RKNN_MODEL, *, version: int = 6, compiled: bytes = b"\x10\0\0\0RKNN" + b"\1" * 40) -> bytes:
    text = json.dumps(model).encode()
    gap = b"\0" * 40 if version > 1 else b""
    return b"".join((b"RKNN\0\0\0\0", struct.pack("<QQ", version, len(compiled)), gap, compiled,
                     struct.pack("<Q", len(text)), text))  # fmt: skip


@pytest.mark.parametrize("version", [1, 2, 6])
def test_rknn__json__constants_inputs_and_outputs(tmp_path: Path, version: int) -> None:
    found = inspect(write(tmp_path, rknn(version=version), "model.rknn"))
    assert (found.format, found.verdict) == ("rknn", "no-code")
    assert [(t.name, t.dtype, t.shape) for t in found.tensor_list] == [("const_tensor:0", "int8", (16, 3, 3, 3))]
    assert [(p.shape, p.dtype) for p in found.io_hints.inputs] == [((1, 3, 224, 224), "int8")]
    assert [(p.shape, p.dtype) for p in found.io_hints.outputs] == [((1, 10), "float16")]
    assert found.metadata["target_platform"] == ["rk3588"]


@pytest.mark.parametrize("model", [{**RKNN_MODEL, "const_tensor": [{"size": [-1]}]}, [], "x"])
def test_rknn__impossible_json__is_corrupt(model: object) -> None:
    with pytest.raises(Corrupt):
        read_file(memory(rknn(model)))


def test_rknn__cut_at_every_offset__is_an_error_or_recognised() -> None:
    data = rknn()
    for size in range(8, len(data) - 1, 7):
        try:
            assert read_file(memory(data[:size])).format == "rknn"
        except DnnboxError:
            continue
