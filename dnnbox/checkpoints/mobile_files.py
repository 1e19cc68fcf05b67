"""Models for phones and boards that are FlatBuffers: TFLite (and Circle), ONNX Runtime's .ort, ExecuTorch.

Source: tensorflow/lite/schema/schema.fbs (v3), onnxruntime/core/flatbuffers/schema/ort.fbs, executorch
schema/program.fbs (ET12). The numbers of weights are passed over.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dnnbox.checkpoints.base import Match, Reading, open_shape
from dnnbox.checkpoints.flatbuffer import Buffer, Table
from dnnbox.checkpoints.opening import Bytes
from dnnbox.errors import Corrupt, DnnboxError
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_TFLITE = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64",
    "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16", "int2", "uint4",
    "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
_ORT = (
    "", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64",
    "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz",
)  # fmt: skip
_TORCH = (
    "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex32", "complex64",
    "complex128", "bool", "qint8", "quint8", "qint32", "bfloat16",
)  # fmt: skip
_MAX_PARTS = 1000
_MAX_TENSORS = 1_000_000
_MAX_LABELS = 50_000
_LABELS = re.compile(r"label|class", re.IGNORECASE)


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"type {number}"


class TfLite:
    """Reads .tflite: weights, inputs and outputs of the first graph, signatures, labels of an appended zip."""

    def sniff(self, data: Bytes) -> Match | None:
        """The file identifier."""
        return Match(1.0, "TFL3") if data.head[4:8] in (b"TFL3", b"CIR0") else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the graphs."""
        is_circle = data.head[4:8] == b"CIR0"
        reading.format, reading.framework = ("circle", "one") if is_circle else ("tflite", "tflite")
        model = Buffer(data).root()
        reading.metadata["schema_version"] = model.number(0, "I")
        reading.metadata["description"] = model.text(3)[:500]
        filled = [_stored(data, buffer) for buffer in model.tables(4)]
        graphs = []
        for number, graph in enumerate(model.tables(2)):
            tensors = list(graph.tables(0))
            graphs.append((graph, tensors))
            if number >= _MAX_PARTS or len(tensors) > _MAX_TENSORS:
                raise Corrupt(f"a TFLite file of more than {_MAX_PARTS} graphs")
            _weights(tensors, filled, reading)
        if not graphs:
            raise Corrupt("the TFLite file holds no graph")
        inputs, outputs = (_ports(graphs[0][1], graphs[0][0].numbers(field)) for field in (1, 2))
        reading.io_hints = IoHints(inputs=inputs, outputs=outputs)
        _signatures(model, graphs, reading)
        custom = [text for code in model.tables(1) if (text := code.text(1))]
        if custom:
            reading.metadata["custom_operators"] = custom[:200]
            names = visible(", ".join(custom), 160)
            reading.find("info", "custom-operators", "", f"the interpreter needs operators of its own: {names}")
        reading.metadata["metadata_names"] = [part.text(0)[:200] for part in model.tables(6)][:50]
        reading.scanned.append("graphs, tensors, signatures")
        _appended(data, reading)


def _stored(data: Bytes, buffer: Table) -> bool:
    """Whether a buffer holds numbers: inside the FlatBuffer, or behind it for files of more than 2 GB."""
    offset, size = buffer.number(1, "Q"), buffer.number(2, "Q")
    if offset > 1 and offset + size > data.size:
        raise Corrupt(f"a TFLite buffer ends at {offset + size}, the file has {data.size} bytes")
    return buffer.bytes_count(0) > 0 or (offset > 1 and size > 0)


def _weights(tensors: list[Table], filled: list[bool], reading: Reading) -> None:
    for tensor in tensors:
        number = tensor.number(2, "I")
        if number >= len(filled):
            raise Corrupt(f"a TFLite tensor refers to buffer {number} of {len(filled)}")
        if filled[number]:
            shape = [max(extent, 0) for extent in tensor.numbers(0)]
            reading.add_tensor(tensor.text(3), _name(_TFLITE, tensor.number(1, "b")), shape, storage=number, view=0)


