"""Containers of edge runtimes: LiteRT-LM's sections, RKNN's JSON of tensors behind a compiled part.

Sources: LiteRT-LM schema/core/litertlm_header_schema.fbs (1.x); RKNN has no specification, its layout is the one that
rknn-toolkit 1 and 2 write (container versions 1 to 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.flatbuffer import Buffer, Table
from dnnbox.checkpoints.opening import Bytes, Part, shown
from dnnbox.errors import Corrupt, InputLimit
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_MAGIC = b"LITERTLM"
_MAX_HEADER_BYTES = 1 << 20  # written in blocks of 16 KiB; one is enough for any model so far
_HEADER = 32
_MAX_SECTIONS = 1_000
_SECTIONS = ("none", "binary", "deprecated", "TFLite model", "SentencePiece tokenizer", "LLM metadata",
             "Hugging Face tokenizer", "TFLite weights")  # fmt: skip
_MODEL = 3
_NUMBERS = {1: "B", 2: "b", 3: "H", 4: "h", 5: "I", 6: "i", 7: "f", 8: "B", 10: "Q", 11: "q", 12: "d"}
_STRING = 9


class LiteRtLm:
    """Reads .litertlm: the sections and what they say, and the tensors of every TFLite model among them."""

    def sniff(self, data: Bytes) -> Match | None:
        """The magic."""
        return Match(1.0, "LITERTLM") if data.head.startswith(_MAGIC) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """List the sections; each must lie in the file."""
        reading.format, reading.framework = "litert-lm", "litert"
        head = data.read(0, _HEADER)
        reading.metadata["version"] = ".".join(str(int.from_bytes(head[at : at + 4], "little")) for at in (8, 12, 16))
        end = int.from_bytes(head[24:32], "little")
        if not _HEADER < end <= min(data.size, _MAX_HEADER_BYTES):
            raise Corrupt(f"{shown(data.path)}: a LiteRT-LM header that ends at byte {end}")
        root = Buffer(Part(data, _HEADER, end - _HEADER, "header")).root()
        if system := root.table(0):
            reading.metadata["system"] = dict(_pairs(system.tables(0)))
        listed = []
        objects = root.table(1)
        for number, section in enumerate(objects.tables(0) if objects else ()):
            if number >= _MAX_SECTIONS:
                raise Corrupt(f"{shown(data.path)} has more than {_MAX_SECTIONS} sections")
            listed.append(_section(data, number, section, reading))
        reading.metadata["sections"] = listed
        reading.scanned.append("header")


def _section(data: Bytes, number: int, section: Table, reading: Reading) -> dict[str, Any]:
    start, end, kind = section.number(1, "Q"), section.number(2, "Q"), section.number(3, "B")
    if not _HEADER <= start < end <= data.size:
        raise Corrupt(f"{shown(data.path)}: section {number} lies at bytes {start} to {end} of {data.size}")
    facts = dict(_pairs(section.tables(0)))
    name = _SECTIONS[kind] if kind < len(_SECTIONS) else f"kind {kind}"
    if kind == _MODEL:
        model = str(facts.get("model_type", number))
        tflite_model(Part(data, start, end - start, f"section {number}"), model, model, reading)
    else:
        reading.not_scanned.append(f"section {number}: {name}")
    return {"kind": name, "bytes": end - start, **facts}


def tflite_model(part: Bytes, where: str, prefix: str, reading: Reading) -> None:
    """Take in a TFLite model of a container; its tensors are named after ``prefix``."""
    from dnnbox.checkpoints import read_file

    inner = read_file(part)
    if inner.format != "tflite":
        raise Corrupt(f"{visible(where, 80)} is said to be a TFLite model and is {inner.format}")
    reading.absorb(inner, where)
    for tensor in inner.tensors:
        storage = (where, tensor.tied_to or tensor.name)
        reading.add_tensor(f"{prefix}.{tensor.name}", tensor.dtype, tensor.shape, storage=storage)
    if not reading.io_hints.inputs:
        reading.io_hints = inner.io_hints


def _pairs(tables: Iterator[Table]) -> Iterator[tuple[str, Any]]:
    """Yield key and value of the first hundred; a value is a union of one-field tables."""
    for entry, _ in zip(tables, range(100), strict=False):
        kind, value = entry.number(1, "B"), entry.table(2)
        key = entry.text(0)[:200]
        if value is not None and kind == _STRING:
            yield key, value.text(0)[:2000]
        elif value is not None and kind in _NUMBERS:
            found = value.number(0, _NUMBERS[kind])
            yield key, bool(found) if kind == 8 else found


class Rknn:
    """Reads .rknn: constants, inputs and outputs of the JSON; the part that is compiled for the chip is passed over."""

    def sniff(self, data: Bytes) -> Match | None:
        """The magic, and a known version of the container."""
        version = int.from_bytes(data.head[8:16], "little")
        known = data.head[:4] == b"RKNN" and len(data.head) >= 24 and version & ~0x1000 in range(1, 7)
        return Match(1.0, f"RKNN container {version & 0xFFF}") if known else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the JSON behind the compiled part."""
        reading.format, reading.framework = "rknn", "rknn"
        version, size = (int.from_bytes(data.read(at, 8), "little") for at in (8, 16))
        at = 24 + (40 if version & 0xFFF > 1 and size else 0) + size
        length = int.from_bytes(data.read(at, 8), "little")
        if length > plain.MAX_DOCUMENT_BYTES:
            raise InputLimit(f"{shown(data.path)}: {length} bytes of JSON, at most {plain.MAX_DOCUMENT_BYTES} are read")
        model = plain.mapping(plain.loads(data.read(at + 8, length), "the JSON of an RKNN file"))
        if not model:
            raise Corrupt(f"{shown(data.path)}: the JSON of an RKNN file is no object")
        reading.metadata["container"] = version
        for key in ("version", "name", "ori_network_platform", "network_platform", "target_platform"):
            if model.get(key):
                reading.metadata[key] = plain.bounded(model[key])
        for item in plain.mappings(model.get("const_tensor")):
            name = f"const_tensor:{str(item.get('tensor_id'))[:40]}"
            reading.add_tensor(name, _dtype(item), plain.extents(item.get("size", [])))
        reading.io_hints = IoHints(inputs=_ports(model, "input"), outputs=_ports(model, "output"))
        reading.scanned.append("JSON of the tensors")
        reading.not_scanned.append(f"{size} bytes compiled for the chip")


def _dtype(item: Mapping[str, Any]) -> str:
    kind = plain.text(plain.mapping(item.get("dtype")).get("vx_type"))
    return kind.rpartition("_")[2].lower()[:40] or "unknown"


def _ports(model: Mapping[str, Any], side: str) -> tuple[IoField, ...]:
    tensors = {str(item.get("tensor_id")): item for item in plain.mappings(model.get("norm_tensor"))}
    found: list[IoField] = []
    for link in plain.mappings(model.get("graph"))[:1_000]:
        if link.get("left") != side:
            continue
        item = tensors.get(str(link.get("right_tensor_id")), {})
        name = f"{side}_{link.get('left_tensor_id', len(found))}"[:200]
        shape, dtype = plain.extents(item.get("size", [])), _dtype(item) if item else ""
        found.append(IoField(name, shape or None, dtype, "observed", "graph"))
    return tuple(found)
