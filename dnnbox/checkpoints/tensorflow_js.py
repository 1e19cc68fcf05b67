"""TensorFlow.js: ``model.json`` lists every weight in order, and the shards that hold them one after the other.

Source: tfjs-core io/types.ts and tfjs-converter's write_weights.py (4.x).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import MAX_TENSORS, Match, Reading
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.folders import config, describe, peek
from dnnbox.checkpoints.opening import Folder, shown
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_MODEL = "model.json"
_SIGNED = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool", "DT_STRING": "string", "DT_INT64": "int64",
           "DT_HALF": "float16", "DT_DOUBLE": "float64", "DT_UINT8": "uint8"}  # fmt: skip
_MAX_PORTS = 200


class TensorFlowJs:
    """Reads a TensorFlow.js model; every shard must be there with the bytes that its weights need."""

    def sniff(self, folder: Folder) -> Match | None:
        """model.json with a weightsManifest."""
        listed = isinstance(peek(folder, _MODEL).get("weightsManifest"), list)
        return Match(0.9, "model.json with a weightsManifest") if listed else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """List the weights, and what the model says of inputs and outputs."""
        reading.format, reading.framework = "tensorflow-js", "tensorflow"
        describe(folder, reading)
        model = plain.mapping(config(folder, _MODEL))
        for key in ("format", "generatedBy", "convertedBy"):
            if said := plain.text(model.get(key), 200):
                reading.metadata[key] = said
        for group in plain.mappings(model.get("weightsManifest")):
            _group(folder, group, reading)
        own = plain.mapping(model.get("userDefinedMetadata"))
        signature = plain.mapping(model.get("signature") or own.get("signature"))
        reading.io_hints = IoHints(_ports(signature.get("inputs")), _ports(signature.get("outputs")))
        topology = plain.mapping(model.get("modelTopology"))
        if "model_config" in topology:
            from dnnbox.checkpoints.keras_files import configuration

            configuration(topology["model_config"], reading, _MODEL)
        reading.scanned.append(_MODEL)


def _group(folder: Folder, group: Mapping[str, Any], reading: Reading) -> None:
    """List the weights of one group and hold its shards against them."""
    needed, is_known = 0, True
    for weight in plain.mappings(group.get("weights")):
        dtype, shape = plain.text(weight.get("dtype"), 40), plain.extents(weight.get("shape", []))
        stored = plain.text(plain.mapping(weight.get("quantization")).get("dtype"), 40) or dtype
        elements = prod(shape)
        if len(reading.tensors) >= MAX_TENSORS:
            raise Corrupt(f"{_MODEL} lists more than {MAX_TENSORS} weights")
        reading.add_tensor(plain.text(weight.get("name"), 1000), stored, shape)
        needed += size_bytes(stored, elements)
        is_known = is_known and bool(size_bytes(stored, elements) or not elements)
    listed = group.get("paths")
    paths = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    missing = [path for path in paths if not folder.has(path)]
    if missing:
        raise Corrupt(f"{shown(folder.root)} lacks {visible(missing[0], 120)}", hint="copy all files again")
    held = sum(folder.entries[path].size for path in paths)
    if is_known and held != needed:
        raise Corrupt(f"{shown(folder.root)}: the shards have {held} bytes, the weights need {needed}")


def _ports(fields: Any) -> tuple[IoField, ...]:
    found = []
    for name, about in list(plain.mapping(fields).items())[:_MAX_PORTS]:
        facts = plain.mapping(about)
        sizes = plain.mappings(plain.mapping(facts.get("tensorShape")).get("dim"))
        shape = tuple(_extent(size.get("size"), f"{name}_{axis}"[:200]) for axis, size in enumerate(sizes[:64]))
        dtype = plain.text(facts.get("dtype"), 40)
        found.append(IoField(name[:200], shape or None, _SIGNED.get(dtype, dtype), "observed", "signature"))
    return tuple(found)


def _extent(size: Any, name: str) -> int | str:
    """Return an extent; protobuf's JSON writes 64-bit numbers as text."""
    digits = str(size)
    return int(digits) if digits.isdecimal() and len(digits) < 16 else name
