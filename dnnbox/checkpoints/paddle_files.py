"""Paddle 3's JSON program, the combined parameters of Paddle 2 and 3 (.pdiparams), and a directory of both.

Source: paddle/fluid/pir/serialize_deserialize (3.3) and paddle/fluid/framework/lod_tensor.cc: SerializeToStream. The
.pdmodel of Paddle 2 is read by tensorflow_graph.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading, open_shape
from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.folders import describe
from dnnbox.checkpoints.opening import Bytes, Folder, Part, shown
from dnnbox.checkpoints.protobuf import Budget, Message
from dnnbox.checkpoints.tensorflow_graph import described_tensor
from dnnbox.errors import Corrupt, DnnboxError, InputLimit
from dnnbox.records.inspection import IoField, IoHints

_PROGRAM = re.compile(rb'\A\s*\{\s*"base_code"\s*:\s*\{')
_TYPES = {"bool": "bool", "i8": "int8", "ui8": "uint8", "i16": "int16", "i32": "int32", "i64": "int64",
          "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64", "c64": "complex64",
          "c128": "complex128", "f8e4m3fn": "float8_e4m3fn", "f8e5m2": "float8_e5m2"}  # fmt: skip
_DIALECTS = {"0": "builtin", "1": "pd_op", "2": "cf", "3": "custom_op", "4": "pd_dist"}
_PARAMETER = "p"
_PROGRAMS = (".json", ".pdmodel")
_PARAMETERS = ".pdiparams"
_MAX_DEPTH = 32
_MAX_PORTS = 200
_MAX_DESCRIPTION_BYTES = 4096
Object = Mapping[str, Any]


class PaddleJson:
    """Reads Paddle 3's program: parameters, inputs, outputs, operators; the numbers are in the .pdiparams beside it."""

    def sniff(self, data: Bytes) -> Match | None:
        """JSON whose first key is `base_code`."""
        return Match(0.95, "base_code") if _PROGRAM.match(data.head) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the operators."""
        reading.format, reading.framework = "paddle-program", "paddle"
        if data.size > plain.MAX_DOCUMENT_BYTES:
            raise InputLimit(f"{shown(data.path)}: {data.size} bytes of JSON, at most {plain.MAX_DOCUMENT_BYTES}")
        document = plain.mapping(plain.loads(data.read(0, data.size), shown(data.path)))
        reading.metadata["version"] = plain.bounded(plain.mapping(document.get("base_code")).get("version"))
        parameters = data.path.with_suffix(_PARAMETERS)
        if parameters.is_file() and not parameters.is_symlink():
            reading.companions.append(parameters.name)
        operators: Counter[str] = Counter()
        inputs: list[IoField] = []
        outputs: list[IoField] = []
        for operator in _operators(plain.mapping(document.get("program")), 0):
            kind = plain.text(operator.get("#"), 100)
            if kind == _PARAMETER:
                _parameter(operator, reading)
                continue
            dialect, _, name = kind.partition(".")
            operators[f"{_DIALECTS.get(dialect, dialect)}.{name}"] += 1
            if name in ("data", "fetch") and dialect == "1":
                (inputs if name == "data" else outputs).append(_port(operator))
        if not operators:
            raise Corrupt(f"{shown(data.path)}: Paddle's program holds no operators")
        reading.metadata["operators"] = dict(operators.most_common(200))
        reading.io_hints = IoHints(tuple(inputs[:_MAX_PORTS]), tuple(outputs[:_MAX_PORTS]))
        reading.scanned.append("operators")
        reading.not_scanned.append("the .pdiparams beside it")


def _operators(holder: Object, depth: int) -> Iterator[Object]:
    """Yield the operators of every block, those of branches and loops after the operator that holds them."""
    for region in plain.mappings(holder.get("regions")) if depth <= _MAX_DEPTH else ():
        for block in plain.mappings(region.get("blocks")):
            for operator in plain.mappings(block.get("ops")):
                yield operator
                yield from _operators(operator, depth + 1)


def _parameter(operator: Object, reading: Reading) -> None:
    """Report a parameter: its name stands last among the attributes, its type at the result."""
    attributes = operator.get("A")
    named = [item for item in attributes if isinstance(item, str)] if isinstance(attributes, list) else []
    dtype, shape = _type(plain.mapping(operator.get("O")))
    if not named:
        raise Corrupt("a parameter of Paddle's program has no name")
    reading.add_tensor(named[-1][:500], dtype, [max(extent, 0) for extent in shape])


def _type(result: Object) -> tuple[str, tuple[int, ...]]:
    """Return type and extents of a result: ``TT`` → ``D`` → [element type, extents, layout …]."""
    about = plain.mapping(result.get("TT")).get("D")
    if not isinstance(about, list) or len(about) < 2 or not isinstance(about[1], list):
        return "", ()
    name = plain.text(plain.mapping(about[0]).get("#"), 60).rpartition("_")[2]
    return _TYPES.get(name, name), tuple(item for item in about[1][:64] if type(item) is int)


def _port(operator: Object) -> IoField:
    results = operator.get("O")
    first = results[0] if isinstance(results, list) and results else results
    dtype, shape = _type(plain.mapping(first))
    name = next(
        (plain.text(plain.mapping(item.get("AT")).get("D"), 200) for item in plain.mappings(operator.get("A"))
         if item.get("N") == "name"), "",
    )  # fmt: skip
    return IoField(name, open_shape(name, shape), dtype, "observed", "program")


class PaddleParameters:
    """Reads a lone .pdiparams: types and shapes in order; the names are in the program."""

    def sniff(self, data: Bytes) -> Match | None:
        """16 zeros, then a description of a tensor."""
        try:
            found = not data.head[:16].strip(b"\0") and next(_tensors(data), None) is not None
        except DnnboxError:
            return None
        return Match(0.8, "a described tensor") if found else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Walk the tensors; each must lie in the file."""
        reading.format, reading.framework = "paddle-parameters", "paddle"
        for number, (dtype, shape) in enumerate(_tensors(data)):
            reading.add_tensor(f"parameter {number}", dtype, shape)
        reading.scanned.append("types and shapes")
        reading.not_scanned.append("names: they are in the program (.json or .pdmodel)")


