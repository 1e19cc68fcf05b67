"""Private temporary folders that a later dnnbox can tell from those of a living one, and remove.

A folder is locked by its maker for as long as it is in use. The kernel drops the lock with the process, however that
ends: a folder that can be locked belongs to nobody.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "dnnbox-private-"
_YOUNG_S = 60.0
"""A folder this young may have been made by somebody who has not locked it yet."""


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder, in the system's place for such, that only this user may enter; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks: then nobody can prove that it is dead
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def sweep_scratch(*parents: Path) -> int:
    """Remove the folders of this user whose maker has died, also those in ``parents``; return how many."""
    count = 0
    for parent in (Path(tempfile.gettempdir()), *parents):
        for folder in parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                count += _remove_dead(folder)
    return count


def _end_sandboxes(folder: Path) -> None:
    """End the sandboxes that were started from a dead folder.

    bubblewrap ends with its parent, but for the moment before its child has asked for that: killed just then, the child
    waits for ever for orders, and has run nothing.
    """
    inside = os.fsencode(folder) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            program, *arguments = (process / "cmdline").read_bytes().split(b"\0")
            if program.rpartition(b"/")[2] == b"bwrap" and any(word.startswith(inside) for word in arguments):
                os.kill(int(process.name), signal.SIGKILL)


def _remove_dead(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        facts = os.fstat(handle)
        if facts.st_uid != os.getuid() or time.time() - facts.st_mtime < _YOUNG_S:
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _end_sandboxes(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(handle)
