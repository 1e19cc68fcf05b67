"""Protobuf weights of older frameworks: Caffe's .caffemodel and MindSpore's .ckpt. The numbers are passed over.

Source: caffe.proto (BVLC 1.0); mindspore/ccsrc/utils/checkpoint.proto (2.x).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes
from dnnbox.checkpoints.protobuf import Budget, Field, Message, document, signed
from dnnbox.errors import Corrupt, DnnboxError
from dnnbox.records.inspection import IoField, IoHints

_MAX_FIELDS = 5_000
_LAYER, _OLD_LAYER = 100, 2
_CAFFE_FIELDS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 100))
_NAME, _TYPE, _BLOBS = {_LAYER: 1, _OLD_LAYER: 4}, {_LAYER: 2, _OLD_LAYER: 0}, {_LAYER: 7, _OLD_LAYER: 6}
_MINDSPORE = {
    kind: kind.lower()
    for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16", "Float32",
                 "Float64", "Bool", "BFloat16")
}  # fmt: skip


def _top(data: Bytes) -> list[Field]:
    """Return the fields of a whole protobuf, none where it is no such file."""
    try:
        return list(Message(data, 0, data.size, Budget(_MAX_FIELDS)).fields())
    except DnnboxError:
        return []


class Caffe:
    """Reads .caffemodel: each layer's blobs with their shapes, and the net's inputs."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: a protobuf of a name and layers only."""
        if data.head[:1] not in (b"\x0a", b"\xa2", b"\x12"):
            return None
        fields = _top(data)
        numbers = {field.number for field in fields}
        layers = [f for f in fields if f.number == _LAYER and f.is_bytes]
        is_old = data.name.lower().endswith(".caffemodel") and _OLD_LAYER in numbers
        return Match(0.7, "Caffe's layers") if numbers <= _CAFFE_FIELDS and (layers or is_old) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the layers."""
        reading.format, reading.framework = "caffe", "caffe"
        whole = document(data)
        operators: Counter[str] = Counter()
        inputs: list[IoField] = []
        for field in whole.fields():
            if field.number == 1 and field.is_bytes:
                reading.metadata["name"] = whole.text(field, 200)
            elif field.number == 3 and field.is_bytes:
                inputs.append(IoField(whole.text(field, 200), source="net"))
            elif field.number in (_LAYER, _OLD_LAYER) and field.is_bytes:
                _layer(whole.message(field), field.number, operators, reading)
        reading.io_hints = IoHints(tuple(inputs[:200]))
        reading.metadata["operators"] = dict(operators.most_common(200))
        reading.scanned.append("layers")
        reading.not_scanned.append("the graph: it is in the .prototxt")


def _layer(message: Message, kind: int, operators: Counter[str], reading: Reading) -> None:
    name, operator = "", ""
    blobs: list[Message] = []
    for field in message.fields():
        if field.number == _NAME[kind] and field.is_bytes:
            name = message.text(field, 500)
        elif field.number == _TYPE[kind] and field.is_bytes:
            operator = message.text(field, 100)
        elif field.number == _BLOBS[kind] and field.is_bytes:
            blobs.append(message.message(field))
    operators[operator or "layer"] += 1
    for number, blob in enumerate(blobs):
        reading.add_tensor(f"{name}.{number}", *_blob(blob))


def _blob(message: Message) -> tuple[str, list[int]]:
    """Return type and shape: of a shape message, or the four extents of old files."""
    old: dict[int, int] = {}
    shape: list[int] | None = None
    dtype = "float32"
    for field in message.fields():
        if field.number in (1, 2, 3, 4) and not field.is_bytes:
            old[field.number] = field.value
        elif field.number == 7 and field.is_bytes:
            inner = message.message(field)
            shape = [signed(n) for part in inner.fields() if part.number == 1 for n in inner.numbers(part, 64)]
        elif field.number == 8:
            dtype = "float64"
    extents = [old.get(axis, 1) for axis in (1, 2, 3, 4)] if shape is None else shape
    if any(extent < 0 or extent >= 1 << 62 for extent in extents):
        raise Corrupt("a blob of an impossible shape")
    return dtype, extents


class MindSpore:
    """Reads MindSpore's .ckpt: names, types and shapes."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: the file starts with a name and a tensor of extents and a type."""
        if data.head[:1] != b"\x0a":
            return None
        try:
            first = next(_values(data, Budget(200)), None)
        except DnnboxError:
            return None
        return Match(0.7, "a named tensor of MindSpore") if first and first[1] in _MINDSPORE.values() else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """List the tensors; a large one is stored in slices that follow each other under one name."""
        reading.format, reading.framework = "mindspore", "mindspore"
        last = ""
        for name, dtype, shape in _values(data, Budget()):
            if name != last:
                reading.add_tensor(name, dtype, shape)
            last = name
        reading.scanned.append("names, types and shapes")


def _values(data: Bytes, budget: Budget) -> Iterator[tuple[str, str, list[int]]]:
    whole = Message(data, 0, data.size, budget)
    for field in whole.fields():
        if field.number == 1 and field.is_bytes:
            yield _value(whole.message(field))


def _value(message: Message) -> tuple[str, str, list[int]]:
    """Return name, type and shape of one entry: tag (1), tensor (2) → extents (1), type (2)."""
    name, dtype = "", ""
    shape: list[int] = []
    for field in message.fields():
        if field.number == 1 and field.is_bytes:
            name = message.text(field, 500)
        elif field.number == 2 and field.is_bytes:
            inner = message.message(field)
            for part in inner.fields():
                if part.number == 1:
                    shape.extend(max(0, signed(number)) for number in inner.numbers(part, 64))
                elif part.number == 2 and part.is_bytes:
                    dtype = _MINDSPORE.get(inner.text(part, 40), "")
    return name, dtype, shape