def _tensors(data: Bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield type and shape of each tensor of a combined file."""
    cursor = Cursor(data)
    while cursor.left:
        if cursor.u32():
            raise cursor.corrupt("a tensor of an unknown version")
        for _ in range(min(cursor.u64(), cursor.left)):
            cursor.skip(cursor.u64())  # a level of sequence lengths
        version, length = cursor.u32(), cursor.u32()
        if version or not 0 < length <= min(_MAX_DESCRIPTION_BYTES, cursor.left):
            raise cursor.corrupt("a tensor without a description")
        part = Part(data, cursor.offset, length, "description")
        dtype, extents = described_tensor(Message(part, 0, length, Budget(100)))
        elements = prod(extents)
        expected = size_bytes(dtype, elements)
        if (not expected and elements) or any(extent < 0 for extent in extents):
            raise cursor.corrupt(f"a tensor of type {dtype or 'none'} and shape {list(extents)}")
        cursor.skip(length)
        cursor.skip(expected)
        yield dtype, extents


class PaddleDirectory:
    """Reads a directory of a program and its .pdiparams, which must hold what the program names."""

    def sniff(self, folder: Folder) -> Match | None:
        """A program and parameters of the same name."""
        found = _pair(folder)
        return Match(0.7, found[0]) if found else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read the program and hold the parameters against it."""
        from dnnbox.checkpoints import read_file

        found = _pair(folder)
        if found is None:
            raise Corrupt("the directory changed while it was read")
        program, parameters = found
        with folder.open(program) as data:
            part = read_file(data)
        reading.format, reading.framework = "paddle", "paddle"
        describe(folder, reading)
        reading.absorb(part, program)
        reading.not_scanned.clear()
        reading.metadata.update(part.metadata)
        reading.io_hints = part.io_hints
        for tensor in part.tensors:
            reading.add_tensor(tensor.name, tensor.dtype, tensor.shape, file=parameters)
        with folder.open(parameters) as data:
            stored = sorted(_tensors(data))
        if stored != sorted((tensor.dtype, tensor.shape) for tensor in part.tensors):
            text = f"its {len(stored)} tensors are not the {len(part.tensors)} that {program} names: of another export?"
            reading.find("warning", "parameters-differ", parameters, text)
        reading.scanned.append(f"{parameters}: types and shapes")


def _pair(folder: Folder) -> tuple[str, str] | None:
    """Return a program and its parameters at the top of the directory; ``inference`` goes before other names."""
    stems = sorted(
        (path.removesuffix(_PARAMETERS) for path in folder.entries if path.endswith(_PARAMETERS) and "/" not in path),
        key=lambda stem: (stem != "inference", stem),
    )
    for stem in stems:
        for suffix in _PROGRAMS:
            if folder.has(stem + suffix) and folder.has(stem + _PARAMETERS):
                return stem + suffix, stem + _PARAMETERS
    return None
