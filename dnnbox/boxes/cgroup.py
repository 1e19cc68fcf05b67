"""A control group for one job: memory and number of processes, where this user may make one (v1 and v2).

Without one the venv box falls back to limits of the process itself, and says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dnnbox.records.environment import Limits

_MOUNTS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_EMPTY_S = 2.0  # how long a killed job's processes may take to leave


class Group:
    """One job's control group, one directory on v2 and one per controller on v1."""

    def __init__(self, version: int, memory: Path, pids: Path | None) -> None:
        self.version = version
        self._memory = memory
        self._folders = tuple(dict.fromkeys(folder for folder in (memory, pids) if folder is not None))

    def add(self, pid: int) -> None:
        """Move a process in; what it starts from now on is inside as well."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(f"{pid}\n")

    @property
    def oom_killed(self) -> bool:
        """Whether the kernel killed a process in here for memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _counter(self._memory / name, "oom_kill") > 0

    @property
    def refused(self) -> bool:
        """Whether the limit was reached at all: allocations may then have failed without a kill."""
        if self.version == 2:
            return _counter(self._memory / "memory.events", "max") > 0
        return (_number(self._memory / "memory.failcnt") or 0) > 0

    @property
    def memory_folder(self) -> Path:
        """Where the kernel's figures of the group's memory are."""
        return self._memory

    @property
    def peak_bytes(self) -> int | None:
        """Most memory that the job ever used, page cache included; None where the kernel does not tell."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return _number(self._memory / name)

    def close(self) -> None:
        """Remove the group, killing what is left in it."""
        for folder in self._folders:
            _remove(folder)


@dataclass(frozen=True)
class Usage:
    """What a group's memory is used for. ``refaults`` counts pages read again soon after they were dropped."""

    anonymous_bytes: int
    refaults: int


def usage(folder: Path) -> Usage:
    """Return the figures of one group, zeros where there are none."""
    stat = folder / "memory.stat"
    refaults = _counter(stat, "workingset_refault_file") or _counter(stat, "workingset_refault")
    return Usage(_counter(stat, "anon") or _counter(stat, "rss"), refaults)


def memory_folder_of(pid: int) -> Path | None:
    """Return where the memory figures of a process's group are, None where this machine does not show them."""
    controller = "" if version() == 2 else "memory"
    folder = _path_of(Path(f"/proc/{pid}/cgroup"), controller)
    return folder if folder is not None and (folder / "memory.stat").exists() else None


def make(limits: Limits) -> Group | None:
    """Return a new group with these limits, or None where none can be made."""
    for make_one in (_make_v2, _make_v1):
        group = make_one(limits)
        if group is not None:
            return group
    return None


def version() -> int:
    """Return 2 for the unified hierarchy, 1 for the old one or a mixture, 0 where there is none."""
    if (_MOUNTS / "cgroup.controllers").exists():
        return 2
    return 1 if (_MOUNTS / "memory").is_dir() else 0


def _make_v2(limits: Limits) -> Group | None:
    if version() != 2:
        return None
    own = _own_path("")
    # A group with processes in it cannot share out controllers, so the parent is tried as well.
    for above in [own, own.parent] if own != _MOUNTS else [own]:
        with _fresh(above) as folder:
            if folder is None or not (folder / "memory.max").exists():
                continue
            (folder / "memory.max").write_text(str(limits.memory_bytes))
            _try_write(folder / "memory.swap.max", "0")
            _try_write(folder / "memory.oom.group", "1")
            _try_write(folder / "pids.max", str(limits.pids))
            if os.access(folder / "cgroup.procs", os.W_OK) and os.access(above / "cgroup.procs", os.W_OK):
                return Group(2, folder, folder)
            folder.rmdir()
    return None


def _make_v1(limits: Limits) -> Group | None:
    with _fresh(_own_path("memory")) as memory:
        if memory is None or not (memory / "memory.limit_in_bytes").exists():
            return None
        (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
        _try_write(memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
        with _fresh(_own_path("pids")) as pids:
            if pids is not None:
                _try_write(pids / "pids.max", str(limits.pids))
            return Group(1, memory, pids)
    return None


def _own_path(controller: str) -> Path:
    """Return the directory of this process's own group for a v1 controller, or of v2 for ""."""
    # Inside a container the path may be the outside's: then the mount itself is the group.
    return _path_of(_OWN, controller) or _MOUNTS / controller


def _path_of(listing: Path, controller: str) -> Path | None:
    with contextlib.suppress(OSError):
        for line in listing.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            folder = _MOUNTS / controller / path.lstrip("/")
            if controller in controllers.split(",") and folder.is_dir():
                return folder
    return None


@contextlib.contextmanager
def _fresh(above: Path) -> Iterator[Path | None]:
    """Yield a new group under ``above``, or None where it cannot be made.

    An OSError in the block means that the group cannot be used: it is removed and the block ends there.
    """
    _remove_dead(above)
    folder = above / f"dnnbox-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        yield folder
    except OSError:
        folder.rmdir()


def _remove_dead(above: Path) -> None:
    """Remove groups whose dnnbox was killed; one that still holds a process cannot be removed, so nothing is lost."""
    for folder in above.glob("dnnbox-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _try_write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # an optional controller, or swap accounting that is off
        path.write_text(text)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _counter(path: Path, name: str) -> int:
    try:
        found = re.search(rf"^{name} (\d+)$", path.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _EMPTY_S
    while True:
        with contextlib.suppress(OSError):
            folder.rmdir()
        if not folder.exists() or time.monotonic() > deadline:
            return
        for pid in _pids(folder):
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
        time.sleep(0.005)


def _pids(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except (OSError, ValueError):
        return []
