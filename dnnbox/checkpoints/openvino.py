"""OpenVINO IR: an XML graph beside a .bin of weights. The XML is read by pattern, so no entity is ever expanded.

Source: OpenVINO IR v10 and v11: layer elements of type Parameter, Const and Result.
"""

from __future__ import annotations

import re
from collections import Counter
from math import prod

from dnnbox.checkpoints.base import Match, Reading, open_shape
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.opening import Bytes, FileBytes, shown
from dnnbox.errors import Corrupt, InputLimit
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_MAX_BYTES = 256 << 20
_MAX_TAG = 4000
_ATTRIBUTE = re.compile(r"(\w{1,50})=\"([^\"]{0,2000})\"")
_DIMENSION = re.compile(r"<dim>\s*(-?\d{1,12})\s*</dim>")
_DTYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64", "i32": "int32",
    "i16": "int16", "i8": "int8", "u64": "uint64", "u32": "uint32", "u16": "uint16", "u8": "uint8", "i4": "int4",
    "u4": "uint4", "boolean": "bool", "fp32": "float32", "fp16": "float16", "fp64": "float64",
    "f8e4m3": "float8_e4m3fn", "f8e5m2": "float8_e5m2",
}  # fmt: skip


class OpenVino:
    """Reads inputs, outputs and constants; the .bin beside it must hold them."""

    def sniff(self, data: Bytes) -> Match | None:
        """A net element near the start."""
        head = data.head[:1000]
        return (
            Match(1.0, "net element") if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<" and b"<net " in head else None
        )

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read every layer."""
        reading.format, reading.framework = "openvino", "openvino"
        if data.size > _MAX_BYTES:
            raise InputLimit(f"{shown(data.path)} is an XML graph of {data.size} bytes")
        text = data.read(0, data.size).decode("utf-8", "replace")
        if "</net>" not in text:
            raise Corrupt(f"{shown(data.path)} is an OpenVINO graph that is cut short")
        facts = _attributes(text, "<net ")
        reading.metadata.update(name=facts.get("name", "")[:500], ir_version=facts.get("version", "")[:20])
        needed = _layers(text, reading)
        reading.scanned.append("layers")
        _weights(data, needed, reading)


def _attributes(text: str, start: str) -> dict[str, str]:
    """Return the attributes of the first tag that starts so. Plain searches: a pattern over it all could backtrack."""
    at = text.find(start)
    end = text.find(">", at, at + _MAX_TAG) if at >= 0 else -1
    return dict(_ATTRIBUTE.findall(text[at:end])) if end > at else {}


def _layers(text: str, reading: Reading) -> int:
    """Report all layers; return how many bytes of the .bin they need."""
    operators: Counter[str] = Counter()
    inputs, outputs, needed = [], [], 0
    for piece in text.split("<layer ")[1:]:
        facts, body = _attributes("<layer " + piece[:_MAX_TAG], "<layer "), piece.partition("</layer>")[0]
        kind = facts.get("type", "")
        operators[kind] += 1
        if kind == "Const":
            needed = max(needed, _constant(facts, body, reading))
        elif kind == "Parameter":
            inputs.append(_field(facts, body, "output"))
        elif kind == "Result":
            outputs.append(_field(facts, body, "input"))
    reading.metadata["operators"] = dict(operators.most_common(200))
    reading.io_hints = IoHints(inputs=tuple(inputs), outputs=tuple(outputs))
    return needed


def _constant(facts: dict[str, str], body: str, reading: Reading) -> int:
    data = _attributes(body, "<data ")
    shape = tuple(int(part) for part in re.findall(r"\d{1,12}", data.get("shape", "")))
    offset, size = data.get("offset", ""), data.get("size", "")
    name = facts.get("name", "")[:1000]
    if not (offset.isdecimal() and size.isdecimal() and len(offset) < 19 and len(size) < 19):
        raise Corrupt(f"constant {visible(name, 100)} of the OpenVINO graph does not say where its numbers are")
    dtype = _DTYPES.get(data.get("element_type", ""), data.get("element_type", "")[:40])
    expected = size_bytes(dtype, prod(shape))
    if expected and expected > int(size):
        raise Corrupt(f"constant {visible(name, 100)} has {size} bytes, expected {expected}")
    reading.add_tensor(name, dtype, shape, storage=(offset, size), storage_bytes=int(size))
    return int(offset) + int(size)


def _field(facts: dict[str, str], body: str, side: str) -> IoField:
    """Return an input or output from its port; -1 is a size that may vary."""
    port = body.partition(f"<{side}>")[2].partition("</port>")[0]
    about = _attributes(port, "<port ")
    name = (about.get("names") or facts.get("name", ""))[:500]
    sizes = [int(size) for size in _DIMENSION.findall(port)]
    precision = about.get("precision", "").lower()
    return IoField(name, open_shape(name, sizes[:64]), _DTYPES.get(precision, precision[:40]), "observed", "the graph")


def _weights(data: Bytes, needed: int, reading: Reading) -> None:
    target = data.path.with_suffix(".bin")
    if not needed:
        return
    reading.companions.append(target.name)
    with FileBytes(target, follow=False) as found:
        if found.size < needed:
            raise Corrupt(f"{visible(target.name, 120)} is cut short: {needed} bytes are needed, it has {found.size}")
