"""HDF5 and Keras, FlatBuffers, Flax, TensorFlow's index, distributed checkpoints, Core ML: what their headers say.

``samples/`` was written by the formats' own libraries (make_samples.py).
"""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect, read_file
from dnnbox.checkpoints.flatbuffer import Buffer
from dnnbox.checkpoints.opening import Memory
from dnnbox.errors import Corrupt, DnnboxError, InputLimit
from dnnbox.records.inspection import Inspection
from tests.unit.checkpoints.test_folders import folder
from tests.unit.checkpoints.test_onnx import block, number

SAMPLES = Path(__file__).with_name("samples")
FILES = sorted(path.name for path in SAMPLES.iterdir() if path.is_file())


def tensors(inspection: Inspection) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.dtype, tensor.shape) for tensor in inspection.tensor_list}


def write(tmp_path: Path, data: bytes, name: str = "model.bin") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["earliest.h5", "latest.h5"])
def test_hdf5__groups_types_and_shapes(name: str) -> None:
    inspection = inspect(SAMPLES / name)
    found = tensors(inspection)
    assert (inspection.format, inspection.verdict) == ("hdf5", "no-code")
    assert found["a/b/half"] == ("float16", (2, 3))
    assert found["a/b/flag"] == ("bool", (4,))
    assert found["a/b/big"] == ("int32", (5,))
    assert found["scalar"] == ("float64", ())
    assert found["chunks"] == ("float32", (100, 10))
    assert [t.tied_to for t in inspection.tensor_list if t.name == "chunks"] == ["c"]
    assert any("outside" in finding.text for finding in inspection.findings)
    assert found["many/x11"] == ("uint8", (12,))


@pytest.mark.parametrize("name", ["functional.h5", "functional.keras"])
def test_keras__weights_and_inputs(name: str) -> None:
    inspection = inspect(SAMPLES / name)
    assert (inspection.framework, inspection.verdict) == ("keras", "data-only")
    assert sorted(shape for _, shape in tensors(inspection).values()) == [(2,), (4,), (4, 2), (8, 4)]
    assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("image", ("batch", 8), "float32")]
    assert [f.name for f in inspection.io_hints.outputs] == ["answer"]


def test_keras__weights_only__is_named_by_its_layout() -> None:
    inspection = inspect(SAMPLES / "functional.weights.h5")
    assert (inspection.format, inspection.tensors.parameters) == ("keras-h5", 46)


def test_keras__lambda_layer__is_dangerous_once() -> None:
    inspection = inspect(SAMPLES / "lambda.keras")
    assert inspection.verdict == "dangerous"
    assert len(inspection.findings) == 1


def test_tflite__weights_signature_and_own_operators() -> None:
    inspection = inspect(SAMPLES / "dense.tflite")
    assert tensors(inspection) == {"dense/kernel": ("float32", (4, 8))}
    assert [(f.name, f.shape) for f in inspection.io_hints.inputs] == [("image", ("x_0", 8))]
    assert [f.name for f in inspection.io_hints.outputs] == ["answer"]
    assert inspection.metadata["custom_operators"] == ["MyOp"]


def test_ort__initialisers_and_ports() -> None:
    inspection = inspect(SAMPLES / "product.ort")
    assert tensors(inspection) == {"w": ("float32", (8, 4))}
    assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("x", ("batch", 8), "float32")]
    assert inspection.metadata["opsets"]["ai.onnx"] == 17


def test_executorch__constants_ports_and_backends() -> None:
    inspection = inspect(SAMPLES / "dense.pte")
    assert tensors(inspection) == {"dense.weight": ("float32", (4, 8))}
    assert [(f.shape, f.dtype) for f in inspection.io_hints.inputs] == [((1, 8), "float32")]
    assert inspection.metadata["backends"] == ["XnnpackBackend"]


def test_distributed__tensors_and_shards(tmp_path: Path) -> None:
    inspection = inspect(SAMPLES / "distributed")
    assert (inspection.format, inspection.verdict, inspection.needs_code) == ("torch-dcp", "inert-known", ())
    assert tensors(inspection) == {"model.weight": ("float32", (2, 3)), "model.half": ("bfloat16", (4,))}
    place = shutil.copytree(SAMPLES / "distributed", tmp_path / "cut")
    (place / "__0_0.distcp").write_bytes(b"short")
    with pytest.raises(Corrupt, match="cut short"):
        inspect(place)


def test_flatbuffer__every_offset_replaced__is_an_error_of_ours() -> None:
    for name in ("dense.tflite", "product.ort", "dense.pte"):
        data = (SAMPLES / name).read_bytes()
        for at in range(0, len(data) - 4, 4):
            for value in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"):
                _read(data[:at] + value + data[at + 4 :])


