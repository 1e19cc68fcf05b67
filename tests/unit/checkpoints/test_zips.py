"""Odd zip archives are refused: what two readers could understand differently must not reach a loader."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from dnnbox.checkpoints.opening import Memory
from dnnbox.checkpoints.zips import Archive
from dnnbox.errors import Corrupt, DnnboxError, InputLimit, UnsafeCheckpoint, Unsupported

HERE = Path("model.pt")


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
        made.comment = comment
    return buffer.getvalue()


def read(data: bytes) -> Archive:
    return Archive(Memory(data, HERE, "model.pt"))


def patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


PLAIN = archive({"a/data.pkl": b"N.", "a/data/0": b"1234"})
CENTRAL = PLAIN.find(b"PK\x01\x02")


def test_archive__stored_and_deflated__give_the_content() -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        found = read(archive({"a/x": b"abc" * 100}, method, comment=b"hello"))
        assert found.read("a/x") == b"abc" * 100
        assert found.head("a/x", 4) == b"abca"
        assert found.open("a/x").read(3, 3) == b"abc"


def test_archive__of_zip64__is_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made, made.open("a/x", "w", force_zip64=True) as member:
        member.write(b"abc")
    assert read(buffer.getvalue()).read("a/x") == b"abc"


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("cut short", PLAIN[:-30], Corrupt),
        ("bytes behind", PLAIN + b"x", UnsafeCheckpoint),
        ("bytes before", b"xx" + PLAIN, UnsafeCheckpoint),
        ("encrypted flag", patched(patched(PLAIN, 6, b"\x01"), CENTRAL + 8, b"\x01"), UnsafeCheckpoint),
        ("unknown method", patched(patched(PLAIN, 8, b"\x0c"), CENTRAL + 10, b"\x0c"), Unsupported),
        ("local name differs", patched(PLAIN, 30, b"b"), UnsafeCheckpoint),
        ("local size differs", patched(PLAIN, 22, b"\x01"), UnsafeCheckpoint),
        ("local crc differs", patched(PLAIN, 14, b"\x01"), UnsafeCheckpoint),
        ("entry broken", patched(PLAIN, CENTRAL, b"XX"), Corrupt),
        ("too many entries stated", patched(PLAIN, len(PLAIN) - 12, b"\xff\x7f"), DnnboxError),
        ("outside", archive({"../x": b"1"}), UnsafeCheckpoint),
        ("absolute", archive({"/x": b"1"}), UnsafeCheckpoint),
        ("drive", archive({"C:/x": b"1"}), UnsafeCheckpoint),
    ],
)
def test_archive__odd__is_refused(name: str, data: bytes, error: type[DnnboxError]) -> None:
    with pytest.raises(error):
        read(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archive__duplicate_names__are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("a", b"1")
        made.writestr("a", b"2")
    with pytest.raises(UnsafeCheckpoint, match="twice"):
        read(buffer.getvalue())


def test_archive__overlapping_members__are_refused() -> None:
    data = archive({"a": b"1" * 50, "b": b"2" * 50})
    second = data.rfind(b"PK\x01\x02")
    renamed = patched(data, second + 46, b"a")  # the second entry points at the first member
    pointed = patched(renamed, second + 42, struct.pack("<I", 0))
    with pytest.raises(UnsafeCheckpoint):
        read(pointed)


def test_archive__two_directories__are_refused() -> None:
    inner = PLAIN
    data = archive({"a": b"1"}, comment=inner[-22:])
    with pytest.raises(UnsafeCheckpoint, match="directories"):
        read(data)


def test_archive__bomb__is_an_input_limit() -> None:
    data = archive({"a": b"\0" * 1000}, zipfile.ZIP_DEFLATED)
    central = data.find(b"PK\x01\x02")
    huge = struct.pack("<I", 1 << 31)
    with pytest.raises(InputLimit, match="bomb"):
        read(patched(patched(data, 22, huge), central + 24, huge))


def test_archive__size_that_lies__is_corrupt() -> None:
    data = archive({"a": b"\0" * 1000}, zipfile.ZIP_DEFLATED)
    central = data.find(b"PK\x01\x02")
    less = struct.pack("<I", 10)
    found = read(patched(patched(data, 22, less), central + 24, less))
    with pytest.raises(Corrupt, match="size"):
        found.read("a")


def test_archive__wrong_crc__is_corrupt() -> None:
    at = PLAIN.find(b"N.")
    with pytest.raises(Corrupt, match="CRC"):
        read(patched(PLAIN, at, b"M")).read("a/data.pkl")


def test_archive__cut_at_every_offset__is_an_error_of_ours() -> None:
    for length in range(len(PLAIN)):
        with pytest.raises(DnnboxError):
            read(PLAIN[:length])


def test_archive__every_byte_changed__never_crashes() -> None:
    for at in range(len(PLAIN)):
        for value in (0, 0xFF, PLAIN[at] ^ 1):
            try:
                found = read(patched(PLAIN, at, bytes([value])))
                for name in found.members:
                    found.read(name)
            except DnnboxError:
                continue
