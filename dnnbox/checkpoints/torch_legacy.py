"""torch.save before 1.6 (``_use_new_zipfile_serialization=False``): five pickles in a row, then the raw storages.

Source: torch/serialization.py:_legacy_save (2.13): magic number, protocol 1001, system facts, the object, the list of
storage keys; then per key a 64-bit element count and the numbers.
"""

from __future__ import annotations

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.checkpoints.pickled import Broken, Pickles, report, storage_bytes
from dnnbox.checkpoints.pickles.tree import Copier
from dnnbox.checkpoints.pickles.values import Dict, Storage, Value
from dnnbox.errors import Corrupt

MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STREAMS = ("magic number", "protocol", "system", "object", "storage keys")


class TorchLegacy:
    """Reads the legacy format; all five pickles are run and judged, since each could carry a payload."""

    def sniff(self, data: Bytes) -> Match | None:
        """The pickled magic number at the start."""
        head = data.head
        return Match(1.0, "torch's magic number") if head[:1] == b"\x80" and head[2:14] == MAGIC else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the pickles and hold the storages' sizes against the file."""
        reading.format, reading.framework = "torch-legacy", "pytorch"
        pickles = Pickles(reading)
        values: list[Value] = []
        offset = 0
        try:
            for name in _STREAMS:
                value, offset = pickles.run(data, f"pickle {len(values)} ({name})", offset)
                values.append(value)
                reading.scanned.append(f"pickle {len(values) - 1}: {name}")
        except Broken:
            pass
        pickles.judge()
        if len(values) < len(_STREAMS):
            return
        if reading.verdict != "dangerous":
            _check_head(data, values)
        if isinstance(values[2], Dict):
            reading.metadata["archive"] = Copier().copy(values[2])
        seen: dict[str, Storage] = {}
        report(values[3], reading, lambda storage: seen.update({storage.key: storage}))
        if reading.verdict != "dangerous":
            _check_storages(data, values[4], seen, offset, reading)


def _check_head(data: Bytes, values: list[Value]) -> None:
    if values[0] != _MAGIC_NUMBER or values[1] != _PROTOCOL:
        raise Corrupt(f"{shown(data.path)} starts like a legacy torch file, but its magic number or protocol is wrong")


def _check_storages(data: Bytes, keys: Value, seen: dict[str, Storage], offset: int, reading: Reading) -> None:
    """Walk the storages: each states its element count, the last ends where the file ends."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Corrupt(f"{shown(data.path)}: the list of storages is not a list of names")
    for key in keys:
        storage = seen.get(str(key))
        if storage is None or not storage_bytes(storage):
            reading.not_scanned.append("sizes of the storages: one belongs to no tensor of the weights")
            return
        stated = int.from_bytes(data.read(offset, 8), "little")
        if stated != storage.elements:
            raise Corrupt(f"{shown(data.path)}: a storage states {stated} elements, expected {storage.elements}")
        offset += 8 + storage_bytes(storage)
    if offset > data.size:
        raise Corrupt(f"{shown(data.path)} is cut short: the weights need {offset} bytes, it has {data.size}")
    if offset < data.size:
        text = f"{data.size - offset} bytes follow the weights; they were not read"
        reading.find("warning", "bytes-after-weights", f"byte {offset}", text)
        reading.not_scanned.append(text)
