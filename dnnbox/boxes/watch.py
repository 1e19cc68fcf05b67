"""Stops a job that fills the disk: one look a second at how much its staging directory holds.

The cheap look is at the free space of the file system; only when that has shrunk is the directory itself counted. On a
disk that others fill as well this costs a walk, never a wrong verdict.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dnnbox.records.environment import Limits

_PERIOD_S = 1.0
_RESERVE_BYTES = 256 << 20  # what the host itself needs to finish and to say so


@dataclass
class Watch:
    """``exceeded`` says which cap was hit, "" while none is."""

    exceeded: str = ""


@contextlib.contextmanager
def watching(staging: Path, limits: Limits, kill: Callable[[], None]) -> Iterator[Watch]:
    """Call ``kill`` from another thread once the job has written more than it may."""
    watch, done = Watch(), threading.Event()
    begin = _free_bytes(staging)

    def look() -> None:
        while not done.wait(_PERIOD_S):
            free = _free_bytes(staging)
            if begin - free <= limits.output_bytes and free >= _RESERVE_BYTES:
                continue
            written = _size_of(staging, 4 * limits.output_files)
            if written > limits.output_bytes or free < _RESERVE_BYTES < written:
                watch.exceeded = f"{written >> 20} MiB written, {limits.output_bytes >> 20} MiB allowed"
                kill()
                return

    thread = threading.Thread(target=look, name="dnnbox-output-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


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
