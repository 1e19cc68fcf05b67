"""Stops a job that fills the disk, or that only reads its own code again and again for want of memory.

One look a second. At the disk the cheap look is at the free space of the file system; only when that has shrunk is the
directory itself counted. On a disk that others fill as well this costs a walk, never a wrong verdict.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dnnbox.boxes import cgroup
from dnnbox.records.environment import Limits

_PERIOD_S = 1.0
_RESERVE_BYTES = 256 << 20  # what the host itself needs to finish and to say so
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_THRASHING_S = 5  # so long in a row
_FULL_SHARE = 0.7  # of the limit is the job's own data: hardly any room is left for its code
_REREAD_SHARE = 4  # times the limit a second


@dataclass
class Watch:
    """``exceeded`` says which cap on output was hit, "" while none is; ``thrashing``: stopped for want of memory."""

    exceeded: str = ""
    thrashing: bool = False


@contextlib.contextmanager
def watching(
    staging: Path, limits: Limits, kill: Callable[[], None], memory: Callable[[], Path | None]
) -> Iterator[Watch]:
    """Call ``kill`` from another thread while the job is beyond its limits; ``memory`` finds its group's figures.

    Every second anew until the block ends: an engine may not have been there to hear it.
    """
    watch, done = Watch(), threading.Event()
    disk, ram = _Disk(staging, limits), _Memory(limits)

    def look() -> None:
        while not done.wait(_PERIOD_S):
            watch.exceeded = watch.exceeded or disk.exceeded()
            watch.thrashing = watch.thrashing or ram.is_thrashing(memory())
            if watch.exceeded or watch.thrashing:
                kill()

    thread = threading.Thread(target=look, name="dnnbox-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


class _Disk:
    """What the staging directory takes of its file system."""

    def __init__(self, staging: Path, limits: Limits) -> None:
        self._staging, self._limits = staging, limits
        self._begin = _free_bytes(staging)

    def exceeded(self) -> str:
        """Return which cap is exceeded, "" while none is."""
        free, allowed = _free_bytes(self._staging), self._limits.output_bytes
        if self._begin - free <= allowed and free >= _RESERVE_BYTES:
            return ""
        written = _size_of(self._staging, 4 * self._limits.output_files)
        if written > allowed or free < _RESERVE_BYTES < written:
            return f"{written >> 20} MiB written, {allowed >> 20} MiB allowed"
        return ""


class _Memory:
    """Tells a job that lacks memory from one that is slow.

    At the limit the kernel first drops the pages of code, which can be read again. A job whose own data fill its limit
    then reads its libraries for every step, for hours, and no allocation ever fails.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.memory_bytes
        self._refaults, self._seconds = 0, 0

    def is_thrashing(self, folder: Path | None) -> bool:
        """Take one look, a second after the last one."""
        if folder is None:
            return False
        now = cgroup.usage(folder)
        reread = (now.refaults - self._refaults) * _PAGE_BYTES
        self._refaults = now.refaults
        full = now.anonymous_bytes > _FULL_SHARE * self._limit
        self._seconds = self._seconds + 1 if full and reread > _REREAD_SHARE * self._limit else 0
        return self._seconds >= _THRASHING_S


def _free_bytes(path: Path) -> int:
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def _size_of(root: Path, entries: int) -> int:
    """Return the bytes that the files under ``root`` take on the disk; links are not followed."""
    total, waiting = 0, [str(root)]
    while waiting and entries > 0:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                entries -= 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total