@pytest.mark.parametrize("name", FILES)
def test_samples__cut_at_many_offsets__are_errors_of_ours(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    for length in range(0, len(data), max(1, len(data) // 400)):
        _read(data[:length])


def _read(data: bytes) -> None:
    try:
        read_file(Memory(data, Path("cut"), "cut"))
    except DnnboxError:
        return


def packed(text: str) -> bytes:
    return bytes([0xA0 | len(text)]) + text.encode()


def array(shape: tuple[int, ...], dtype: str, size: int) -> bytes:
    body = b"\x93" + bytes([0x90 | len(shape), *shape]) + packed(dtype) + b"\xc4" + bytes([size]) + b"\0" * size
    return b"\xc7" + bytes([len(body)]) + b"\x01" + body


FLAX = b"\x81" + packed("params") + b"\x82" + packed("w") + array((2, 3), "float32", 24) + packed("step") + b"\x07"


def test_flax__arrays_by_path(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, FLAX, "flax_model.msgpack"))
    assert (inspection.format, inspection.framework, inspection.verdict) == ("flax-msgpack", "jax", "no-code")
    assert tensors(inspection) == {"params/w": ("float32", (2, 3))}
    assert inspection.metadata["values"] == {"params/step": 7}


@pytest.mark.parametrize(
    "data",
    [
        FLAX[:-1],
        FLAX + b"\0",
        b"\x81" + packed("w") + array((2, 4), "float32", 24),
        b"\x82" + (packed("w") + array((2,), "int8", 2)) * 2,
        b"\x81" + packed("w") + b"\xdf\xff\xff\xff\xff",
        b"\x81" + packed("w") + b"\x81\xa1a" * 200 + b"\x01",
        b"\x81" + packed("w") + b"\x81\xa1a\x01",
    ],
)
def test_flax__impossible__is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(DnnboxError):
        inspect(write(tmp_path, data))


def string_table(entries: list[tuple[bytes, bytes]], repeated: int = 1) -> bytes:
    def one(pairs: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(bytes([0, len(key), len(value)]) + key + value for key, value in pairs)
        return body + struct.pack("<II", 0, 1)

    first = one(entries)
    index = one([(b"z", bytes([0, len(first)]))] * repeated)
    handles = bytes([0, 0, len(first) + 5, len(index)])
    magic = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
    return first + b"\0" * 5 + index + b"\0" * 5 + handles.ljust(40, b"\0") + magic


def variable(size: int) -> bytes:
    shape = block(2, block(2, number(1, 2)) + block(2, number(1, 3)))
    return number(1, 1) + shape + number(4, 0) + number(5, size)


INDEX = string_table([(b"", number(1, 1)), (b"dense/kernel/.ATTRIBUTES/VARIABLE_VALUE", variable(24))])


def test_tensorflow_checkpoint__variables_from_the_index(tmp_path: Path) -> None:
    shard = "model.data-00000-of-00001"
    for place in (folder(tmp_path, {"model.index": INDEX, shard: b"\0" * 24}),):
        for path in (place, place / "model.index"):
            inspection = inspect(path)
            assert inspection.format == "tf-checkpoint"
            assert tensors(inspection) == {"dense/kernel": ("float32", (2, 3))}
        assert inspection.companions == (shard,)
        (place / shard).write_bytes(b"\0" * 23)
        with pytest.raises(Corrupt, match="cut short"):
            inspect(place)


def test_tensorflow_index__cut_at_every_offset__is_an_error_of_ours(tmp_path: Path) -> None:
    for length in range(len(INDEX)):
        with pytest.raises(DnnboxError):
            inspect(write(tmp_path, INDEX[:length], "model.index"))


IMAGE = block(1, "picture") + block(3, block(4, number(1, 224) + number(2, 112)))
ARRAY = block(1, "scores") + block(3, block(5, block(1, b"\x01\x0a") + number(2, 65568)))
COREML = number(1, 7) + block(2, block(1, IMAGE) + block(10, ARRAY) + block(100, block(4, "mit"))) + block(502, b"")


def test_coreml__description_and_package(tmp_path: Path) -> None:
    manifest = {"itemInfoEntries": {"A": {"path": "com.apple.CoreML/m.mlmodel"}}, "rootModelIdentifier": "A"}
    package = folder(tmp_path, {"Manifest.json": manifest, "Data/com.apple.CoreML/m.mlmodel": COREML})
    for path, form in ((package, "coreml-package"), (write(tmp_path, COREML, "m.mlmodel"), "coreml")):
        inspection = inspect(path)
        assert (inspection.format, inspection.metadata["kind"]) == (form, "ML program")
        assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("picture", (112, 224), "image")]
        assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.outputs] == [("scores", (1, 10), "float32")]
        assert inspection.metadata["licence"] == "mit"


def test_flatbuffer__one_table_referred_to_endlessly__is_limited() -> None:
    count = 1_100_000
    target = 24 + 4 * count
    head = struct.pack("<IHHHxxiII", 12, 6, 8, 4, 8, 4, count)  # root, virtual table, table, vector of tables
    offsets = b"".join(struct.pack("<I", target - place) for place in range(24, target, 4))
    data = head + offsets + struct.pack("<iI", target - 4, 0)
    start = time.process_time()
    with pytest.raises(InputLimit):
        sum(1 for _ in Buffer(Memory(data, Path("m"), "m")).root().tables(0))
    assert time.process_time() - start < 8


def test_tensorflow_index__one_block_named_twice__is_corrupt(tmp_path: Path) -> None:
    data = string_table([(b"", number(1, 1))], repeated=2)
    with pytest.raises(Corrupt, match="overlap"):
        inspect(write(tmp_path, data, "model.index"))
