"""Bundles as files: the same bytes for the same content, and nothing hostile gets past the manifest."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dnnbox import codec
from dnnbox.errors import Corrupt, DnnboxError, InputLimit, IntegrityFailed, NotReadable, Usage
from dnnbox.handoff import bundling, unpacking
from dnnbox.handoff.manifest import MANIFEST, ROOT, Environment, Manifest, Member, lock_of, read, tolerance
from dnnbox.handoff.unpacking import checked_name, unpack

CONTENT = {"outputs/stats.json": b"{}", "run.sh": b"#!/bin/sh\n", "inputs/a.npy": b"\x93NUMPY" + bytes(300)}


def manifest(content: dict[str, bytes]) -> str:
    members = {name: Member(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(content.items())}
    environment = Environment("onnxruntime", "3.11", "x86_64-manylinux_2_28", "cpu", ("numpy",), "0" * 64)
    return codec.dumps(Manifest("aaaaaa", "m.onnx", "file", "0" * 64, environment, (), members))


def bundle(into: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """A whole bundle, written by the writer itself."""
    bundling._write(into, {**content, MANIFEST: manifest(content).encode()})
    return into


def test_bundle__written_twice__same_bytes(tmp_path: Path) -> None:
    one = bundle(tmp_path / "a.zip")
    os.utime(one, (1, 1))
    reordered = dict(reversed(CONTENT.items()))
    assert one.read_bytes() == bundle(tmp_path / "b.zip", reordered).read_bytes()


@pytest.mark.parametrize("place", [".", "/dev/null"])
def test_bundle__into_what_is_no_file__refused_before_anything_is_read(tmp_path: Path, place: str) -> None:
    with pytest.raises(Usage, match="is not a file"):
        bundling.bundle(tmp_path / "no-experiment", tmp_path / place, workspace=tmp_path)
    assert Path("/dev/null").is_char_device()


def test_unpack__whole_bundle__every_member_as_it_was(tmp_path: Path) -> None:
    unpacked = unpack(bundle(tmp_path / "a.zip"), tmp_path / "out")

    assert {name: (tmp_path / "out" / name).read_bytes() for name in CONTENT} == CONTENT
    assert unpacked.manifest.experiment == "aaaaaa"
    again = unpack(bundle(tmp_path / "a.zip"), tmp_path / "again", digest=f"sha256:{unpacked.digest}")
    assert again.digest == unpacked.digest


def test_unpack__unzipped_folder__read_like_the_file(tmp_path: Path) -> None:
    zipfile.ZipFile(bundle(tmp_path / "a.zip")).extractall(tmp_path)
    left = tmp_path / ROOT / "outputs" / "again" / "replay"
    left.mkdir(parents=True)
    (left / "result.json").write_text("{}")

    assert unpack(tmp_path / ROOT, tmp_path / "out").manifest.checkpoint == "m.onnx"

    (tmp_path / ROOT / "more.txt").write_text("x")
    with pytest.raises(IntegrityFailed, match=r"more\.txt is not in the manifest"):
        unpack(tmp_path / ROOT, tmp_path / "out2")


def test_unpack__another_manifest_than_asked_for__refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityFailed, match="not the one that was asked for"):
        unpack(bundle(tmp_path / "a.zip"), tmp_path / "out", digest="0" * 64)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content | {"run.sh": b"#!/bin/zz\n"}, "run.sh is not what the manifest says"),
        (lambda content: content | {"run.sh": b"longer than it was\n"}, "run.sh is not what the manifest says"),
        (lambda content: content | {"added": b"x"}, "added is not in the manifest"),
        (lambda content: {k: v for k, v in content.items() if k != "run.sh"}, r"run\.sh is missing"),
    ],
)
def test_unpack__changed_after_bundling__integrity(
    tmp_path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]], words: str
) -> None:
    bundling._write(tmp_path / "a.zip", {**change(CONTENT), MANIFEST: manifest(CONTENT).encode()})
    with pytest.raises(IntegrityFailed, match=words):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_unpack__one_flipped_byte_anywhere__never_passes(tmp_path: Path) -> None:
    whole = bundle(tmp_path / "a.zip").read_bytes()
    kept = CONTENT
    for number, place in enumerate(range(0, len(whole), 7)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        (tmp_path / "b.zip").write_bytes(damaged)
        into = tmp_path / f"out{number}"
        try:
            unpack(tmp_path / "b.zip", into)
        except DnnboxError:
            continue
        # Bytes that carry nothing (times, versions, attributes) may change: what is unpacked may not.
        assert {name: (into / name).read_bytes() for name in kept} == kept, place


def test_unpack__links_and_other_kinds__refused(tmp_path: Path) -> None:
    for mode in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            info = zipfile.ZipInfo(f"{ROOT}/{MANIFEST}")
            info.external_attr = (mode | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        with pytest.raises(Corrupt, match="no regular file"):
            unpack(tmp_path / "a.zip", tmp_path / "out")


def test_unpack__compressed_member__refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{ROOT}/{MANIFEST}", bytes(50 << 20))
    assert (tmp_path / "a.zip").stat().st_size < 1 << 20
    with pytest.raises(Corrupt, match="is compressed"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_unpack__member_twice__refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"{ROOT}/x", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(f"{ROOT}/x", b"2")
    with pytest.raises(Corrupt, match="is there twice"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_unpack__too_many_members__refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 3)
    with pytest.raises(InputLimit, match="4 members"):
        unpack(bundle(tmp_path / "a.zip"), tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "a//b", "a\\b", "C:x", "a/./b", "x\x00y", " a", "a ", "", "a" * 500, "x/" * 50]
)
def test_checked_name__what_could_leave_the_folder__refused(name: str) -> None:
    with pytest.raises(Corrupt, match="refused"):
        checked_name(name)


def test_unpack__climbing_name_in_a_zip__writes_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"{ROOT}/../../evil", b"1")
    with pytest.raises(Corrupt):
        unpack(tmp_path / "a.zip", tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("evil"))


def test_unpack__no_bundle__said_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(Corrupt, match="is no bundle"):
        unpack(tmp_path / "text", tmp_path / "out")
    with pytest.raises(NotReadable):
        unpack(tmp_path / "missing", tmp_path / "out")


def test_manifest__another_shape__corrupt() -> None:
    for text in ("[]", "{", '{"schema": "dnnbox.bundle/9"}', manifest(CONTENT).replace("bundle/1", "bundle/2")):
        with pytest.raises(Corrupt):
            read(text)


HASH = f" \\\n    --hash=sha256:{'a' * 64}\n"


def test_lock_of__pins_with_hashes__read() -> None:
    lock = lock_of(f"# by dnnbox\n--only-binary :all:\nnumpy==2.4.6{HASH}", "3.11", "x86_64-manylinux_2_28")
    assert [(p.name, p.version) for p in lock.packages] == [("numpy", "2.4.6")]


@pytest.mark.parametrize(
    "text",
    ["", "numpy==2.4.6\n", f"numpy>=2{HASH}", f"-e .{HASH}", f"numpy @ https://x{HASH}", f"numpy==2{HASH}-r other\n"],
)
def test_lock_of__anything_else__refused(text: str) -> None:
    with pytest.raises(Corrupt):
        lock_of(text, "3.11", "x86_64-manylinux_2_28")


def test_tolerance__by_precision_and_size() -> None:
    array = {"dtype": "float32", "minimum": -20.0, "maximum": 5.0}
    assert tolerance("fp32", array) == (1e-4, pytest.approx(2e-4))
    assert tolerance("fp16", array)[0] > tolerance("fp32", array)[0]
    assert tolerance("fp32", {"dtype": "int64", "maximum": 7}) == (0.0, 0.0)
