"""Files of weights → plain data: safetensors, torch files, shards with or without an index. No code of theirs runs."""

from __future__ import annotations

import json
import os
import pickle
import re
from typing import Any, Callable, Dict, List

from ..failures import Failure
from . import inert

ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
_SHARD = re.compile(r"^(?P<stem>.+?)[-_.](?P<number>\d{1,5})-of-(?P<count>\d{1,5})(?P<end>\.[a-z]+)$")

Note = Callable[[str], None]


def read(path: str, note: Note, form: str = "") -> Any:
    """Return what the file or directory holds, tensors on the CPU.

    A torch file that holds more than tensors is read once more, with every foreign object left empty; ``note`` is
    told. Raises the ``load_failed`` failure where nothing can be read.
    """
    files = _files(path)
    if len(files) == 1:
        return _read_one(files[0], note, form)
    merged: Dict[str, Any] = {}
    for file in files:
        part = _read_one(file, note, form)
        twice = sorted(set(part) & set(merged)) if isinstance(part, dict) else []
        if not isinstance(part, dict) or twice:
            what = "repeats %s" % ", ".join(twice[:3]) if twice else "holds no tensors by name"
            raise Failure("load_failed", "the shard %s %s" % (os.path.basename(file), what), "load")
        merged.update(part)
    note("%d shards were read as one" % len(files))
    return merged


def _files(path: str) -> List[str]:
    """Return the files that make up the weights: one, or all shards in order."""
    if os.path.isdir(path):
        return _of_folder(path)
    shard = _SHARD.match(os.path.basename(path))
    if path.endswith(".index.json"):
        return _of_index(path)
    return _siblings(path, shard) if shard else [path]


def _of_folder(folder: str) -> List[str]:
    names = sorted(os.listdir(folder))
    for ending in ENDINGS:
        indexes = [name for name in names if name.endswith(ending + ".index.json")]
        if indexes:
            return _of_index(os.path.join(folder, indexes[0]))
    for ending in ENDINGS:
        weights = [name for name in names if name.endswith(ending)]
        shards = [name for name in weights if _SHARD.match(name)]
        if shards and len(shards) == len(weights):
            return _siblings(os.path.join(folder, shards[0]), _SHARD.match(shards[0]))
        if len(weights) == 1:
            return [os.path.join(folder, weights[0])]
        if weights:
            raise Failure("load_failed", "the folder has %d weight files, one is expected" % len(weights), "load")
    raise Failure("load_failed", "the folder has 0 weight files, one is expected", "load")


def _of_index(path: str) -> List[str]:
    """Return the shards that an index names; names that lead out of its folder are refused."""
    try:
        with open(path, encoding="utf-8") as file:
            names = sorted({str(name) for name in json.load(file)["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(
            "load_failed", "%s is no index of shards: %s" % (os.path.basename(path), error), "load"
        ) from error
    folder = os.path.dirname(path)
    for name in names:
        if os.path.basename(name) != name or not os.path.isfile(os.path.join(folder, name)):
            raise Failure("load_failed", "the shard %r, which the index names, is missing" % name, "load")
    return [os.path.join(folder, name) for name in names]


def _siblings(path: str, shard: Any) -> List[str]:
    folder, count = os.path.dirname(path), int(shard.group("count"))
    found: Dict[int, str] = {}
    for name in os.listdir(folder or "."):
        other = _SHARD.match(name)
        if other and (other.group("stem"), other.group("count"), other.group("end")) == (
            shard.group("stem"),
            shard.group("count"),
            shard.group("end"),
        ):
            found[int(other.group("number"))] = os.path.join(folder, name)
    if len(found) != count:
        text = "%s is one of %d shards, of which %d are here" % (os.path.basename(path), count, len(found))
        raise Failure("load_failed", text, "load")
    return [found[number] for number in sorted(found)]


def _read_one(path: str, note: Note, form: str) -> Any:
    if form == "safetensors" or path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path, device="cpu")
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("\n")[0]
    try:
        data = torch.load(path, map_location="cpu", weights_only=False, pickle_module=inert.module())
    except Exception as error:  # whatever a foreign pickle can do wrong
        text = "the checkpoint holds more than tensors and cannot be read without it: %s (%s)" % (reason, error)
        raise Failure("load_failed", text[:500], "load") from error
    note("the checkpoint holds more than tensors; its other objects were left out, and none of their code ran")
    return data
