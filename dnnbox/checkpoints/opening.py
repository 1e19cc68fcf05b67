"""Open what the user gave, read-only and bounded: regular files and directories, nothing that blocks or acts.

Reading is by ``pread`` and not by memory map: a file that shrinks while it is read gives an error here, not SIGBUS.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from dnnbox.errors import Corrupt, NotReadable
from dnnbox.text import visible

if TYPE_CHECKING:
    from dnnbox.checkpoints.zips import Archive

HEAD_BYTES = 4096
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISLNK, "a symbolic link"),
)


def shown(path: Path) -> str:
    """Return the file's name fit for a message."""
    return visible(path.name or str(path), 120)


def _not_readable(path: Path, error: OSError) -> NotReadable:
    reason = {2: "does not exist", 13: "is not permitted", 40: "is a loop of symbolic links"}.get(error.errno or 0)
    return NotReadable(
        f"{shown(path)} {reason or 'cannot be read: ' + str(error.strerror)}",
        hint="give a local file or directory that you may read",
    )


class Bytes:
    """Random access to bytes of a known size; every read is checked against that size."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.name = path.name
        self.size = size

    def _fetch(self, offset: int, length: int) -> bytes:
        raise NotImplementedError

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes; raises Corrupt where there are fewer."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Corrupt(
                f"{shown(self.path)} is cut short: bytes {offset} to {offset + length} are needed, it has {self.size}"
            )
        return self._fetch(offset, length)

    def up_to(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``offset``, fewer at the end."""
        return self.read(offset, min(length, self.size - offset)) if 0 <= offset < self.size else b""

    @cached_property
    def head(self) -> bytes:
        """The first bytes, for recognition."""
        return self.up_to(0, HEAD_BYTES)

    @cached_property
    def archive(self) -> Archive:
        """The bytes read as a zip archive; raises Corrupt, InputLimit or UnsafeCheckpoint when they are none."""
        from dnnbox.checkpoints.zips import Archive

        return Archive(self)


class FileBytes(Bytes):
    """A regular file open for reading."""

    def __init__(self, path: Path, *, follow: bool = True) -> None:
        """Open ``path``. O_NONBLOCK: a FIFO must not hang. ``follow`` False refuses a symbolic link."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
        try:
            self._descriptor = os.open(path, flags)
        except OSError as error:
            raise _not_readable(path, error) from error
        except ValueError as error:
            raise NotReadable("the path holds a NUL character") from error
        self.facts = os.fstat(self._descriptor)
        super().__init__(path, self.facts.st_size)
        if not stat.S_ISREG(self.facts.st_mode):
            self.close()
            kind = next((text for test, text in _KINDS if test(self.facts.st_mode)), "something else")
            raise NotReadable(f"{shown(path)} is {kind}, expected a regular file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def _fetch(self, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._descriptor, length, offset)
            while len(data) < length and (more := os.pread(self._descriptor, length - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise _not_readable(self.path, error) from error
        if len(data) != length:
            raise NotReadable(f"{shown(self.path)} changed while it was read")
        return data

    def changed(self) -> bool:
        """Whether the file is not as it was when it was opened."""
        now = os.fstat(self._descriptor)
        return (now.st_size, now.st_mtime_ns) != (self.facts.st_size, self.facts.st_mtime_ns)


class Part(Bytes):
    """A range of other bytes, such as a stored member of an archive."""

    def __init__(self, whole: Bytes, offset: int, size: int, name: str) -> None:
        if offset < 0 or size < 0 or offset + size > whole.size:
            raise Corrupt(f"{visible(name, 120)} reaches beyond the end of {shown(whole.path)}")
        super().__init__(whole.path, size)
        self.name = name
        self._whole = whole
        self._offset = offset

    def _fetch(self, offset: int, length: int) -> bytes:
        return self._whole.read(self._offset + offset, length)


class Memory(Bytes):
    """Bytes that were decompressed."""

    def __init__(self, content: bytes, path: Path, name: str) -> None:
        super().__init__(path, len(content))
        self.name = name
        self.content = content

    def _fetch(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


class Entry(NamedTuple):
    """One file below a directory. ``path`` is relative with slashes; ``outside`` = a link that leads out."""

    path: str
    size: int
    modified: float = 0.0
    is_link: bool = False
    outside: bool = False


class Folder:
    """A directory checkpoint: its files by lstat, at most ``MAX_FILES``, and bounded reads of them."""

    MAX_FILES = 20_000
    MAX_DEPTH = 8
    _SKIPPED = frozenset((".git", "__pycache__", ".cache", "node_modules", ".venv", "venv"))

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name
        self.truncated = False
        self._seen = 0
        try:
            self._real = os.path.realpath(root)
            self.entries = {entry.path: entry for entry in self._walk(root, "", 0)}
        except OSError as error:
            raise _not_readable(root, error) from error

    def _walk(self, place: Path, prefix: str, depth: int) -> Iterator[Entry]:
        with os.scandir(place) as found:
            items = sorted(found, key=lambda item: item.name)
        for item in items:
            if self._seen >= self.MAX_FILES:
                self.truncated = True
                return
            self._seen += 1
            if item.is_dir(follow_symlinks=False):
                if depth < self.MAX_DEPTH and item.name not in self._SKIPPED:
                    yield from self._walk(Path(item.path), f"{prefix}{item.name}/", depth + 1)
            elif item.is_symlink():
                yield self._link(item, prefix)
            elif item.is_file(follow_symlinks=False):
                own = item.stat(follow_symlinks=False)
                yield Entry(prefix + item.name, own.st_size, own.st_mtime)

    def _link(self, item: os.DirEntry[str], prefix: str) -> Entry:
        """Describe a symbolic link. Hugging Face caches are farms of links from snapshots/REV to ../../blobs."""
        target = os.path.realpath(item.path)
        inside = target.startswith(self._real + os.sep) or self._is_cache_blob(target)
        try:
            facts = Path(target).stat() if inside else None
        except OSError:
            facts = None
        if facts is None or not stat.S_ISREG(facts.st_mode):
            return Entry(prefix + item.name, 0, is_link=True, outside=True)
        return Entry(prefix + item.name, facts.st_size, facts.st_mtime, is_link=True)

    def _is_cache_blob(self, target: str) -> bool:
        parts = Path(self._real).parts
        if "snapshots" not in parts:
            return False
        home = Path(*parts[: parts.index("snapshots")])
        return home.name.startswith("models--") and target.startswith(str(home / "blobs") + os.sep)

    def has(self, path: str) -> bool:
        """Whether the directory holds this file, not by a link that leads out."""
        entry = self.entries.get(path)
        return entry is not None and not entry.outside

    @contextmanager
    def open(self, path: str) -> Iterator[FileBytes]:
        """Open one file by relative path; a link that leads outside is refused."""
        if not self.has(path):
            raise NotReadable(f"{visible(path, 120)} is not a file inside {shown(self.root)}")
        target = Path(os.path.realpath(self.root / path))
        if not (target.is_relative_to(self._real) or self._is_cache_blob(str(target))):
            raise NotReadable(f"{visible(path, 120)} leads out of {shown(self.root)}")
        with FileBytes(target, follow=False) as data:
            yield data

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries.values())


def modified_utc(seconds: float) -> str:
    """Return a modification time as ISO 8601 UTC, "" where it is out of range."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return ""
