"""Orbax, JAX's checkpoints: the tree's names and, where the files say them, shapes and types; numbers are passed over.

A step of a CheckpointManager holds its items in folders of their own. OCDBT's database is compressed with zstandard
and is not read: then ``write_shape`` gives the sizes of what one process wrote.
Source: orbax-checkpoint 0.12; zarr 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.dtypes import from_numpy
from dnnbox.checkpoints.folders import config, configs, describe, peek
from dnnbox.checkpoints.opening import Folder

_TREE = "_METADATA"
_MARKS = ("_CHECKPOINT_METADATA", "manifest.ocdbt", _TREE)
_ZARR = (".zarray", "zarr.json")
_MAX_LEAVES = 200_000
_MAX_NAMES = 1_000
_UNKNOWN = "unknown"


class OrbaxDirectory:
    """Reads Orbax: names of the tree; shapes and types of zarr, or of what a process says that it wrote."""

    def sniff(self, folder: Folder) -> Match | None:
        """_CHECKPOINT_METADATA, manifest.ocdbt or _METADATA."""
        mark = next((name for name in _MARKS if folder.has(name)), "")
        return Match(0.6, mark) if mark else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Walk the trees of all items."""
        reading.format, reading.framework = "orbax", "jax"
        describe(folder, reading)
        configs(folder, reading)
        places = [path.removesuffix(_TREE) for path in folder.entries if path.rpartition("/")[2] == _TREE]
        for place in places:
            _item(folder, place, reading)
            reading.scanned.append(f"{place}{_TREE}")
        if not places:
            reading.not_scanned.append("names: no _METADATA lists them")
        if any(tensor.dtype == _UNKNOWN for tensor in reading.tensors) or "tree" in reading.metadata:
            reading.not_scanned.append("types and shapes that only the OCDBT database holds")


def _item(folder: Folder, place: str, reading: Reading) -> None:
    written = _written(folder, place)
    others: list[str] = []
    for keys, about in _leaves(plain.mapping(config(folder, place + _TREE))):
        name, dotted = (place + "/".join(keys))[:1000], ".".join(keys)
        found = _array(folder, f"{place}{dotted}", about, written.get(dotted))
        if found is None:
            others.append(name)
        else:
            reading.add_tensor(name, *found, file=place.rstrip("/"))
    if others:
        reading.metadata.setdefault("tree", []).extend(others[:_MAX_NAMES])


def _leaves(tree: Mapping[str, Any]) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """Yield keys and value_metadata of each leaf."""
    for entry in list(plain.mapping(tree.get("tree_metadata")).values())[:_MAX_LEAVES]:
        keys = plain.mapping(entry).get("key_metadata")
        parts = [str(plain.mapping(key).get("key"))[:200] for key in keys[:64]] if isinstance(keys, list) else []
        yield parts, plain.mapping(plain.mapping(entry).get("value_metadata"))


def _written(folder: Folder, place: str) -> dict[str, Any]:
    """Return parameter → write_shape as the processes list it."""
    found: dict[str, Any] = {}
    for path in folder.entries:
        if path.startswith(f"{place}array_metadatas/"):
            for item in plain.mappings(peek(folder, path).get("array_metadatas")):
                facts = plain.mapping(item.get("array_metadata"))
                found.setdefault(plain.text(facts.get("param_name"), 1000), facts.get("write_shape"))
    return found


def _array(folder: Folder, path: str, about: Mapping[str, Any], written: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return type and shape of an array; None for another value, and where only the database holds the shape."""
    for name in _ZARR:
        facts = peek(folder, f"{path}/{name}")
        if "shape" in facts:
            code = plain.text(facts.get("dtype") or facts.get("data_type"), 40)
            return from_numpy(code) or _UNKNOWN, plain.extents(facts["shape"])
    shape = written if about.get("write_shape") is None else about["write_shape"]
    return (_UNKNOWN, plain.extents(shape)) if isinstance(shape, list) else None
