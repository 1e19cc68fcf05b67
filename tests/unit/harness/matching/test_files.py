"""Files of the source that it opens by a way that is not there."""

from __future__ import annotations

import builtins
import errno
import io
import os
from pathlib import Path

import pytest

from dnnbox.harness.matching import files, standins


@pytest.fixture(autouse=True)
def _plain_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "open", builtins.open)
    monkeypatch.setattr(io, "open", io.open)
    monkeypatch.setattr(os, "mkdir", os.mkdir)
    monkeypatch.setattr(standins, "NOTED", [])


def test_look_in__file_of_that_name_in_the_source__is_read_and_noted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.txt").write_text("cat")
    (tmp_path / "data" / "stats.json").write_text("near")
    (tmp_path / "stats.json").write_text("top")
    files.look_in(str(tmp_path))

    with open("/nowhere/home/data/labels.txt") as by_name, open("./data/stats.json") as by_way:  # noqa: PTH123
        assert (by_name.read(), by_way.read()) == ("cat", "near")
    assert standins.NOTED == [files.NOTE]


@pytest.mark.parametrize(
    ("name", "mode"), [("/nowhere/stats.json", "r"), ("other.txt", "r"), ("/nowhere/labels.txt", "w")]
)
def test_look_in__several_none_or_to_be_written__stays_missing(tmp_path: Path, name: str, mode: str) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "stats.json").write_text(folder)
    (tmp_path / "labels.txt").write_text("cat")
    files.look_in(str(tmp_path))

    with pytest.raises(FileNotFoundError):
        open(name, mode)  # noqa: PTH123, SIM115
    assert standins.NOTED == []


def test_look_in__folder_where_nothing_can_be_written__is_left_out_and_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str, *_: object) -> None:
        raise OSError(errno.EROFS if "source" in str(path) else errno.ENOENT, "no", path)

    monkeypatch.setattr(os, "mkdir", refused)
    files.look_in(str(tmp_path))

    os.makedirs(tmp_path / "source", exist_ok=True)  # noqa: PTH103 - what a source calls
    assert standins.NOTED == [files.NOTE]
    with pytest.raises(FileNotFoundError):
        os.mkdir("elsewhere")  # noqa: PTH102


def test_sweep__job_folder__keeps_what_was_there_and_the_jobs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("request.json", "mine.txt"):
        (tmp_path / name).write_text("kept")
    folder = files.JobFolder()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "weights").write_text("large")
    for name in ("weights.tmp", "events.jsonl"):
        (tmp_path / name).write_text("new")

    folder.sweep()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "mine.txt", "request.json"]


def test_sweep__any_other_folder__nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = files.JobFolder()
    (tmp_path / "weights.tmp").write_text("kept")

    folder.sweep()

    assert [path.name for path in tmp_path.iterdir()] == ["weights.tmp"]
