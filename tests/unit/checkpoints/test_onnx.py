"""ONNX from hand-made protobuf bytes: signature, initialisers, external data, and what is broken or leads outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import Corrupt, DnnboxError, NotReadable, UnsafeCheckpoint


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, dims: list[int], raw: bytes = b"", location: str = "", **external: str) -> bytes:
    body = b"".join(number(1, dim) for dim in dims) + number(2, 1) + block(8, name)
    if location:
        pairs = {"location": location, **external}
        body += b"".join(block(13, block(1, key) + block(2, value)) for key, value in pairs.items()) + number(14, 1)
    return body + (block(9, raw) if raw else b"")


def value(name: str, dims: list[int | str | None]) -> bytes:
    shape = b"".join(
        block(1, b"" if dim is None else number(1, dim) if isinstance(dim, int) else block(2, dim)) for dim in dims
    )
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, shape)))


def model(*graph: bytes, extra: bytes = b"") -> bytes:
    head = number(1, 9) + block(2, "maker") + block(3, "1.0")
    return head + block(7, b"".join(graph)) + block(8, number(2, 17)) + extra


NODE = block(1, block(1, "x") + block(2, "y") + block(4, "Relu"))
GOOD = model(
    NODE,
    block(2, "main"),
    block(5, tensor("w", [2, 3], b"\0" * 24)),
    block(11, value("x", ["N", 3, None])),
    block(11, value("w", [2, 3])),
    block(12, value("y", ["N", 5])),
    extra=block(14, block(1, "task") + block(2, "detect")),
)


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    return path


def test_onnx__scalar_and_no_shape__are_told_apart(tmp_path: Path) -> None:
    no_shape = block(1, "any") + block(2, block(1, number(1, 1)))
    inspection = inspect(write(tmp_path, model(NODE, block(11, value("rate", [])), block(11, no_shape))))
    assert [(f.name, f.shape) for f in inspection.io_hints.inputs] == [("rate", ()), ("any", None)]


def test_onnx__good__is_described(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, GOOD))
    assert (inspection.format, inspection.verdict) == ("onnx", "no-code")
    (x,) = inspection.io_hints.inputs  # an input that is an initialiser is no input
    assert (x.name, x.shape, x.dtype, x.status) == ("x", ("N", 3, "x_2"), "float32", "observed")
    assert [field.shape for field in inspection.io_hints.outputs] == [("N", 5)]
    assert [(t.name, t.shape) for t in inspection.tensor_list] == [("w", (2, 3))]
    assert inspection.metadata["opset_import"] == {"": 17}
    assert inspection.metadata["metadata_props"] == {"task": "detect"}
    assert inspection.metadata["operators"] == {"Relu": 1}


def test_onnx__weights_in_branches_and_constants__are_found(tmp_path: Path) -> None:
    inner = block(5, tensor("inner", [4], b"\0" * 16))
    branch = block(1, block(4, "If") + block(5, block(1, "then_branch") + block(6, inner)))
    constant = block(1, block(2, "large") + block(4, "Constant") + block(5, block(5, tensor("", [64], b"\0" * 256))))
    inspection = inspect(write(tmp_path, model(branch, constant)))
    assert sorted(t.name for t in inspection.tensor_list) == ["inner", "large"]


def test_onnx__external_data__is_a_companion(tmp_path: Path) -> None:
    (tmp_path / "net.data").write_bytes(b"\0" * 64)
    data = model(block(5, tensor("w", [4], location="net.data", offset="48", length="16")))
    assert inspect(write(tmp_path, data)).companions == ("net.data",)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../b", "..\\x", "link"])
def test_onnx__external_data_outside__is_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 16)
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeCheckpoint):
        inspect(write(folder, model(block(5, tensor("w", [4], location=location)))))


def test_onnx__external_data_missing_or_short__is_said(tmp_path: Path) -> None:
    data = model(block(5, tensor("w", [4], location="net.data")))
    with pytest.raises(NotReadable):
        inspect(write(tmp_path, data))
    (tmp_path / "net.data").write_bytes(b"\0" * 15)
    with pytest.raises(Corrupt, match="cut short"):
        inspect(write(tmp_path, data))


@pytest.mark.parametrize("offset", ["-1", "99999999999999999999", "x"])
def test_onnx__impossible_offsets__are_refused(offset: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpoint):
        inspect(write(tmp_path, model(block(5, tensor("w", [4], location="a", offset=offset)))))


def test_onnx__graphs_in_graphs__end(tmp_path: Path) -> None:
    inner = b""
    for _ in range(200):
        inner = block(1, block(4, "If") + block(5, block(6, inner)))
    with pytest.raises(Corrupt, match="deep"):
        inspect(write(tmp_path, model(inner)))


def test_onnx__cut_at_every_offset__is_an_error_of_ours(tmp_path: Path) -> None:
    for length in range(len(GOOD) - len(block(14, block(1, "task") + block(2, "detect"))) - 6):
        with pytest.raises(DnnboxError):
            inspect(write(tmp_path, GOOD[:length]))


def test_onnx__every_byte_changed__never_crashes(tmp_path: Path) -> None:
    for at in range(len(GOOD)):
        for changed in (0, 0xFF, GOOD[at] ^ 1):
            try:
                inspect(write(tmp_path, GOOD[:at] + bytes([changed]) + GOOD[at + 1 :]))
            except DnnboxError:
                continue
