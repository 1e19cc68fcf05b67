"""Atomic writing: the old file or the new one, and never a temporary one."""

import errno
import os
from pathlib import Path

import pytest

from dnnbox import files
from dnnbox.errors import HostFull, HostPermission


def test_write_atomic__new_file__has_content_and_mode(tmp_path):
    files.write_atomic(tmp_path / "a.json", "ä\n")

    assert (tmp_path / "a.json").read_bytes() == b"\xc3\xa4\n"
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, HostFull), (errno.EDQUOT, HostFull), (errno.EACCES, HostPermission), (errno.EROFS, HostPermission)],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_write_atomic__disk_fails__keeps_the_old_file_and_no_part(tmp_path, monkeypatch, number, error, call):
    target = tmp_path / "a.json"
    target.write_text("old")

    def broken(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, call, broken)
    with pytest.raises(error):
        files.write_atomic(target, "new")

    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_write_atomic__pipe_and_device__are_written_to_and_stay_what_they_are(tmp_path):
    pipe, null = tmp_path / "pipe", tmp_path / "null"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    files.write_atomic(pipe, "told")
    files.write_atomic(Path("/dev/null"), "told")

    assert os.read(reader, 10) == b"told"
    os.close(reader)
    assert pipe.is_fifo()
    assert Path("/dev/null").is_char_device()
    null.symlink_to("/dev/null")
    files.write_atomic(null, "a link is replaced")
    assert null.read_text() == "a link is replaced"


def test_copying__block_ends_well__target_is_the_copy(tmp_path):
    (tmp_path / "a").write_bytes(b"new")

    with files.copying(tmp_path / "a", tmp_path / "made" / "b") as (source, copy):
        copy.write(source.read())

    assert [path.name for path in (tmp_path / "made").iterdir()] == ["b"]
    assert (tmp_path / "made" / "b").read_bytes() == b"new"


@pytest.mark.parametrize("make", [None, os.mkfifo, os.mkdir])
def test_copying__source_that_is_no_regular_file__touches_nothing(tmp_path, make):
    if make is not None:
        make(tmp_path / "a")

    with pytest.raises(OSError), files.copying(tmp_path / "a", tmp_path / "made" / "b"):  # noqa: PT011 - any number
        pytest.fail("it was opened")

    assert not (tmp_path / "made").exists()


def test_copying__block_fails__keeps_the_old_file_and_no_part(tmp_path):
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")

    def half() -> None:
        with files.copying(tmp_path / "a", tmp_path / "b") as (_, copy):
            copy.write(b"ne")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(HostFull):
        half()

    assert (tmp_path / "b").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_sha256_file__known_bytes__known_digest(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")

    assert files.sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