def _ports(tensors: list[Table], numbers: tuple[int, ...]) -> tuple[IoField, ...]:
    found = []
    for number in numbers[:_MAX_PARTS]:
        if not 0 <= number < len(tensors):
            raise Corrupt(f"a TFLite graph refers to tensor {number} of {len(tensors)}")
        tensor = tensors[number]
        name = tensor.text(3)
        extents = tensor.numbers(7) or tensor.numbers(0)
        found.append(
            IoField(name, open_shape(name, extents), _name(_TFLITE, tensor.number(1, "b")), "observed", "graph")
        )
    return tuple(found)


def _signatures(model: Table, graphs: list[tuple[Table, list[Table]]], reading: Reading) -> None:
    """Names of signatures are what callers use: they replace those of the graph's tensors."""
    kept: dict[str, IoHints] = {}
    for entry in model.tables(7):
        number = entry.number(4, "I")
        if number >= len(graphs) or len(kept) >= _MAX_PARTS:
            raise Corrupt(f"a TFLite signature refers to graph {number} of {len(graphs)}")
        tensors = graphs[number][1]
        inputs, outputs = (_named(entry, field, tensors) for field in (0, 1))
        kept[entry.text(2)[:200]] = IoHints(inputs=inputs, outputs=outputs)
    if kept:
        reading.metadata["signatures"] = list(kept)
        reading.io_hints = kept.get("serving_default") or next(iter(kept.values()))


def _named(entry: Table, field: int, tensors: list[Table]) -> tuple[IoField, ...]:
    pairs = [(part.text(0), part.number(1, "I")) for part in entry.tables(field)]
    ports = _ports(tensors, tuple(number for _, number in pairs))
    return tuple(replace(port, name=name, source="signature") for port, (name, _) in zip(ports, pairs, strict=False))


def _appended(data: Bytes, reading: Reading) -> None:
    """Read the labels from a zip behind the model, as TFLite's metadata writer leaves it."""
    if data.up_to(max(0, data.size - 22), 4) != b"PK\x05\x06":
        return
    try:
        archive = data.archive
        reading.metadata["associated_files"] = list(archive.members)[:200]
        for name in archive.members:
            if name.endswith(".txt") and (_LABELS.search(name) or len(archive.members) == 1):
                lines = archive.read(name, 8 << 20).decode("utf-8", "replace").splitlines()[:_MAX_LABELS]
                reading.io_hints = replace(reading.io_hints, labels=tuple(line.strip()[:500] for line in lines))
                reading.scanned.append(visible(name, 120))
                return
    except DnnboxError as error:
        reading.find("warning", "odd-container", "appended zip", error.what)


