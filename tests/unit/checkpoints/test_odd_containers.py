"""Containers in which two readers could see different things are refused, whatever the format."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect, tars
from dnnbox.checkpoints.opening import Memory
from dnnbox.errors import Corrupt, UnsafeCheckpoint
from tests.unit.checkpoints.test_other_formats import gguf, gguf_tensor, write


def tar(headers: dict[str, str], name: str = "model_weights.ckpt", kind: int = tarfile.PAX_FORMAT) -> Memory:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as made:
        facts = tarfile.TarInfo(name)
        facts.size, facts.mtime, facts.pax_headers = 4, 1.5, headers
        made.addfile(facts, io.BytesIO(b"1234"))
    return Memory(buffer.getvalue(), Path("m.nemo"), "m.nemo")


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tar__long_names__are_read_as_tarfile_reads_them(kind: int) -> None:
    name = "a/" * 80 + "model_weights.ckpt"
    assert list(tars.members(tar({}, name, kind))) == [name]


def test_tar__header_that_renames__is_followed() -> None:
    assert list(tars.members(tar({"path": "other.ckpt"}))) == ["other.ckpt"]
    with pytest.raises(UnsafeCheckpoint, match="outside"):
        tars.members(tar({"path": "../other.ckpt"}))


def test_tar__header_that_is_not_known__is_refused() -> None:
    with pytest.raises(UnsafeCheckpoint, match=r"GNU\.sparse"):
        tars.members(tar({"GNU.sparse.map": "0,4"}))


def test_safetensors__key_given_twice__is_refused(tmp_path: Path) -> None:
    one = '"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}'
    other = '"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}'
    header = ("{" + one + "," + other + "}").encode()
    with pytest.raises(UnsafeCheckpoint, match="twice"):
        inspect(write(tmp_path, struct.pack("<Q", len(header)) + header + b"1234", "m.safetensors"))


@pytest.mark.parametrize(
    ("names", "offsets", "text"), [(("a", "a"), (0, 32), "occurs twice"), (("a", "b"), (0, 8), "overlaps")]
)
def test_gguf__tensors_twice_or_overlapping__are_refused(
    names: tuple[str, str], offsets: tuple[int, int], text: str, tmp_path: Path
) -> None:
    tensors = [gguf_tensor(name, (4,), 0, offset) for name, offset in zip(names, offsets, strict=True)]
    with pytest.raises(Corrupt, match=text):
        inspect(write(tmp_path, gguf([], tensors, b"\0" * 64)))
