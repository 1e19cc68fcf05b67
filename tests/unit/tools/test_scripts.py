"""The set-up scripts, run for real against a PATH of stand-ins: what they say, in which order, and how they refuse."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BASICS = ("sh", "dirname", "id", "env", "mkdir", "mktemp", "rm", "tail", "timeout", "sleep", "tr", "uname", "cat")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a directory that holds the scripts only."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "tools", copy / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a directory for PATH with the shell's basics; every call of a stand-in is written to calls.txt."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in BASICS:
        (directory / name).symlink_to(str(shutil.which(name)))
    return directory


def stand_in(programs: Path, name: str, body: str = "") -> None:
    """Add a program that notes its call and then does ``body``."""
    path = programs / name
    path.unlink(missing_ok=True)
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{programs.parent}/calls.txt"\n{body}\n', encoding="utf-8")
    path.chmod(0o755)


def calls(programs: Path) -> list[str]:
    path = programs.parent / "calls.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def run(script: Path, programs: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(script)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": str(programs), "HOME": str(programs.parent), **environ},
    )


def test_setup__no_python__says_what_to_install(checkout: Path, programs: Path) -> None:
    done = run(checkout / "tools" / "setup.sh", programs)
    assert done.returncode == 1
    assert "no Python 3.11 or newer was found" in done.stderr
    assert "apt-get install" in done.stderr
    assert not (checkout / ".venv").exists()


def test_setup__shim_of_a_version_that_is_not_there__is_passed_over(checkout: Path, programs: Path) -> None:
    stand_in(programs, "python3.11", "exit 127")
    stand_in(programs, "python3.12", "exit 0")
    run(checkout / "tools" / "setup.sh", programs)
    assert calls(programs)[0].startswith("python3.11 -c")
    assert any(call.startswith("python3.12 -m venv") for call in calls(programs))


def test_setup__no_venv_and_no_root__gives_the_command(checkout: Path, programs: Path) -> None:
    # Debian's python3 without python3-venv: it runs, but ensurepip is missing.
    stand_in(programs, "python3.11", 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.11-venv;; esac')
    stand_in(programs, "apt-get")
    stand_in(programs, "id", "echo 1000")
    done = run(checkout / "tools" / "setup.sh", programs)
    assert done.returncode == 1
    assert "as root: apt-get install python3.11-venv" in done.stderr
    assert not any(call.startswith("apt-get") for call in calls(programs))


def test_setup__no_venv_but_root__says_so_and_installs(checkout: Path, programs: Path) -> None:
    stand_in(programs, "python3.11", 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.11-venv;; esac')
    stand_in(programs, "apt-get")
    stand_in(programs, "id", "echo 0")
    done = run(checkout / "tools" / "setup.sh", programs)
    assert "setup: installing python3.11-venv" in done.stderr
    assert any("install" in call and "python3.11-venv" in call for call in calls(programs))


def test_engines__nothing_there_and_no_root__says_all_and_does_nothing(checkout: Path, programs: Path) -> None:
    stand_in(programs, "id", "echo 1000")
    stand_in(programs, "docker", "exit 1")
    done = run(checkout / "tools" / "engines.sh", programs)
    assert done.returncode == 1
    assert "will start the Docker daemon" in done.stderr
    assert "will make the image dnnbox-base:bookworm" in done.stderr
    assert "run `make engines` as root" in done.stderr
    assert {call.split()[0] for call in calls(programs)} <= {"id", "docker"}


def test_engines__everything_there__changes_nothing(checkout: Path, programs: Path) -> None:
    for name in ("docker", "bwrap"):
        stand_in(programs, name, "echo 1")
    done = run(checkout / "tools" / "engines.sh", programs)
    assert done.returncode == 0, done.stderr
    assert "an engine answers already" in done.stderr
    assert "will install" not in done.stderr
    assert not any("import" in call for call in calls(programs))


def test_zoo__wheel_of_cpu_torch_in_find_links__needs_no_other_index(checkout: Path, programs: Path) -> None:
    links = programs.parent / "links"
    links.mkdir()
    (links / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    uv = checkout / ".venv" / "bin"
    uv.mkdir(parents=True)
    stand_in(uv, "uv")
    for find_links, expected in ((str(links), False), ("", True)):
        run(checkout / "tools" / "zoo.sh", programs, UV_FIND_LINKS=find_links)
        last = calls(uv)[-1]
        assert "--no-deps" in last
        assert ("--torch-backend=cpu" in last) is expected
