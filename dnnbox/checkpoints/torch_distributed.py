"""torch's distributed checkpoints: ``.metadata`` is a pickle of names, shapes and places; the shards hold the numbers.

Source: torch 2.13 distributed/checkpoint/metadata.py and filesystem.py.
"""

from __future__ import annotations

import contextlib

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import configs, describe
from dnnbox.checkpoints.opening import Folder, shown
from dnnbox.checkpoints.pickles.values import Call, Dict, Global, Word
from dnnbox.errors import Corrupt
from dnnbox.text import visible

_OWN = ("torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem")


class DistributedCheckpoint:
    """Reads a distributed checkpoint: tensors by the judged pickle; every shard must hold what it is said to hold."""

    def sniff(self, folder: Folder) -> Match | None:
        """.metadata."""
        return Match(0.88, ".metadata") if folder.has(".metadata") else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Judge the pickle; list the tensors; every shard must hold what it is said to hold."""
        from dnnbox.checkpoints.pickled import Broken, Pickles

        reading.format, reading.framework = "torch-dcp", "pytorch"
        describe(folder, reading)
        configs(folder, reading)
        pickles = Pickles(reading)
        root: object = None
        with contextlib.suppress(Broken), folder.open(".metadata") as data:
            root, _ = pickles.run(data, ".metadata")
        reading.worsen("inert-known")
        pickles.judge(lambda found: found.module in _OWN or found.path == "torch.serialization._get_layout")
        reading.scanned.append(".metadata")
        reading.not_scanned.append("*.distcp: objects that are no tensors are pickles of their own there")
        if reading.verdict == "dangerous":
            return
        facts = _state(root)
        if "state_dict_metadata" not in facts:
            raise Corrupt(f"{shown(folder.root)}: .metadata does not describe a distributed checkpoint")
        _check_places(_mapping(facts.get("storage_data")), folder)
        _tensors(_mapping(facts["state_dict_metadata"]), reading)
        if isinstance(facts.get("version"), str):
            reading.metadata["version"] = str(facts["version"])[:100]


def _mapping(value: object) -> Dict:
    return value if isinstance(value, Dict) else Dict()


def _state(value: object) -> Dict:
    """Return the attributes of an object, none for anything else."""
    return _mapping(value.state) if isinstance(value, Call) else Dict()


def _tensors(named: Dict, reading: Reading) -> None:
    values = []
    for name, about in named.items():
        facts = _state(about)
        size = _extents(facts.get("size"))
        if size is None:
            values.append(str(name)[:200])
            continue
        properties = facts.get("properties")
        parts = properties.state if isinstance(properties, Call) else None
        dtype = parts[0] if isinstance(parts, tuple) and parts else _mapping(parts).get("dtype")
        text = dtype.name if isinstance(dtype, Global) else dtype.text if isinstance(dtype, Word) else ""
        reading.add_tensor(str(name)[:1000], text.removeprefix("torch."), size)
    if values:
        reading.metadata["values"] = values[:1000]


def _extents(value: object) -> tuple[int, ...] | None:
    """Return a torch.Size, which the machine may give as a tuple or as a call."""
    if isinstance(value, Call) and value.function.name == "Size":
        value = value.arguments[0] if value.arguments else ()
    if isinstance(value, (tuple, list)) and all(type(item) is int and item >= 0 for item in value):
        return tuple(item for item in value if isinstance(item, int))
    return None


def _check_places(places: Dict, folder: Folder) -> None:
    """Hold each stored part against its file."""
    for place in places.values():
        facts = _state(place)
        path, offset, length = (facts.get(name) for name in ("relative_path", "offset", "length"))
        if not isinstance(path, str) or not isinstance(offset, int) or not isinstance(length, int):
            continue
        if not folder.has(path):
            raise Corrupt(f"{shown(folder.root)} lacks the shard {visible(path, 120)}", hint="copy all files again")
        if offset < 0 or length < 0 or offset + length > folder.entries[path].size:
            raise Corrupt(f"{visible(path, 120)} is cut short: a part of it ends at {offset + length}")
