"""torch.export archives (.pt2): graph signature, weights and symbolic sizes are JSON; nothing is compiled or loaded.

Source: torch/export/pt2_archive and torch/_export/serde/schema.py (2.13); before 2.7 the same JSON stood in
``serialized_exported_program.json`` beside a pickled state_dict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes
from dnnbox.checkpoints.torch_zip import records, top
from dnnbox.checkpoints.zips import Archive
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu",
    34: "uint32", 35: "uint64",
}  # fmt: skip
_SCALARS = {"as_int": "int64", "as_sym_int": "int64", "as_float": "float64", "as_bool": "bool", "as_string": "string"}
_SYMBOL = re.compile(r"^Symbol\('(\w+)'")
_OLD_PROGRAM = "serialized_exported_program.json"
_OLD_STATE = "serialized_state_dict.pt"
_NATIVE = (".so", ".o", ".cubin", ".ptx", ".dll", ".dylib", ".hsaco", ".spv")


class TorchExport:
    """Reads exported programs, AOTInductor packages included (as native code)."""

    def sniff(self, data: Bytes) -> Match | None:
        """``archive_format`` is pt2, or the JSON program of older versions."""
        archive = data.archive
        prefix = top(archive)
        if prefix + "archive_format" in archive.members and archive.head(prefix + "archive_format", 4) == b"pt2":
            return Match(1.0, "archive_format pt2")
        return Match(1.0, _OLD_PROGRAM) if prefix + _OLD_PROGRAM in archive.members else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the JSON records; nested torch files (constants, sample inputs) are judged like any other."""
        archive = data.archive
        prefix = top(archive)
        reading.format, reading.framework = "torch-export", "pytorch"
        about = {"members": len(archive.members), **records(archive, prefix)}
        reading.metadata["archive"] = about
        _weights(archive, prefix, reading)
        _programs(archive, prefix, reading)
        _nested(archive, prefix, reading)
        for name in archive.members:
            if name.endswith(_NATIVE):
                reading.worsen("dangerous")
                reading.find("danger", "native-code", name, "native code (AOTInductor): loading it runs it")


def _json(archive: Archive, name: str, reading: Reading) -> Mapping[str, Any]:
    reading.scanned.append(name)
    return plain.mapping(plain.loads(archive.read(name), visible(name, 120)))


def _weights(archive: Archive, prefix: str, reading: Reading) -> None:
    for name in archive.members:
        if name.startswith(prefix + "data/weights/") and name.endswith("_weights_config.json"):
            config = plain.mapping(_json(archive, name, reading).get("config"))
            for tensor, about in config.items():
                _weight(archive, prefix, tensor, plain.mapping(about), reading)


def _weight(archive: Archive, prefix: str, name: str, about: Mapping[str, Any], reading: Reading) -> None:
    meta = plain.mapping(about.get("tensor_meta"))
    dtype, shape = _tensor_meta(meta)
    path = plain.text(about.get("path_name"), 300)
    member = archive.members.get(f"{prefix}data/weights/{path}")
    if member is None:
        raise Corrupt(f"weight {visible(name, 120)} names the member {visible(path, 80)}, which is missing")
    sizes = tuple(extent for extent in shape if isinstance(extent, int))
    view = (str(meta.get("storage_offset"))[:100], str(meta.get("strides"))[:1000])
    reading.add_tensor(name, dtype, sizes, storage=path, view=view, storage_bytes=member.size, crc32=member.checksum)


def _tensor_meta(meta: Mapping[str, Any]) -> tuple[str, tuple[int | str, ...]]:
    code = meta.get("dtype")
    sizes = meta.get("sizes")
    dtype = _DTYPES.get(code, f"type {code}") if isinstance(code, int) else ""
    return dtype, tuple(_extent(size) for size in (sizes if isinstance(sizes, list) else [])[:64])


def _extent(size: object) -> int | str:
    """Return a fixed size, or the name of a symbolic one; an expression of symbols is kept as text."""
    value = plain.mapping(size)
    fixed = value.get("as_int")
    if isinstance(fixed, int) and fixed >= 0:
        return fixed
    text = plain.text(plain.mapping(value.get("as_expr")).get("expr_str"), 300)
    symbol = _SYMBOL.match(text)
    return symbol[1] if symbol and text.count("Symbol(") == 1 and text.endswith(")") else text or "?"


