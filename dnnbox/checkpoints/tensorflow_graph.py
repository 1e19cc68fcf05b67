"""Protobuf programs without a magic number: TensorFlow's frozen GraphDef (.pb) and Paddle's program (.pdmodel).

Source: tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto (2.21);
paddle/fluid/framework/framework.proto.
"""

from __future__ import annotations

from collections import Counter

from dnnbox.checkpoints.base import Match, Reading, open_shape
from dnnbox.checkpoints.opening import Bytes
from dnnbox.checkpoints.protobuf import Budget, Message, document, signed
from dnnbox.checkpoints.tensorflow_index import DTYPES
from dnnbox.errors import Corrupt, DnnboxError
from dnnbox.records.inspection import IoField, IoHints

_ACTING = frozenset(("ReadFile", "WriteFile", "PyFunc", "PyFuncStateless", "EagerPyFunc", "MatchingFiles"))
_PADDLE = {0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 20: "uint8",
           21: "int8", 22: "bfloat16", 23: "complex64", 24: "complex128"}  # fmt: skip
_FETCHED = ("feed", "fetch")
_MAX_PORTS = 200


def _first(data: Bytes) -> list[tuple[int, bool]] | None:
    """Return the fields of the first message of the file, or None where it does not start with one."""
    if data.head[:1] != b"\x0a":
        return None
    try:
        whole = Message(data, 0, data.size, Budget(2000))
        field = next(whole.fields())
        return [(item.number, item.is_bytes) for item in whole.message(field).fields()]
    except (DnnboxError, StopIteration):
        return None


class GraphDef:
    """Reads a frozen TensorFlow graph: placeholders, constants and operators."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: the file starts with a node of a name and an operator."""
        first = _first(data)
        is_node = first is not None and first[:2] == [(1, True), (2, True)] and all(n <= 7 for n, _ in first)
        return Match(0.55, "starts with a graph's node") if is_node else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the nodes."""
        reading.format, reading.framework = "tf-graph", "tensorflow"
        operators: Counter[str] = Counter()
        inputs: list[IoField] = []
        whole = document(data)
        for field in whole.fields():
            if field.number == 1 and field.is_bytes:
                _node(whole.message(field), operators, inputs, reading)
        if not operators:
            raise Corrupt("the file holds no graph")
        reading.metadata["operators"] = dict(operators.most_common(200))
        reading.io_hints = IoHints(inputs=tuple(inputs[:_MAX_PORTS]))
        reading.scanned.append("nodes")
        for name in sorted(_ACTING & operators.keys()):
            reading.worsen("dangerous")
            reading.find("danger", "program-io", "", f"the graph holds {name}, which reads, writes or calls")


def _node(message: Message, operators: Counter[str], inputs: list[IoField], reading: Reading) -> None:
    name, operator = "", ""
    attributes: dict[str, Message] = {}
    for field in message.fields():
        if field.number == 1:
            name = message.text(field, 500)
        elif field.number == 2:
            operator = message.text(field, 100)
        elif field.number == 5 and field.is_bytes and operator in ("Const", "Placeholder"):
            attributes.update(_attribute(message.message(field)))
    operators[operator] += 1
    if operator == "Const" and "value" in attributes:
        dtype, shape = _inside(attributes["value"], 8, 1, 2)
        if dtype != "string":
            reading.add_tensor(name, dtype, [max(extent, 0) for extent in shape])
    elif operator == "Placeholder":
        inputs.append(_placeholder(name, attributes))


def _attribute(entry: Message) -> dict[str, Message]:
    """Return one entry of the map of attributes."""
    key = ""
    for part in entry.fields():
        if part.number == 1:
            key = entry.text(part, 100)
        elif part.number == 2 and part.is_bytes:
            return {key: entry.message(part)}
    return {}


def _placeholder(name: str, attributes: dict[str, Message]) -> IoField:
    _, shape = _inside(attributes["shape"], 7, 0, 7) if "shape" in attributes else ("", ())
    kind = next((f.value for f in attributes["dtype"].fields() if f.number == 6), 0) if "dtype" in attributes else 0
    return IoField(name, open_shape(name, shape), DTYPES.get(kind, ""), "observed", "Placeholder")


def _inside(value: Message, number: int, dtype_field: int, shape_field: int) -> tuple[str, tuple[int, ...]]:
    """Return type and shape of an attribute: a tensor (8) that holds both, or a shape (7) itself."""
    dtype = ""
    shape: tuple[int, ...] = ()
    for field in value.fields():
        if field.number != number or not field.is_bytes:
            continue
        body = value.message(field)
        if shape_field == number:
            return "", _shape(body)
        for part in body.fields():
            if part.number == dtype_field and not part.is_bytes:
                dtype = DTYPES.get(part.value, f"type {part.value}")
            elif part.number == shape_field and part.is_bytes:
                shape = _shape(body.message(part))
    return dtype, shape


def _shape(message: Message) -> tuple[int, ...]:
    found: list[int] = []
    for item in message.fields():
        if item.number == 2 and item.is_bytes and len(found) < 64:
            body = message.message(item)
            found.append(next((signed(part.value) for part in body.fields() if part.number == 1), 0))
    return tuple(found)


class PaddleProgram:
    """Reads Paddle's .pdmodel: parameters, inputs and operators; the numbers are in the .pdiparams beside it."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: the file starts with a block of an index, a parent and variables."""
        first = _first(data)
        is_block = first is not None and first[:2] == [(1, False), (2, False)] and (3, True) in first
        return Match(0.55, "starts with a program's block") if is_block else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the blocks' variables and operators."""
        reading.format, reading.framework = "paddle-program", "paddle"
        parameters = data.path.with_suffix(".pdiparams")
        if parameters.is_file() and not parameters.is_symlink():
            reading.companions.append(parameters.name)
        operators: Counter[str] = Counter()
        fields: dict[str, IoField] = {}
        ports: dict[str, list[str]] = {"feed": [], "fetch": []}
        whole = document(data)
        for block in whole.fields():
            if block.number != 1 or not block.is_bytes:
                continue
            body = whole.message(block)
            for part in body.fields():
                if part.number == 3 and part.is_bytes:
                    _variable(body.message(part), fields, reading)
                elif part.number == 4 and part.is_bytes:
                    _operator(body.message(part), operators, ports)
        reading.metadata["operators"] = dict(operators.most_common(200))
        inputs, outputs = (tuple(fields[n] for n in ports[kind][:_MAX_PORTS] if n in fields) for kind in _FETCHED)
        reading.io_hints = IoHints(inputs=inputs, outputs=outputs)
        reading.scanned.append("variables and operators")
        reading.not_scanned.append("the .pdiparams beside it")


