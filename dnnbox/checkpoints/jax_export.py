"""jax.export: a serialised function, StableHLO with its signature, in a FlatBuffer.

Source: jax/_src/export/serialization.fbs (jax 0.10). The program itself is passed over.
"""

from __future__ import annotations

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.flatbuffer import Buffer, Table
from dnnbox.checkpoints.opening import Bytes
from dnnbox.errors import DnnboxError
from dnnbox.records.inspection import IoField, IoHints

_VERSION, _NAME, _INPUTS, _OUTPUTS, _PLATFORMS, _PROGRAM = 0, 1, 3, 5, 9, 13
_SHAPE, _DTYPE = 1, 2
_NEWEST_VERSION = 20
_MAX_PORTS = 200
_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
           "float64", "complex64", "complex128", "bfloat16")  # fmt: skip
_BYTECODE = b"ML\xefR"
"""How MLIR bytecode begins."""


class JaxExport:
    """Reads jax.export's files: inputs, outputs and platforms; the program is passed over."""

    def sniff(self, data: Bytes) -> Match | None:
        """No magic: a FlatBuffer with a known version, a function's name, platforms and MLIR bytecode."""
        root = int.from_bytes(data.head[:4], "little")
        if not 4 <= root < min(data.size, 1 << 16):
            return None
        try:
            found = Buffer(data).root()
            is_export = 1 <= found.number(_VERSION, "H") <= _NEWEST_VERSION and bool(found.text(_NAME))
            is_export = is_export and bool(found.texts(_PLATFORMS, 10)) and _starts_with_bytecode(found)
        except DnnboxError:
            return None
        return Match(0.9, "a function exported by jax") if is_export else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the signature."""
        reading.format, reading.framework = "jax-export", "jax"
        whole = Buffer(data).root()
        reading.metadata["function"] = whole.text(_NAME)[:200]
        reading.metadata["platforms"] = [name[:40] for name in whole.texts(_PLATFORMS, 20)]
        reading.metadata["serialization_version"] = whole.number(_VERSION, "H")
        inputs, outputs = (_ports(whole, field, side) for field, side in ((_INPUTS, "input"), (_OUTPUTS, "output")))
        reading.io_hints = IoHints(inputs=inputs, outputs=outputs)
        reading.scanned.append("signature")
        reading.not_scanned.append("the StableHLO program, weights included")


def _starts_with_bytecode(whole: Table) -> bool:
    size = len(_BYTECODE)
    return whole.bytes_count(_PROGRAM) > size and whole.numbers(_PROGRAM, "B", size) == tuple(_BYTECODE)


def _ports(whole: Table, field: int, side: str) -> tuple[IoField, ...]:
    found = []
    for place, value in enumerate(whole.tables(field)):
        if place >= _MAX_PORTS:
            break
        named = tuple(int(size) if size.isdecimal() else size[:100] for size in value.texts(_SHAPE, 32))
        number = value.number(_DTYPE, "b")
        dtype = _DTYPES[number] if 0 <= number < len(_DTYPES) else f"type {number}"
        found.append(IoField(f"{side}{place}", named, dtype, "observed", "exported program"))
    return tuple(found)