def _programs(archive: Archive, prefix: str, reading: Reading) -> None:
    names = [n for n in archive.members if n.startswith(prefix + "models/") and n.endswith(".json")]
    if prefix + _OLD_PROGRAM in archive.members:
        names.append(prefix + _OLD_PROGRAM)
    if not names and not any(name.endswith(_NATIVE) for name in archive.members):
        raise Corrupt("the archive is a torch.export package without a program")
    for name in names:
        program = _json(archive, name, reading)
        hints = _program(program)
        if not reading.io_hints.inputs:
            reading.io_hints = hints
            reading.metadata.update(_facts(program))
    reading.metadata["models"] = [name.rpartition("/")[2].removesuffix(".json") for name in names]


def _facts(program: Mapping[str, Any]) -> dict[str, Any]:
    graph = plain.mapping(plain.mapping(program.get("graph_module")).get("graph"))
    operators: dict[str, int] = {}
    nodes = graph.get("nodes")
    for node in nodes if isinstance(nodes, list) else []:
        target = plain.text(plain.mapping(node).get("target"), 200)
        operators[target] = operators.get(target, 0) + 1
    calls = plain.mapping(program.get("graph_module")).get("module_call_graph")
    names = [plain.mapping(call).get("signature") for call in calls if isinstance(call, dict)] if calls else []
    forward = plain.mapping(names[0]).get("forward_arg_names") if names else None
    keep = ("range_constraints", "opset_version", "schema_version", "torch_version", "verifiers", "guards_code")
    facts = {key: plain.bounded(program[key]) for key in keep if key in program}
    return {**facts, "operators": dict(list(operators.items())[:200]), "forward_arg_names": plain.bounded(forward)}


def _program(program: Mapping[str, Any]) -> IoHints:
    module = plain.mapping(program.get("graph_module"))
    signature = plain.mapping(module.get("signature"))
    values = plain.mapping(plain.mapping(module.get("graph")).get("tensor_values"))
    inputs = _specs(signature.get("input_specs"), "user_input", values)
    outputs = _specs(signature.get("output_specs"), "user_output", values)
    return IoHints(inputs=inputs, outputs=outputs)


def _specs(specs: object, kind: str, values: Mapping[str, Any]) -> tuple[IoField, ...]:
    found = []
    for spec in specs if isinstance(specs, list) else []:
        argument = plain.mapping(plain.mapping(plain.mapping(spec).get(kind)).get("arg"))
        for label, value in argument.items():
            made = _io_field(label, value, values)
            if made is not None:
                found.append(made)
    return tuple(found)


def _io_field(label: str, value: object, values: Mapping[str, Any]) -> IoField | None:
    where = "the graph signature"
    if label == "as_tensor":
        name = plain.text(plain.mapping(value).get("name"))
        dtype, shape = _tensor_meta(plain.mapping(values.get(name)))
        return IoField(name, shape, dtype, "observed", where)
    if label in _SCALARS:
        name = plain.text(plain.mapping(value).get("as_name")) or label.removeprefix("as_")
        return IoField(name, (), _SCALARS[label], "observed", where)
    return None  # None arguments stand in the signature without a value


def _nested(archive: Archive, prefix: str, reading: Reading) -> None:
    """Judge the torch files inside: sample inputs, constants, the state_dict of older versions."""
    from dnnbox.checkpoints.torch_zip import TorchZip

    for name, member in archive.members.items():
        if member.size < 22 or archive.head(name, 4) != b"PK\x03\x04":
            continue
        inner = Reading()
        inside = archive.open(name)
        if TorchZip().sniff(inside) is None:
            reading.not_scanned.append(f"{name}: an archive that is not torch's")
            continue
        TorchZip().read(inside, inner)
        reading.absorb(inner, name)
        if name == prefix + _OLD_STATE:
            for tensor in inner.tensors:
                reading.add_tensor(tensor.name, tensor.dtype, tensor.shape)
