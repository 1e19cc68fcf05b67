"""GGUF (llama.cpp): metadata, tensor facts, then numbers that are passed over. Source: ggml docs/gguf.md v3."""

from __future__ import annotations

from math import prod
from typing import Any

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.errors import Corrupt, InputLimit, Unsupported
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_MAX_ENTRIES = 1_000_000
_MAX_ITEMS_KEPT = 16
_MAX_TEXT = 20_000
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
# type: (name, elements per block, bytes per block)
_TYPES = {
    0: ("float32", 1, 4), 1: ("float16", 1, 2), 2: ("q4_0", 32, 18), 3: ("q4_1", 32, 20), 6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24), 8: ("q8_0", 32, 34), 9: ("q8_1", 32, 36), 10: ("q2_k", 256, 84), 11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144), 13: ("q5_k", 256, 176), 14: ("q6_k", 256, 210), 15: ("q8_k", 256, 292),
    16: ("iq2_xxs", 256, 66), 17: ("iq2_xs", 256, 74), 18: ("iq3_xxs", 256, 98), 19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18), 21: ("iq3_s", 256, 110), 22: ("iq2_s", 256, 82), 23: ("iq4_xs", 256, 136),
    24: ("int8", 1, 1), 25: ("int16", 1, 2), 26: ("int32", 1, 4), 27: ("int64", 1, 8), 28: ("float64", 1, 8),
    29: ("iq1_m", 256, 56), 30: ("bfloat16", 1, 2), 34: ("tq1_0", 256, 54), 35: ("tq2_0", 256, 66),
    39: ("mxfp4", 32, 17),
}  # fmt: skip


class Gguf:
    """Reads metadata, tensors and the context length."""

    def sniff(self, data: Bytes) -> Match | None:
        """The magic."""
        return Match(1.0, "GGUF") if data.head[:4] == b"GGUF" else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read both tables; every tensor must lie inside the file."""
        reading.format, reading.framework = "gguf", "ggml"
        cursor = Cursor(data, 4)
        version = cursor.u32()
        if version not in (2, 3):
            raise Unsupported(f"{shown(data.path)} is GGUF of version {version}, expected 2 or 3")
        tensors, entries = cursor.u64(), cursor.u64()
        # An entry takes at least 13 bytes and a tensor 24: a count that cannot be in the file is refused unread.
        if entries * 13 + tensors * 24 > data.size or entries > _MAX_ENTRIES or tensors > _MAX_ENTRIES:
            raise Corrupt(f"{shown(data.path)} states {entries} entries and {tensors} tensors, more than fit")
        table = _table(cursor, entries)
        reading.metadata.update(table, gguf_version=version)
        _tensors(cursor, tensors, table, reading)
        reading.scanned.append("metadata and tensor table")
        reading.io_hints = _hints(table)


def _table(cursor: Cursor, count: int) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.text(cursor.u64(), 1000)
        if key in table:
            raise cursor.corrupt(f"the key {visible(key, 80)} occurs twice")
        table[key] = _value(cursor, cursor.u32(), 0)
    return table


def _value(cursor: Cursor, kind: int, depth: int) -> Any:
    if kind in _NUMBERS:
        return cursor.unpack(_NUMBERS[kind])
    if kind == _STRING:
        return cursor.text(cursor.u64(), _MAX_TEXT)
    if kind == _ARRAY and depth < 4:
        return _array(cursor, depth)
    raise cursor.corrupt(f"a value of the unknown type {kind}")


def _array(cursor: Cursor, depth: int) -> Any:
    kind, count = cursor.u32(), cursor.u64()
    if count > cursor.left:
        raise cursor.corrupt(f"an array of {count} items, {cursor.left} bytes are left")
    if kind in _WIDTHS:
        kept = [cursor.unpack(_NUMBERS[kind]) for _ in range(min(count, _MAX_ITEMS_KEPT))]
        cursor.skip((count - len(kept)) * _WIDTHS[kind])
    else:
        if count > _MAX_ENTRIES:
            raise InputLimit(f"an array of {count} items in the GGUF metadata")
        kept = []
        for position in range(count):
            if kind == _STRING and position >= _MAX_ITEMS_KEPT:
                cursor.skip(cursor.u64())
                continue
            item = _value(cursor, kind, depth + 1)
            if position < _MAX_ITEMS_KEPT:
                kept.append(item)
    return kept if count <= _MAX_ITEMS_KEPT else {"count": count, "first": kept}


def _tensors(cursor: Cursor, count: int, table: dict[str, Any], reading: Reading) -> None:
    spans: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        name = cursor.text(cursor.u64(), 1000)
        dimensions = cursor.u32()
        if dimensions > 8:
            raise cursor.corrupt(f"tensor {visible(name, 80)} has {dimensions} dimensions")
        # ggml stores the fastest dimension first; frameworks list it last.
        shape = tuple(reversed([cursor.u64() for _ in range(dimensions)]))
        kind, offset = cursor.u32(), cursor.u64()
        dtype, block, width = _TYPES.get(kind, (f"ggml type {kind}", 1, 0))
        elements = prod(shape)
        size = elements // block * width
        reading.add_tensor(name, dtype, shape, storage_bytes=size)
        if name in spans:
            raise cursor.corrupt(f"tensor {visible(name, 80)} occurs twice")
        spans[name] = (offset, offset + size)
    alignment = table.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
        raise Corrupt("general.alignment of the GGUF file is impossible")
    start = -(-cursor.offset // alignment) * alignment
    end, name = 0, ""
    for name, (offset, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if offset < end:
            raise Corrupt(f"{shown(cursor.data.path)}: tensor {visible(name, 80)} overlaps another")
        end = stop
    if count and start + end > cursor.data.size:
        raise Corrupt(f"{shown(cursor.data.path)} is cut short: tensor {visible(name, 80)} ends at {start + end}")


def _hints(table: dict[str, Any]) -> IoHints:
    if "tokenizer.ggml.model" not in table:
        return IoHints()
    tokens = IoField("tokens", ("batch", "sequence"), "int32", "declared", "tokenizer.ggml.model")
    return IoHints(inputs=(tokens,), modality="text", task="text-generation")
