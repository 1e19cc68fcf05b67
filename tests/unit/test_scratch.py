"""Private temporary folders and the proof that their maker is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dnnbox.scratch import scratch, sweep_scratch


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(folder: Path) -> Path:
    os.utime(folder, (0, 0))
    return folder


def test_scratch__block_ends__folder_is_gone(own_place: Path) -> None:
    with scratch() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "x").touch()
    assert list(own_place.iterdir()) == []


def test_sweep__maker_is_alive__folder_stays() -> None:
    with scratch() as folder:
        aged(folder)
        assert sweep_scratch() == 0
        assert folder.is_dir()


def test_sweep__maker_was_killed__folder_goes_and_nothing_else(own_place: Path) -> None:
    code = (
        "import sys, tempfile, time; tempfile.tempdir = sys.argv[1]\n"
        "from dnnbox.scratch import scratch\n"
        "with scratch() as folder:\n"
        "    (folder / 'copy').write_text('weights'); print(folder, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(own_place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
    (own_place / "dnnbox-private-link").symlink_to(own_place)
    (own_place / "mine").mkdir()
    assert sweep_scratch() == 0  # too young to judge
    aged(folder)
    assert sweep_scratch() == 1
    assert sorted(path.name for path in own_place.iterdir()) == ["dnnbox-private-link", "mine"]