class OnnxRuntimeFile:
    """Reads .ort, ONNX Runtime's own format: initialisers, inputs, outputs, operators."""

    def sniff(self, data: Bytes) -> Match | None:
        """The file identifier."""
        return Match(1.0, "ORTM") if data.head[4:8] == b"ORTM" else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read initialisers, inputs and outputs."""
        reading.format, reading.framework = "onnxruntime-ort", "onnxruntime"
        session = Buffer(data).root()
        model = session.table(1)
        graph = model.table(7) if model else None
        if model is None or graph is None:
            raise Corrupt("the .ort file holds no graph")
        reading.metadata["ort_version"] = session.text(0)[:100]
        reading.metadata["producer"] = f"{model.text(2)} {model.text(3)}".strip()[:200]
        reading.metadata["opsets"] = {part.text(0)[:100] or "ai.onnx": part.number(1, "q") for part in model.tables(1)}
        properties = {part.text(0)[:200]: part.text(1) for part in model.tables(9)}
        if properties:
            reading.metadata["metadata_props"] = properties
        initialisers = set()
        for tensor in graph.tables(0):
            name, shape = tensor.text(0), [max(extent, 0) for extent in tensor.numbers(2, "q", 64)]
            initialisers.add(name)
            tensor.bytes_count(4)
            reading.add_tensor(name, _name(_ORT, tensor.number(3)), shape)
        values = {value.text(0): value for value in graph.tables(1)}
        inputs = [name for name in graph.texts(5) if name not in initialisers]
        reading.io_hints = IoHints(_values(inputs, values), _values(graph.texts(6), values))
        operators: dict[str, int] = {}
        for node in graph.tables(2):
            operators[node.text(5)[:100]] = operators.get(node.text(5)[:100], 0) + 1
        reading.metadata["operators"] = dict(sorted(operators.items(), key=lambda item: -item[1])[:200])
        reading.scanned.append("graph, initialisers, inputs and outputs")


def _values(names: list[str], values: dict[str, Table]) -> tuple[IoField, ...]:
    found = []
    for name in names[:_MAX_PARTS]:
        kind = values[name].table(2) if name in values else None
        tensor = kind.table(2) if kind and kind.number(1, "B") == 1 else None
        shape = tensor.table(1) if tensor else None
        extents = tuple(_extent(part, f"{name}_{axis}") for axis, part in enumerate(shape.tables(0))) if shape else None
        found.append(IoField(name, extents, _name(_ORT, tensor.number(0)) if tensor else "", "observed", "graph"))
    return tuple(found)


def _extent(dimension: Table, name: str) -> int | str:
    value = dimension.table(0)
    kind = value.number(0, "b") if value else 0
    if value is None or kind == 0:
        return name
    return value.number(1, "q") if kind == 1 else value.text(2)[:200] or name


class ExecuTorch:
    """Reads .pte: constants of the methods, inputs and outputs of ``forward`` or the first method, backends."""

    def sniff(self, data: Bytes) -> Match | None:
        """The file identifier."""
        return Match(1.0, "ET12") if data.head[4:8] in (b"ET12", b"ET11") else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the execution plans."""
        reading.format, reading.framework = "executorch", "executorch"
        program = Buffer(data).root()
        reading.metadata["version"] = program.number(0, "I")
        methods: dict[str, IoHints] = {}
        backends: list[str] = []
        for plan in program.tables(1):
            values = [_tensor_of(value) for value in plan.tables(2)]
            _constants(values, reading)
            inputs, outputs = (_plan_ports(values, plan.numbers(field)) for field in (3, 4))
            methods[plan.text(0)[:200]] = IoHints(inputs=inputs, outputs=outputs)
            backends.extend(part.text(0)[:200] for part in plan.tables(7))
            if len(methods) > _MAX_PARTS:
                raise Corrupt(f"an ExecuTorch file of more than {_MAX_PARTS} methods")
        if not methods:
            raise Corrupt("the ExecuTorch file holds no method")
        reading.metadata["methods"] = list(methods)
        reading.io_hints = methods.get("forward") or next(iter(methods.values()))
        if backends:
            reading.metadata["backends"] = list(dict.fromkeys(backends))[:100]
            names = visible(", ".join(dict.fromkeys(backends)), 160)
            reading.find("info", "delegates", "", f"parts of the model are compiled for {names}; they were not read")
            reading.not_scanned.append("data of the backends")
        reading.scanned.append("methods, values, delegates")


def _tensor_of(value: Table) -> Table | None:
    """Return the tensor of a value: the union's fifth kind."""
    return value.table(1) if value.number(0, "B") == 5 else None


def _constants(values: list[Table | None], reading: Reading) -> None:
    for number, tensor in enumerate(values):
        if tensor is None or not (buffer := tensor.number(5, "I")):
            continue
        extra = tensor.table(9)
        name = (extra.text(1) if extra else "") or f"value_{number}"
        shape = [max(extent, 0) for extent in tensor.numbers(2)]
        reading.add_tensor(name, _name(_TORCH, tensor.number(0, "b")), shape, storage=(buffer, name))


def _plan_ports(values: list[Table | None], numbers: tuple[int, ...]) -> tuple[IoField, ...]:
    found = []
    for position, number in enumerate(numbers[:_MAX_PARTS]):
        if not 0 <= number < len(values):
            raise Corrupt(f"an ExecuTorch method refers to value {number} of {len(values)}")
        tensor = values[number]
        if tensor is None:
            found.append(IoField(f"value_{position}", status="observed", source="method"))
            continue
        static = tensor.number(8, "b") == 0
        shape = tuple(extent if static else f"up to {extent}" for extent in tensor.numbers(2))
        found.append(IoField(f"value_{position}", shape, _name(_TORCH, tensor.number(0, "b")), "observed", "method"))
    return tuple(found)
