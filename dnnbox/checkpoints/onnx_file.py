"""ONNX: a protobuf without a magic number; weights are passed over. Source: onnx.proto3 (IR version 13, onnx 1.23)."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from pathlib import Path, PurePosixPath

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.opening import Bytes, FileBytes, shown
from dnnbox.checkpoints.protobuf import Budget, Field, Message, document, signed
from dnnbox.errors import Corrupt, DnnboxError, UnsafeCheckpoint
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_DTYPES = (
    "", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64",
    "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "uint4", "int4", "float4_e2m1fn", "float8_e8m0fnu", "uint2", "int2",
)  # fmt: skip
_STANDARD_DOMAINS = frozenset(("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"))
_KNOWN_DOMAINS = _STANDARD_DOMAINS | {"com.microsoft", "com.microsoft.nchwc", "pkg.onnxscript.torch_lib"}
_MAX_OPERATORS = 200
_MAX_GRAPH_DEPTH = 16
_LARGE_CONSTANT_BYTES = 256  # smaller constants are shapes and axes, not weights
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _DOMAIN, _MODEL_VERSION, _DOC, _GRAPH, _OPSETS, _FUNCTIONS = (
    1, 2, 3, 4, 5, 6, 7, 8, 25,
)  # fmt: skip
_METADATA = 14


def dtype_name(code: int) -> str:
    """Return torch's name for a TensorProto data type."""
    return _DTYPES[code] if 0 < code < len(_DTYPES) else f"onnx type {code}"


@dataclass
class _Tensor:
    name: str = ""
    dtype: str = ""
    shape: list[int] = field(default_factory=list)
    location: str = ""
    offset: int = 0
    length: int | None = None
    inline: int = 0


@dataclass
class _Graph:
    name: str = ""
    operators: Counter[str] = field(default_factory=Counter)
    initialisers: list[_Tensor] = field(default_factory=list)
    inputs: list[IoField] = field(default_factory=list)
    outputs: list[IoField] = field(default_factory=list)


