"""safetensors: a 64-bit header length, a JSON header, the numbers. Source: the format's README (0.8), 100 MB header."""

from __future__ import annotations

from math import prod
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.errors import Corrupt
from dnnbox.text import visible

_MAX_HEADER_BYTES = 100_000_000
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "F4": "float4_e2m1fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "C64": "complex64",
    "F6_E2M3": "float6_e2m3fn", "F6_E3M2": "float6_e3m2fn",
}  # fmt: skip


class Safetensors:
    """Reads names, types, shapes and metadata; offsets must cover the file without holes or overlaps."""

    def sniff(self, data: Bytes) -> Match | None:
        """A plausible length, then ``{``."""
        head = data.head
        length = int.from_bytes(head[:8], "little")
        if len(head) > 9 and head[8:9] == b"{" and 2 <= length <= _MAX_HEADER_BYTES:
            return Match(1.0 if length <= data.size - 8 else 0.7, "header length and JSON")
        return None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the header and hold the offsets against the file."""
        reading.format, reading.framework = "safetensors", "safetensors"
        header, start = _header(data)
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise Corrupt(f"{shown(data.path)}: __metadata__ is not a table of texts")
        reading.metadata.update(plain.bounded(metadata))
        reading.framework = {"pt": "pytorch", "tf": "tensorflow", "flax": "jax", "np": "numpy", "mlx": "mlx"}.get(
            metadata.get("format", ""), "pytorch"
        )
        spans = [_tensor(name, about, reading) for name, about in header.items()]
        _check_spans(data, sorted(spans), data.size - start)
        reading.scanned.append("header")


def _header(data: Bytes) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data.read(0, 8), "little")
    if length > data.size - 8:
        raise Corrupt(f"{shown(data.path)} is cut short: a header of {length} bytes, {data.size - 8} are left")
    raw = data.read(8, length)
    found = plain.loads(raw, f"the header of {shown(data.path)}", _MAX_HEADER_BYTES, unique=True)
    if not isinstance(found, dict):
        raise Corrupt(f"{shown(data.path)}: the header is not a table")
    return found, 8 + length


def _tensor(name: str, about: object, reading: Reading) -> tuple[int, int, str]:
    """Report one tensor; return where its numbers start and end."""
    fields = plain.mapping(about)
    code, offsets = fields.get("dtype"), fields.get("data_offsets")
    if not isinstance(code, str) or not isinstance(offsets, list) or len(offsets) != 2:
        raise Corrupt(f"tensor {visible(name, 120)} lacks a dtype or its offsets")
    if not all(type(value) is int and value >= 0 for value in offsets):
        raise Corrupt(f"tensor {visible(name, 120)} has impossible offsets")
    shape = plain.extents(fields.get("shape"))
    dtype = _DTYPES.get(code, code[:40])
    expected = size_bytes(dtype, prod(shape))
    if code in _DTYPES and offsets[1] - offsets[0] != expected:
        raise Corrupt(f"tensor {visible(name, 120)} has {offsets[1] - offsets[0]} bytes, expected {expected}")
    reading.add_tensor(name, dtype, shape, storage_bytes=offsets[1] - offsets[0])
    return offsets[0], offsets[1], name


def _check_spans(data: Bytes, spans: list[tuple[int, int, str]], size: int) -> None:
    end = 0
    for start, stop, name in spans:
        if start != end or stop < start:
            raise Corrupt(f"{shown(data.path)}: tensor {visible(name, 120)} leaves a hole or overlaps another")
        end = stop
    if end > size:
        raise Corrupt(f"{shown(data.path)} is cut short: the weights need {end} bytes, {size} are there")
    if end < size:
        raise Corrupt(f"{shown(data.path)} has {size - end} bytes that belong to no tensor")
