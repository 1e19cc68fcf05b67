"""Models for boards in simple layouts: ncnn's and pnnx's text graphs, MNN, Darknet's weights.

Source: ncnn's param-and-model-file-structure; pnnx's ir.cpp; MNN schema/default/MNN.fbs; darknet src/parser.c.
"""

from __future__ import annotations

import re
from collections import Counter

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.flatbuffer import Buffer
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.errors import Corrupt, DnnboxError, InputLimit
from dnnbox.records.inspection import IoField, IoHints

_MAGIC = b"7767517"
_MAX_TEXT_BYTES = 8 << 20
_MAX_PORTS = 200
_ATTRIBUTE = re.compile(r"@(\w+)=\(([\d,]{0,200})\)(\w{1,8})")
_OPERAND = re.compile(r"#([\w.]{1,100})=\(([\d,?]{0,200})\)(\w{1,8})")
_TYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "bf16": "bfloat16", "i64": "int64", "i32": "int32",
          "i16": "int16", "i8": "int8", "u8": "uint8", "bool": "bool", "c64": "complex64"}  # fmt: skip
_DARKNET = ((0, 1, 0), (0, 2, 0), (0, 2, 5))
_MNN_OPERATORS, _MNN_OUTPUTS, _MNN_TENSORS, _MNN_INPUT = 3, 4, 7, 34


class TextGraph:
    """Reads ncnn's .param and pnnx's .pnnx.param: inputs, outputs, operators; of pnnx also the weights' shapes."""

    def sniff(self, data: Bytes) -> Match | None:
        """`7767517` in the first line."""
        return Match(0.95, "7767517") if re.match(rb"7767517\s", data.head) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read every line."""
        if data.size > _MAX_TEXT_BYTES:
            raise InputLimit(f"{shown(data.path)} has {data.size} bytes, too much for a text graph")
        lines = data.read(0, data.size).decode("utf-8", "replace").splitlines()
        rows = [line.split() for line in lines[2:] if line.strip()]
        counts = lines[1].split() if len(lines) > 1 else []
        if len(counts) != 2 or not counts[0].isdecimal() or len(rows) < int(counts[0]):
            raise Corrupt(f"{shown(data.path)} is cut short: fewer layers than its second line states")
        is_pnnx = any(row[0].startswith("pnnx.") for row in rows)
        reading.format, reading.framework = ("pnnx", "pnnx") if is_pnnx else ("ncnn-param", "ncnn")
        _graph(rows, reading)
        if is_pnnx:
            for row in rows:
                for name, shape, kind in _ATTRIBUTE.findall(" ".join(row)):
                    extents = [int(part) for part in shape.split(",") if part]
                    reading.add_tensor(f"{row[1]}.{name}", _TYPES.get(kind, kind), extents)
        reading.scanned.append("layers")
        weights = data.path.with_suffix(".bin")
        if weights.is_file() and not weights.is_symlink():
            reading.companions.append(weights.name)
        reading.not_scanned.append("the weights beside it (.bin)")


def _graph(rows: list[list[str]], reading: Reading) -> None:
    operators: Counter[str] = Counter()
    made: dict[str, IoField] = {}
    inputs: list[IoField] = []
    used: set[str] = set()
    for row in rows:
        if len(row) < 4 or not (row[2].isdecimal() and row[3].isdecimal()):
            raise Corrupt("a layer of the text graph lacks its name or its counts")
        operators[row[0]] += 1
        taken, given = int(row[2]), int(row[3])
        blobs, settings = row[4 : 4 + taken + given], row[4 + taken + given :]
        if len(blobs) < taken + given:
            raise Corrupt("a layer of the text graph lacks its blobs")
        shapes = {name: (shape, kind) for name, shape, kind in _OPERAND.findall(" ".join(settings))}
        for name in blobs[taken:]:
            made[name] = _port(name, shapes, settings if row[0] == "Input" else [])
        if row[0] in ("Input", "pnnx.Input"):
            inputs.extend(made[name] for name in blobs[taken:])
        if row[0] != "pnnx.Output":
            used.update(blobs[:taken])
    outputs = [port for name, port in made.items() if name not in used]
    reading.metadata["operators"] = dict(operators.most_common(200))
    reading.io_hints = IoHints(tuple(inputs[:_MAX_PORTS]), tuple(outputs[:_MAX_PORTS]))


def _port(name: str, shapes: dict[str, tuple[str, str]], settings: list[str]) -> IoField:
    """Return a blob: pnnx writes its shape, ncnn only width, height and channels of inputs."""
    shape, kind = shapes.get(name, ("", ""))
    extents: tuple[int | str, ...] = tuple(
        int(part) if part.isdecimal() else f"{name}_{axis}" for axis, part in enumerate(shape.split(",")) if part
    )
    sizes = dict(item.split("=", 1) for item in settings if "=" in item)
    if not extents:
        extents = tuple(int(sizes[key]) for key in ("2", "1", "0") if sizes.get(key, "").isdecimal())
    return IoField(name[:200], extents or None, _TYPES.get(kind, kind), "observed", "graph")


class Mnn:
    """Reads MNN: names of tensors, inputs and outputs; weights and the shapes in between are passed over."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: a file named .mnn whose FlatBuffer has operators and tensor names."""
        if not data.name.lower().endswith(".mnn"):
            return None
        try:
            net = Buffer(data).root()
            found = bool(net.texts(_MNN_TENSORS, 3)) and next(net.tables(_MNN_OPERATORS), None) is not None
        except DnnboxError:
            return None
        return Match(0.9, "an MNN net") if found else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the operators."""
        reading.format, reading.framework = "mnn", "mnn"
        net = Buffer(data).root()
        reading.metadata["tensor_names"] = [name[:200] for name in net.texts(_MNN_TENSORS, 1000)]
        inputs: list[IoField] = []
        reading.metadata["operators"] = 0
        for operator in net.tables(_MNN_OPERATORS):
            reading.metadata["operators"] += 1
            about = operator.table(2) if operator.number(5) == _MNN_INPUT else None
            if about is not None and len(inputs) < _MAX_PORTS:
                dims = about.numbers(0, limit=32)
                named = tuple(f"axis_{axis}" if extent < 0 else extent for axis, extent in enumerate(dims))
                inputs.append(IoField(operator.text(3)[:200], named or None, "", "observed", "graph"))
        outputs = tuple(IoField(name[:200], source="graph") for name in net.texts(_MNN_OUTPUTS, _MAX_PORTS))
        reading.io_hints = IoHints(tuple(inputs), outputs)
        reading.scanned.append("names")
        reading.not_scanned.append("weights and shapes")


class Darknet:
    """Names Darknet's .weights; their shapes are in the .cfg only."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: a file named .weights with a known version, and floats behind it."""
        if not data.name.lower().endswith(".weights") or data.size < 16:
            return None
        version = tuple(int.from_bytes(data.head[at : at + 4], "little") for at in (0, 4, 8))
        start = 20 if version[1] >= 2 else 16
        return Match(0.9, "Darknet's version") if version in _DARKNET and (data.size - start) % 4 == 0 else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Count the numbers."""
        reading.format, reading.framework = "darknet", "darknet"
        wide = int.from_bytes(data.head[4:8], "little") >= 2
        reading.metadata["images_seen"] = int.from_bytes(data.head[12 : 20 if wide else 16], "little")
        reading.add_tensor("weights", "float32", [(data.size - (20 if wide else 16)) // 4])
        reading.scanned.append("version")
        reading.not_scanned.append("names and shapes: they are in the .cfg")