class Onnx:
    """Reads an ONNX model's signature, initialisers, operators and metadata."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: the first fields must be those of a ModelProto, with the graph's length inside reason."""
        head = data.head
        if len(head) < 4 or head[0] not in (0x08, 0x12, 0x3A):
            return None
        seen: set[int] = set()
        try:
            for item in Message(data, 0, data.size, Budget(64)).fields():
                if not _plausible(item):
                    return None
                seen.add(item.number)
                if item.number == _GRAPH:
                    break
        except DnnboxError:
            pass  # cut short: what was seen before decides
        return _match(seen, head, data)

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the model once."""
        reading.format, reading.framework = "onnx", "onnx"
        model, graph = document(data), None
        about: dict[str, object] = {}
        opsets: dict[str, int] = {}
        properties: dict[str, str] = {}
        for item in model.fields():
            if item.number == _GRAPH and item.is_bytes:
                graph = _graph(model.message(item))
            elif item.number == _OPSETS and item.is_bytes:
                domain, version = _opset(model.message(item))
                opsets[domain] = version
            elif item.number == _METADATA and item.is_bytes:
                key, value = _pair(model.message(item))
                properties[key] = value
            else:
                _about(model, item, about)
        if graph is None:
            raise Corrupt(f"{shown(data.path)} is an ONNX file without a graph, or cut short")
        reading.metadata.update(about, opset_import=opsets, metadata_props=properties, graph=graph.name)
        reading.metadata["operators"] = dict(graph.operators.most_common(_MAX_OPERATORS))
        reading.scanned.append("model, graph, initialisers without their numbers")
        _report(graph, data, reading)
        _note_domains(opsets, graph, reading)


def _match(seen: set[int], head: bytes, data: Bytes) -> Match | None:
    if _GRAPH in seen and (_IR_VERSION in seen or _OPSETS in seen):
        return Match(1.0 if _IR_VERSION in seen else 0.8, "protobuf with an IR version and a graph")
    named = data.name.lower().endswith(".onnx")
    if head[0] == 0x08 and _IR_VERSION in seen and (named or _PRODUCER in seen):
        return Match(0.6, "starts like an ONNX model")
    return None


def _plausible(item: Field) -> bool:
    if item.number == _IR_VERSION:
        return not item.is_bytes and 0 < item.value < 1000
    if item.number in (_PRODUCER, _PRODUCER_VERSION, _DOMAIN, _DOC, _GRAPH, _OPSETS, _METADATA, 20, _FUNCTIONS, 26):
        return item.is_bytes
    return item.number == _MODEL_VERSION and not item.is_bytes


def _about(model: Message, item: Field, about: dict[str, object]) -> None:
    names = {_PRODUCER: "producer_name", _PRODUCER_VERSION: "producer_version", _DOMAIN: "domain", _DOC: "doc_string"}
    if item.number == _IR_VERSION:
        about["ir_version"] = item.value
    elif item.number == _MODEL_VERSION:
        about["model_version"] = signed(item.value)
    elif item.number in names:
        about[names[item.number]] = model.text(item, 4000)


def _opset(message: Message) -> tuple[str, int]:
    domain, version = "", 0
    for item in message.fields():
        if item.number == 1:
            domain = message.text(item, 200)
        elif item.number == 2:
            version = signed(item.value)
    return domain, version


def _pair(message: Message) -> tuple[str, str]:
    found = {item.number: message.text(item, 20_000) for item in message.fields()}
    return found.get(1, "")[:200], found.get(2, "")


def _graph(message: Message, depth: int = 0) -> _Graph:
    graph = _Graph()
    for item in message.fields():
        if item.number == 1:
            _node(message.message(item), graph, depth)
        elif item.number == 2:
            graph.name = message.text(item, 500)
        elif item.number == 5 and item.is_bytes:
            graph.initialisers.append(_tensor(message.message(item)))
        elif item.number == 15 and item.is_bytes:
            graph.initialisers.append(_sparse(message.message(item)))
        elif item.number == 11:
            graph.inputs.append(_value(message.message(item)))
        elif item.number == 12:
            graph.outputs.append(_value(message.message(item)))
    return graph


def _node(message: Message, graph: _Graph, depth: int) -> None:
    """Count the operator; take in large constants and the graphs of branches and loops."""
    kind, domain, output = "", "", ""
    attributes: list[Field] = []
    for item in message.fields():
        if item.number == 2 and not output:
            output = message.text(item, 2000)
        elif item.number == 4:
            kind = message.text(item, 100)
        elif item.number == 5 and item.is_bytes:
            attributes.append(item)
        elif item.number == 7:
            domain = message.text(item, 100)
    graph.operators[f"{domain}::{kind}" if domain not in ("", "ai.onnx") else kind] += 1
    for attribute in attributes:
        _attribute(message.message(attribute), graph, output if kind == "Constant" else "", depth)


def _attribute(message: Message, graph: _Graph, constant: str, depth: int) -> None:
    for item in message.fields():
        if item.number == 5 and constant and item.is_bytes:
            tensor = _tensor(message.message(item))
            tensor.name = constant
            if tensor.location or tensor.inline >= _LARGE_CONSTANT_BYTES:
                graph.initialisers.append(tensor)
        elif item.number in (6, 11) and item.is_bytes:
            if depth >= _MAX_GRAPH_DEPTH:
                raise Corrupt(f"graphs inside graphs, more than {_MAX_GRAPH_DEPTH} deep")
            inner = _graph(message.message(item), depth + 1)
            graph.operators.update(inner.operators)
            graph.initialisers.extend(inner.initialisers)


def _tensor(message: Message) -> _Tensor:
    tensor = _Tensor()
    for item in message.fields():
        if item.number == 1:
            tensor.shape.extend(signed(value) for value in message.numbers(item))
        elif item.number == 2:
            tensor.dtype = dtype_name(item.value)
        elif item.number == 8:
            tensor.name = message.text(item, 2000)
        elif item.number == 9 and item.is_bytes:
            tensor.inline = item.end - item.value
        elif item.number == 13:
            _external(_pair(message.message(item)), tensor)
    if len(tensor.shape) > 64 or any(extent < 0 for extent in tensor.shape):
        raise Corrupt(f"initialiser {visible(tensor.name, 100)} has an impossible shape")
    return tensor


def _external(pair: tuple[str, str], tensor: _Tensor) -> None:
    key, value = pair
    if key == "location":
        tensor.location = value
    elif key in ("offset", "length"):
        if not value.isdecimal() or len(value) > 18:
            raise UnsafeCheckpoint(f"initialiser {visible(tensor.name, 100)} states an impossible {key} of its data")
        setattr(tensor, key, int(value))


def _sparse(message: Message) -> _Tensor:
    tensor = _Tensor()
    for item in message.fields():
        if item.number == 1:
            tensor = _tensor(message.message(item))
        elif item.number == 3:
            tensor.shape = [signed(value) for value in message.numbers(item)]
    return tensor


def _value(message: Message) -> IoField:
    name, dtype = "", ""
    shape: tuple[int | str, ...] | None = None
    for item in message.fields():
        if item.number == 1:
            name = message.text(item, 500)
        elif item.number == 2 and item.is_bytes:
            dtype, shape = _type(message.message(item))
    # A dimension without a name may vary on its own: it must not share a name with another value's.
    named = tuple(extent if extent != "" else f"{name}_{axis}" for axis, extent in enumerate(shape or ()))
    return IoField(name, None if shape is None else named, dtype, "observed", "the graph")


def _type(message: Message) -> tuple[str, tuple[int | str, ...] | None]:
    """Return type and shape of a TypeProto; sequences, maps and optionals are named and have no shape."""
    kinds = {4: "sequence", 5: "map", 9: "optional", 8: "sparse tensor"}
    for item in message.fields():
        if item.number == 1 and item.is_bytes:
            return _tensor_type(message.message(item))
        if item.number in kinds:
            return kinds[item.number], None
    return "", None


def _tensor_type(message: Message) -> tuple[str, tuple[int | str, ...] | None]:
    dtype = ""
    shape: tuple[int | str, ...] | None = None
    for item in message.fields():
        if item.number == 1:
            dtype = dtype_name(item.value)
        elif item.number == 2 and item.is_bytes:
            inner = message.message(item)
            shape = tuple(_dimension(inner.message(part)) for part in _dimensions(inner))
    return dtype, shape


def _dimensions(message: Message) -> list[Field]:
    found = [item for item in message.fields() if item.number == 1 and item.end]
    if len(found) > 64:
        raise Corrupt("a value has more than 64 dimensions")
    return found


def _dimension(message: Message) -> int | str:
    """Return an extent, a name, or "" for a dimension of which nothing is said."""
    for item in message.fields():
        if item.number == 1 and not item.is_bytes:
            return signed(item.value)
        if item.number == 2:
            return message.text(item, 100)
    return ""


def _report(graph: _Graph, data: Bytes, reading: Reading) -> None:
    names = {tensor.name for tensor in graph.initialisers}
    inputs = tuple(item for item in graph.inputs if item.name not in names)
    reading.io_hints = IoHints(inputs=inputs, outputs=tuple(graph.outputs))
    locations: dict[str, int] = {}
    for tensor in graph.initialisers:
        wanted = size_bytes(tensor.dtype, prod(tensor.shape))
        if tensor.location:
            end = tensor.offset + (tensor.length if tensor.length is not None else wanted)
            locations[tensor.location] = max(locations.get(tensor.location, 0), end)
        elif wanted and tensor.inline and tensor.inline != wanted:
            raise Corrupt(f"initialiser {visible(tensor.name, 100)} has {tensor.inline} bytes, expected {wanted}")
        reading.add_tensor(tensor.name, tensor.dtype, tensor.shape, file=tensor.location)
    for location, needed in locations.items():
        reading.companions.append(_companion(data, location, needed))


def _companion(data: Bytes, location: str, needed: int) -> str:
    """Return a file of external data, held against what the model needs of it; outside the directory is refused."""
    parts = PurePosixPath(location).parts
    if not location or location.startswith("/") or ".." in parts or "\\" in location or "\0" in location:
        raise UnsafeCheckpoint(
            f"{shown(data.path)} wants its weights from {visible(location, 120)}, outside its own directory",
            hint="do not run this file",
        )
    folder = data.path.parent
    target = Path(os.path.realpath(folder / location))
    if not target.is_relative_to(os.path.realpath(folder)):
        raise UnsafeCheckpoint(f"{shown(data.path)}: {visible(location, 120)} is a link out of its directory")
    with FileBytes(target) as found:
        if found.size < needed:
            raise Corrupt(f"{visible(location, 120)} is cut short: {needed} bytes are needed, it has {found.size}")
    return location


def _note_domains(opsets: dict[str, int], graph: _Graph, reading: Reading) -> None:
    used = {name.partition("::")[0] for name in graph.operators if "::" in name}
    for domain in sorted(used - _KNOWN_DOMAINS):
        text = f"operators of the domain {visible(domain, 80)}: a custom operator library may be needed"
        reading.find("info", "custom-operators", "graph", text)
    if not opsets:
        reading.find("warning", "no-opset", "model", "the model states no operator set")
