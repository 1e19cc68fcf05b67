"""safetensors: names, types, shapes and totals; every rule of the format is checked against the file."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import Corrupt, DnnboxError


def safetensors(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


GOOD = safetensors(
    {"__metadata__": {"format": "pt"}, "a": tensor("F32", [2, 3], 0, 24), "b": tensor("BF16", [4], 24, 32)}, b"\0" * 32
)


def test_safetensors__good__is_described(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"  # by content, not by extension
    path.write_bytes(GOOD)
    inspection = inspect(path)
    assert (inspection.format, inspection.verdict, inspection.framework) == ("safetensors", "no-code", "pytorch")
    assert [(t.name, t.dtype, t.shape) for t in inspection.tensor_list] == [
        ("a", "float32", (2, 3)),
        ("b", "bfloat16", (4,)),
    ]
    assert (inspection.tensors.parameters, inspection.tensors.bytes) == (10, 32)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("header beyond the end", safetensors(b"{}", length=1 << 20)),
        ("no JSON", safetensors(b"{nonsense")),
        ("deep JSON", safetensors(b'{"a":' * 100_000)),
        ("hole", safetensors({"a": tensor("U8", [1], 1, 2)}, b"12")),
        ("overlap", safetensors({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"123")),
        ("body cut", safetensors({"a": tensor("U8", [4], 0, 4)}, b"12")),
        ("body too long", safetensors({"a": tensor("U8", [1], 0, 1)}, b"12")),
        ("size against shape", safetensors({"a": tensor("F32", [1], 0, 2)}, b"12")),
        ("negative size", safetensors({"a": tensor("U8", [-1], 0, 1)}, b"1")),
        ("huge shape", safetensors({"a": tensor("F32", [1 << 62, 1 << 62], 0, 4)}, b"1234")),
        ("text as a size", safetensors({"a": {"dtype": "U8", "shape": ["1"], "data_offsets": [0, 1]}}, b"1")),
        ("offsets of one", safetensors({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0]}}, b"1")),
        ("reversed offsets", safetensors({"a": tensor("U8", [0], 5, 2)}, b"12345")),
        ("entry that is a list", safetensors({"a": []})),
        ("metadata of numbers", safetensors({"__metadata__": {"a": 1}})),
    ],
)
def test_safetensors__broken__is_corrupt(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(Corrupt):
        inspect(path)


def test_safetensors__cut_at_every_offset__is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for length in range(len(GOOD)):
        path.write_bytes(GOOD[:length])
        with pytest.raises(DnnboxError):
            inspect(path)
