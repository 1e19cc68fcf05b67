"""jax.export's files: a FlatBuffer without a magic number, written here by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import DnnboxError, Unsupported

FLOAT32 = 10
PROGRAM = b"ML\xefR" + bytes(60)


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0" * (4 - len(raw) % 4)


def exported(program: bytes = PROGRAM, version: int = 3) -> bytes:
    """Return a file with one input [b, 3] and one output [b, 2] for the platform cpu."""
    whole = bytearray(1024)
    free = 1024

    def place(part: bytes) -> int:
        nonlocal free
        free = (free - len(part)) // 4 * 4
        whole[free : free + len(part)] = part
        return free

    def refer(at: int, target: int) -> None:
        struct.pack_into("<I", whole, at, target - at)

    def vector(targets: list[int]) -> int:
        made = place(struct.pack("<I", len(targets)) + bytes(4 * len(targets)))
        for number, target in enumerate(targets):
            refer(made + 4 + 4 * number, target)
        return made

    def table(fields: dict[int, tuple[str, int]]) -> int:
        count = max(fields) + 1
        virtual = struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + 4 * count, *(4 + 4 * n if n in fields else 0
                              for n in range(count)))  # fmt: skip
        made = place(bytes(4 + 4 * count))
        table_of = place(virtual)
        struct.pack_into("<i", whole, made, made - table_of)
        for number, (code, value) in fields.items():
            at = made + 4 + 4 * number
            if code == "ref":
                refer(at, value)
            else:
                struct.pack_into(f"<{code}", whole, at, value)
        return made

    def value(*sizes: str) -> int:
        return table({1: ("ref", vector([place(text(size)) for size in sizes])), 2: ("b", FLOAT32)})

    body = place(struct.pack("<I", len(program)) + program)
    fields = {
        0: ("H", version),
        1: ("ref", place(text("f"))),
        3: ("ref", vector([value("b", "3")])),
        5: ("ref", vector([value("b", "2")])),
        9: ("ref", vector([place(text("cpu"))])),
        13: ("ref", body),
    }
    struct.pack_into("<I", whole, 0, table(fields))
    return bytes(whole)


def write(folder: Path, data: bytes) -> Path:
    (folder / "net.jaxexport").write_bytes(data)
    return folder / "net.jaxexport"


def test_inspect__exported_function__signature_and_platforms(tmp_path: Path) -> None:
    found = inspect(write(tmp_path, exported()))

    assert (found.format, found.framework, found.verdict) == ("jax-export", "jax", "no-code")
    assert [(port.name, port.shape, port.dtype) for port in found.io_hints.inputs] == [("input0", ("b", 3), "float32")]
    assert [(port.name, port.shape, port.dtype) for port in found.io_hints.outputs] == [
        ("output0", ("b", 2), "float32")
    ]
    assert (found.metadata["function"], found.metadata["platforms"]) == ("f", ["cpu"])


@pytest.mark.parametrize("data", [exported(b"not MLIR" * 4), exported(version=0), exported(version=999)])
def test_inspect__no_program_or_no_known_version__another_format(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Unsupported):
        inspect(write(tmp_path, data))


def test_inspect__cut_anywhere__an_error_of_ours(tmp_path: Path) -> None:
    whole = exported()
    for size in range(1, len(whole), 37):
        with pytest.raises(DnnboxError):
            inspect(write(tmp_path, whole[:size]))
