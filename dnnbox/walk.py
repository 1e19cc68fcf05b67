"""Looking for files in directories that may be huge, hostile or somebody's home: bounded in depth, count and time.

Symbolic links to directories are never followed, links to files only where they stay inside the root. Hidden
directories, virtual environments and what dnnbox itself wrote are passed over.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

SKIPPED = frozenset(
    ("tmp", "node_modules", "__pycache__", "site-packages", "dist-packages", "venv", "virtualenv", "wandb", "mlruns")
)
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass
class Budget:
    """What one search may cost, over all the roots it looks into. ``exhausted`` says that it ended early."""

    entries: int = 20_000
    seconds: float = 1.0
    exhausted: bool = False
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.seconds

    def spend(self, entries: int = 1) -> bool:
        """Take from the budget; False when there is none left."""
        self.entries -= entries
        if self.entries < 0 or time.monotonic() > self._deadline:
            self.exhausted = True
        return not self.exhausted


@dataclass(frozen=True)
class Folder:
    """One directory of a walk: its path, its regular files sorted by name, and how deep below the root it lies."""

    path: Path
    files: tuple[Path, ...]
    depth: int


def folders(root: Path, budget: Budget, *, depth: int = 4) -> Iterator[Folder]:
    """Yield ``root`` and the directories below it, nearest first, in the same order on every machine.

    What cannot be read is passed over: a search never fails because of a stranger's directory.
    """
    waiting = deque([(root, 0)])
    while waiting and not budget.exhausted:
        path, level = waiting.popleft()
        entries = _entries(path, budget)
        if entries is None or (level > 0 and any(entry.name in _ENVIRONMENT_MARKS for entry in entries)):
            continue
        yield Folder(path, tuple(Path(entry.path) for entry in entries if _is_file(entry, root)), level)
        if level < depth:
            waiting.extend((Path(entry.path), level + 1) for entry in entries if _is_open_directory(entry))


def _entries(path: Path, budget: Budget) -> list[os.DirEntry[str]] | None:
    found = []
    try:
        with os.scandir(path) as scan:
            for entry in scan:
                if not budget.spend():
                    break
                found.append(entry)
    except OSError:
        return None
    return sorted(found, key=lambda entry: entry.name)


def _is_open_directory(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in SKIPPED:
        return False
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str], root: Path) -> bool:
    if entry.name.startswith("."):
        return False
    try:
        if entry.is_symlink():
            target = Path(entry.path).resolve(strict=True)
            return target.is_relative_to(root.resolve()) and target.is_file()
        return entry.is_file(follow_symlinks=False)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return False


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; never blocks on a FIFO or a device.

    Raises:
        OSError: it cannot be opened, or it is no regular file (EINVAL).
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_head(path: Path, limit_bytes: int) -> bytes | None:
    """Return the first bytes of a regular file; None for anything else or what cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(limit_bytes)
    except OSError:
        return None