def _variable(message: Message, fields: dict[str, IoField], reading: Reading) -> None:
    name, persistable = "", False
    dtype = ""
    shape: tuple[int, ...] = ()
    for field in message.fields():
        if field.number == 1:
            name = message.text(field, 500)
        elif field.number == 3 and not field.is_bytes:
            persistable = bool(field.value)
        elif field.number == 2 and field.is_bytes:
            dtype, shape = _described(message.message(field))
    if persistable and name not in _FETCHED and dtype:
        reading.add_tensor(name, dtype, [max(extent, 0) for extent in shape])
    fields[name] = IoField(name, open_shape(name, shape), dtype, "observed", "program")


def _described(kind: Message) -> tuple[str, tuple[int, ...]]:
    """Return type and shape: VarType.lod_tensor (3) → tensor (1) → data_type (1) and dims (2)."""
    for field in kind.fields():
        if field.number == 3 and field.is_bytes:
            outer = kind.message(field)
            for inner in outer.fields():
                if inner.number == 1 and inner.is_bytes:
                    return described_tensor(outer.message(inner))
    return "", ()


def described_tensor(message: Message) -> tuple[str, tuple[int, ...]]:
    """Return type and extents of Paddle's TensorDesc."""
    dtype = ""
    shape: list[int] = []
    for field in message.fields():
        if field.number == 1 and not field.is_bytes:
            dtype = _PADDLE.get(field.value, f"type {field.value}")
        elif field.number == 2 and len(shape) < 64:
            shape.extend(signed(value) for value in message.numbers(field, 64))
    return dtype, tuple(shape)


def _operator(message: Message, operators: Counter[str], ports: dict[str, list[str]]) -> None:
    """Count an operator; ``feed`` names an input by its output, ``fetch`` an output by its input."""
    kind = ""
    sides: dict[int, list[str]] = {1: [], 2: []}
    for field in message.fields():
        if field.number == 3:
            kind = message.text(field, 100)
        elif field.number in sides and field.is_bytes:
            body = message.message(field)
            sides[field.number].extend(body.text(part, 500) for part in body.fields() if part.number == 2)
    operators[kind] += 1
    if kind in _FETCHED:
        ports[kind].extend(sides[2 if kind == "feed" else 1])
