"""torch.save before 0.1.10: a tar of ``sys_info``, ``pickle``, ``tensors`` and ``storages``; nothing is unpacked.

``storages`` and ``tensors`` are streams of small pickles, each followed by raw facts: a 64-bit element count and the
numbers; the rank, sizes, strides and the offset. The persistent ids of ``pickle`` are texts that refer to their keys.
Source: torch/serialization.py:legacy_load (2.13).
"""

from __future__ import annotations

import struct

from dnnbox.checkpoints.base import Reading
from dnnbox.checkpoints.dtypes import STORAGES, size_bytes
from dnnbox.checkpoints.opening import Bytes, Part, shown
from dnnbox.checkpoints.pickled import Broken, Pickles, reaches_beyond, report
from dnnbox.checkpoints.pickles.machine import Refer
from dnnbox.checkpoints.pickles.tree import Copier
from dnnbox.checkpoints.pickles.values import Dict, Global, Storage, Tensor, Value
from dnnbox.errors import Corrupt

_MAX_ENTRIES = 100_000
_MAX_RANK = 64
Known = dict[str, Value]


def read_torch_tar(data: Bytes, found: dict[str, tuple[int, int]], reading: Reading) -> None:
    """Judge every pickle of the archive and describe what the object's holds."""
    reading.format, reading.framework = "torch-tar", "pytorch"
    pickles = Pickles(reading)
    known: Known = {}
    root: Value = None
    problem: Corrupt | None = None
    try:
        if "sys_info" in found:
            facts, _ = pickles.run(_member(data, found, "sys_info"), "sys_info")
            reading.metadata["archive"] = Copier().copy(facts) if isinstance(facts, Dict) else {}
        _storages(_member(data, found, "storages"), pickles, known)
        _tensors(_member(data, found, "tensors"), pickles, known)
        root, _ = pickles.run(_member(data, found, "pickle"), "pickle", refer=_refer(known))
    except Broken:
        pass
    except Corrupt as error:  # a loader acts on the pickles before it notices
        problem = error
    reading.worsen("inert-known")  # torch's weights_only refuses the format whatever is in it
    pickles.judge()
    if problem and reading.verdict != "dangerous":
        raise problem
    reading.scanned.extend(name for name in ("sys_info", "storages", "tensors", "pickle") if name in found)
    report(root, reading)
    text = "torch's tar format of 2016: torch reads it with weights_only=False only"
    reading.find("info", "old-format", "", text)


def _member(data: Bytes, found: dict[str, tuple[int, int]], name: str) -> Bytes:
    return Part(data, *found[name], name=name)


def _refer(known: Known) -> Refer:
    """Return what a persistent id stands for: the text is the key of a tensor or storage."""
    return lambda identity: known.get(identity) if isinstance(identity, str) else None


def _count(data: Bytes, pickles: Pickles, where: str) -> tuple[int, int]:
    count, at = pickles.run(data, where)
    if type(count) is not int or not 0 <= count <= _MAX_ENTRIES:
        raise Corrupt(f"{shown(data.path)}: {where} does not start with a number of entries")
    return count, at


def _entry(data: Bytes, pickles: Pickles, where: str, at: int) -> tuple[str, Value, Value, int]:
    """Return the key, the two other parts of an entry's pickle, and where its raw facts start."""
    value, end = pickles.run(data, where, at)
    if not isinstance(value, tuple) or len(value) != 3 or type(value[0]) is not int:
        raise Corrupt(f"{shown(data.path)}: {where} at byte {at} is no entry of torch's tar format")
    return str(value[0]), value[1], value[2], end


def _storages(data: Bytes, pickles: Pickles, known: Known) -> None:
    count, at = _count(data, pickles, "storages")
    for _ in range(count):
        key, location, kind, at = _entry(data, pickles, "storages", at)
        dtype = STORAGES.get(kind.name, "") if isinstance(kind, Global) else ""
        elements = int.from_bytes(data.read(at, 8), "little", signed=True)
        length = size_bytes(dtype, max(elements, 0))
        if not dtype or elements < 0 or at + 8 + length > data.size:
            raise Corrupt(f"{shown(data.path)}: storage {key} of {elements} elements does not fit into the file")
        known[key] = Storage(dtype, key, location if isinstance(location, str) else "", elements)
        at += 8 + length
    views, _ = pickles.run(data, "storages", at)
    for view in views if isinstance(views, list) else ():
        if isinstance(view, tuple) and len(view) == 4 and str(view[1]) in known:
            known.setdefault(str(view[0]), known[str(view[1])])


def _tensors(data: Bytes, pickles: Pickles, known: Known) -> None:
    count, at = _count(data, pickles, "tensors")
    for _ in range(count):
        key, owner, _, at = _entry(data, pickles, "tensors", at)
        rank = int.from_bytes(data.read(at, 4), "little", signed=True)
        if not 0 <= rank <= _MAX_RANK:
            raise Corrupt(f"{shown(data.path)}: tensor {key} of {rank} dimensions")
        facts = struct.unpack(f"<{2 * rank + 1}q", data.read(at + 8, 16 * rank + 8))
        shape, stride, offset = facts[:rank], facts[rank:-1], facts[-1]
        storage = known.get(str(owner))
        if not isinstance(storage, Storage) or min(facts) < 0:
            raise Corrupt(f"{shown(data.path)}: tensor {key} has no storage or an impossible shape")
        tensor = Tensor(storage.dtype, shape, stride, offset, storage, device=storage.device)
        if reaches_beyond(tensor, storage):
            raise Corrupt(f"{shown(data.path)}: tensor {key} reaches beyond its storage")
        known[key] = tensor
        at += 16 + 16 * rank
