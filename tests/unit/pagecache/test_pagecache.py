"""The page cache, asked about real files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dnnbox import pagecache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")


def test_resident_share__file_just_written__is_all_there(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"x" * (1 << 20))
    assert pagecache.resident_share([file]) == 1.0


def test_drop__synced_file__is_no_longer_resident(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    with file.open("wb") as opened:
        opened.write(os.urandom(8 << 20))
        os.fsync(opened.fileno())
    assert pagecache.drop([tmp_path]) == 1
    share = pagecache.resident_share([file])
    if share == 1.0:
        pytest.skip("this file system keeps its pages whatever it is advised")
    assert share is not None
    assert share < 0.2


def test_resident_share__nothing_there__is_unknown(tmp_path: Path) -> None:
    assert pagecache.resident_share([tmp_path / "missing", tmp_path]) is None


def test_files_under__link_out_of_the_folder__is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "own").write_text("y")
    assert list(pagecache.files_under([folder])) == [folder / "own"]
