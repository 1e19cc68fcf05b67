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


def test_sha256_file__known_bytes__known_digest(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")

    assert files.sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
