"""Telling a job that lacks memory, or that floods the disk, from one that works."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dnnbox.boxes.watch import _Disk, _Memory, _size_of, watching
from dnnbox.records.environment import Limits

LIMIT = 64 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


def looks(folder: Path, anonymous: int, reread_bytes_a_second: int, seconds: int, words: tuple[str, str]) -> list[bool]:
    """Return what the watch says in each second of a job with these figures."""
    memory = _Memory(Limits(memory_bytes=LIMIT))
    found = []
    for second in range(1, seconds + 1):
        lines = f"{words[0]} {anonymous}\n{words[1]} {second * reread_bytes_a_second // PAGE}\n"
        (folder / "memory.stat").write_text(lines)
        found.append(memory.is_thrashing(folder))
    return found


@pytest.mark.parametrize("words", [("rss", "workingset_refault_file"), ("anon", "workingset_refault_file")])
def test_memory__full_of_data_and_rereading_code__is_thrashing_after_five_seconds(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    assert looks(tmp_path, LIMIT * 9 // 10, 20 * LIMIT, 5, words) == [False, False, False, False, True]


def test_memory__streaming_a_large_file__is_no_thrashing(tmp_path: Path) -> None:
    assert not any(looks(tmp_path, LIMIT // 4, 20 * LIMIT, 9, ("anon", "workingset_refault_file")))


def test_memory__full_and_quiet__is_no_thrashing(tmp_path: Path) -> None:
    assert not any(looks(tmp_path, LIMIT * 9 // 10, LIMIT // 2, 9, ("anon", "workingset_refault_file")))


def test_memory__no_figures__says_nothing(tmp_path: Path) -> None:
    memory = _Memory(Limits(memory_bytes=LIMIT))
    assert not any(memory.is_thrashing(None) for _ in range(9))
    assert not any(memory.is_thrashing(tmp_path / "gone") for _ in range(9))


def test_disk__within_and_beyond_the_cap__is_told_apart(tmp_path: Path) -> None:
    disk = _Disk(tmp_path, Limits(memory_bytes=1, output_bytes=4 << 20))
    assert disk.exceeded() == ""
    disk._begin = 1 << 60  # as if the file system had shrunk, by whomever
    assert disk.exceeded() == ""
    (tmp_path / "flood").write_bytes(b"x" * (6 << 20))
    os.sync()
    assert "allowed" in disk.exceeded()


def test_watching__kill_that_did_not_reach_the_job__is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnbox.boxes.watch._PERIOD_S", 0.01)
    monkeypatch.setattr("dnnbox.boxes.watch._RESERVE_BYTES", 1 << 60)  # counted at every look, whoever fills the disk
    kills: list[float] = []
    limits = Limits(memory_bytes=1, output_bytes=1 << 20)
    with watching(tmp_path, limits, lambda: kills.append(time.monotonic()), lambda: None) as watch:
        time.sleep(0.1)
        assert kills == []
        (tmp_path / "flood").write_bytes(b"x" * (3 << 20))
        deadline = time.monotonic() + 20
        while len(kills) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        (tmp_path / "flood").unlink()
        time.sleep(0.05)
    assert len(kills) >= 3
    assert "allowed" in watch.exceeded, "what it was killed for is not forgotten"


def test_size_of__sparse_file_and_link__take_no_room(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "link").symlink_to("/usr")
    assert _size_of(tmp_path, 100) < 1 << 20
