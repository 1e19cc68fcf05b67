"""TensorFlow checkpoints: PREFIX.index is a sorted string table that maps names to types, shapes and places.

Source: LevelDB's table format; tensorflow/core/protobuf/tensor_bundle.proto (2.21).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes, FileBytes, Memory, shown
from dnnbox.checkpoints.protobuf import Message, document, signed
from dnnbox.errors import Corrupt, InputLimit, NotReadable, Unsupported
from dnnbox.text import visible

_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
_FOOTER_BYTES = 48
_MAX_BLOCK_BYTES = 64 << 20
_MAX_ENTRIES = 2_000_000
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64",
    9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 17: "uint16", 18: "complex128",
    19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
ShardSize = Callable[[str], int | None]
"""Gives the size of a file beside the index, None where there is none."""


class CheckpointIndex:
    """Reads a lone PREFIX.index: names, types and shapes of variables; the shards beside it must hold what it names."""

    def sniff(self, data: Bytes) -> Match | None:
        """The magic at the end."""
        found = data.size >= _FOOTER_BYTES and data.read(data.size - 8, 8) == _MAGIC
        return Match(0.95, "sorted string table") if found else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """List the variables."""
        reading.format, reading.framework = "tf-checkpoint", "tensorflow"
        sizes: dict[str, int | None] = {}

        def size(name: str) -> int | None:
            if name not in sizes:
                try:
                    with FileBytes(data.path.with_name(name)) as shard:
                        sizes[name] = shard.size
                except NotReadable:
                    sizes[name] = None
            return sizes[name]

        variables(data, data.path.name.removesuffix(".index"), size, reading)
        reading.companions.extend(sizes)


def variables(data: Bytes, prefix: str, shard_size: ShardSize, reading: Reading) -> None:
    """Report every variable of an index; raises Corrupt where a shard lacks it."""
    shards, count = 0, 0
    for key, value in _entries(data):
        count += 1
        if count > _MAX_ENTRIES:
            raise InputLimit(f"{shown(data.path)} names more than {_MAX_ENTRIES} variables")
        fields = document(Memory(value, data.path, data.name))
        if not key:
            shards = next((field.value for field in fields.fields() if field.number == 1 and not field.is_bytes), 0)
            continue
        _variable(key.decode("utf-8", "replace"), fields, (prefix, shards, shard_size), reading)
    if not shards:
        raise Corrupt(f"{shown(data.path)} is a string table, but no TensorFlow checkpoint")
    reading.metadata["shards"] = shards
    reading.scanned.append(f"{visible(data.name, 80)}: names, types and shapes")


def _variable(name: str, fields: Message, place: tuple[str, int, ShardSize], reading: Reading) -> None:
    numbers: dict[int, int] = {}
    shape: tuple[int, ...] = ()
    for field in fields.fields():
        if field.number == 2 and field.is_bytes:
            shape = _shape(fields.message(field))
        elif not field.is_bytes:
            numbers[field.number] = field.value
    prefix, shards, shard_size = place
    shard, offset, size = numbers.get(3, 0), numbers.get(4, 0), numbers.get(5, 0)
    if shard >= shards:
        raise Corrupt(f"{visible(name, 100)} is in shard {shard} of {shards}")
    file = f"{prefix}.data-{shard:05d}-of-{shards:05d}"
    held = shard_size(file)
    if held is None:
        raise Corrupt(f"the checkpoint lacks {visible(file, 120)}", hint="copy all its files")
    if offset + size > held:
        raise Corrupt(f"{visible(file, 120)} is cut short: {visible(name, 80)} ends at {offset + size} of {held}")
    dtype = DTYPES.get(numbers.get(1, 0), f"type {numbers.get(1, 0)}")
    if dtype != "string":
        reading.add_tensor(name.removesuffix(_SUFFIX), dtype, shape, file=file, storage_bytes=size)


def _shape(message: Message) -> tuple[int, ...]:
    found: list[int] = []
    for item in message.fields():
        if item.number == 2 and item.end and len(found) < 64:
            body = message.message(item)
            found.append(max(next((signed(part.value) for part in body.fields() if part.number == 1), 0), 0))
    return tuple(found)


def _entries(data: Bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of all blocks, in order."""
    footer = Cursor(data, data.size - _FOOTER_BYTES)
    for _ in range(2):
        footer.varint()  # where the table of filters is
    index = (footer.varint(), footer.varint())
    end = 0
    for _, place in _block(data, *index):
        handle = Cursor(Memory(place, data.path, data.name))
        offset, size = handle.varint(), handle.varint()
        if offset < end:  # blocks lie in order; one that is named again and again would never end
            raise Corrupt(f"{shown(data.path)}: its blocks overlap")
        end = offset + size
        yield from _block(data, offset, size)


def _block(data: Bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if size > _MAX_BLOCK_BYTES or offset + size + 5 > data.size or size < 4:
        raise Corrupt(f"{shown(data.path)}: a block of {size} bytes at {offset} is not in the file")
    if data.read(offset + size, 1) != b"\0":
        raise Unsupported(f"{shown(data.path)}: its blocks are compressed")
    restarts = int.from_bytes(data.read(offset + size - 4, 4), "little")
    end = offset + size - 4 - 4 * restarts
    if end < offset:
        raise Corrupt(f"{shown(data.path)}: a block with {restarts} restarts")
    cursor, key = Cursor(data, offset, end), b""
    while cursor.left > 0:
        shared, unshared, length = cursor.varint(), cursor.varint(), cursor.varint()
        if shared > len(key) or unshared > 1 << 16:
            raise cursor.corrupt("a key of a string table is impossible")
        key = key[:shared] + cursor.take(unshared)
        yield key, cursor.take(length)
