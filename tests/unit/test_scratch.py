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


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc")
def test_sweep__sandbox_of_the_dead_waits_for_ever__is_ended_and_no_other(own_place: Path) -> None:
    dead, other = own_place / "dnnbox-private-dead", own_place / "mine"
    for folder in (dead, other):
        folder.mkdir()

    def waiting(name: str, folder: Path) -> subprocess.Popen[bytes]:
        argv = [name, "-c", "read line", "--ro-bind", f"{folder}/passwd"]
        return subprocess.Popen(argv, executable="/bin/sh", stdin=subprocess.PIPE)

    with waiting("/usr/bin/bwrap", dead) as stuck, waiting("/usr/bin/bwrap", other) as alive, waiting("sh", dead) as sh:
        aged(dead)
        assert sweep_scratch() == 1
        assert stuck.wait(10) == -signal.SIGKILL
        assert (alive.poll(), sh.poll()) == (None, None)
        alive.kill()
        sh.kill()
