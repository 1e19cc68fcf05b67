"""Whether the kernel killed for memory in a group of version 1, where the engine does not tell: Podman's there.

The kernel counts such kills, and one more when the group is removed, in an eventfd; it outlives the group.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SETTLE_S = 0.1  # until the removal of the group is counted
_STEP_S = 0.01


@dataclass
class Kills:
    """``seen`` is right once the block that counted has ended."""

    seen: bool = False


@contextlib.contextmanager
def counting(folder: Path | None) -> Iterator[Kills]:
    """Count kills for memory in the group of ``folder`` until the end of the block; nothing where it cannot be had."""
    kills = Kills()
    counter = _register(folder) if folder is not None else None
    if folder is None or counter is None:
        yield kills
        return
    try:
        yield kills
        kills.seen = _was_killed(counter, folder)
    finally:
        os.close(counter)


def _register(folder: Path) -> int | None:
    """Return an eventfd that counts, None for groups of version 2 and where the right to ask is missing."""
    try:
        control = os.open(folder / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        (folder / "cgroup.event_control").write_text(f"{counter} {control}", "ascii")
    except OSError:
        os.close(counter)
        return None
    finally:
        os.close(control)
    return counter


def _was_killed(counter: int, folder: Path) -> bool:
    count = _read(counter)
    deadline = time.monotonic() + _SETTLE_S
    while count < 2 and not (count and folder.exists()) and time.monotonic() < deadline:
        time.sleep(_STEP_S)
        count += _read(counter)
    return count > (0 if folder.exists() else 1)


def _read(counter: int) -> int:
    try:
        return os.eventfd_read(counter)
    except BlockingIOError:
        return 0
