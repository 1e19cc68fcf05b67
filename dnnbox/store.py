"""The store: what dnnbox makes once and uses often, keyed by content. It knows nothing of what lies in it.

An entry is a directory. It is built beside its final name, gets a marker last and is renamed, so that a crash at any
point leaves either nothing that counts or a whole entry. A file lock per entry makes concurrent creators wait.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox.errors import HostPermission
from dnnbox.files import expanded, host_errors, leaves, write_atomic

MARKER = ".dnnbox-entry.json"
_SCHEMA = 1
ELSEWHERE = "set DNNBOX_HOME to a folder that you may write"
"""The way out for whoever may not write to the store."""

_WITNESSES = 12
"""How many of the largest files are checked by size on every use; all of them would cost more than a run's start."""


@dataclass(frozen=True)
class Entry:
    """One finished entry. ``bytes`` counts hardlinked files too; ``used`` is seconds since the epoch."""

    path: Path
    bytes: int
    files: int
    used: float


@dataclass(frozen=True)
class Store:
    """Directories under ``root``; they are made when something is written."""

    root: Path

    @classmethod
    def default(cls) -> Store:
        """Return the user's store: ``$DNNBOX_HOME``, else the platform's cache directory."""
        home = os.environ.get("DNNBOX_HOME")
        if home:
            return cls(expanded(home).absolute())
        import platformdirs

        return cls(platformdirs.user_cache_path("dnnbox"))

    def venv_dir(self, key: str) -> Path:
        """Return where the host's environment of this key is, or will be."""
        return self.root / "venvs" / key

    @property
    def lock_dir(self) -> Path:
        """Resolved locks, by the question that they answer."""
        return self.root / "locks"

    @property
    def container_root(self) -> Path:
        """The one directory that containers see: uv's cache and their environments, so that hardlinks work."""
        return self.root / "container"

    @property
    def uv_cache(self) -> Path:
        """uv's cache; the host's environments share it with those of containers."""
        return self.container_root / "uv"

    @property
    def conda(self) -> Path:
        """What conda channels answered and the packages that were fetched from them."""
        return self.root / "conda"

    @property
    def bytecode(self) -> Path:
        """Compiled files by Python and wheel, linked into environments of both kinds."""
        return self.root / "bytecode"

    @property
    def log_dir(self) -> Path:
        """Transcripts of resolving and installing that have no experiment to lie in."""
        return self.root / "logs"

    def mark_fetched(self, digests: Iterable[str]) -> None:
        """Remember that the wheels of these hashes have been fetched, so that a plan tells what is still to be."""
        folder = self.root / "fetched"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for digest in digests:
                (folder / digest).touch()

    def was_fetched(self, digest: str) -> bool:
        """Return whether a wheel has been fetched before: an estimate, uv's cache may have been emptied since."""
        return (self.root / "fetched" / digest).exists()

    def create_once(
        self,
        target: Path,
        build: Callable[[Path], None],
        *,
        waiting: Callable[[], None] | None = None,
        in_place: bool = False,
    ) -> bool:
        """Make the entry unless it is there; return whether it was made by this call.

        ``build`` fills the directory that it is given, which is renamed to ``target`` afterwards. ``waiting`` is called
        once if another process makes it just now. ``in_place`` is for what names its own place, as conda's packages do:
        it is built where it stays, and counts only once its marker is there.
        """
        if self.verified(target):
            self.used(target)
            return False
        with _exclusive(target, waiting):
            if self.verified(target):
                self.used(target)
                return False
            self._build(target, build, in_place)
            return True

    def _build(self, target: Path, build: Callable[[Path], None], in_place: bool) -> None:
        # The lock is ours: whatever lies here without being verified was left by a creator that died.
        for leftover in (target, *_leftovers(target.parent, target.name)):
            _remove(leftover)
        # Not the process id alone: in containers that share a store everybody may be number 1.
        part = target if in_place else target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part"
        try:
            with host_errors(target, ELSEWHERE):
                part.mkdir()
                build(part)
                _mark(part, target.name)
                if not in_place:
                    part.rename(target)
        except BaseException:
            _remove(part)
            raise

    def verified(self, target: Path) -> bool:
        """Return whether a whole entry is there: its marker fits and the largest files have their sizes."""
        marker = _read_marker(target)
        if marker is None or marker.get("key") != target.name:
            return False
        try:
            return all(os.lstat(target / name).st_size == size for name, size in marker["witnesses"].items())
        except (OSError, AttributeError, KeyError):
            return False

    def used(self, target: Path) -> None:
        """Stamp the entry as used now; a store that may only be read is left as it is."""
        with suppress(OSError):
            os.utime(target / MARKER)

    @contextmanager
    def using(self, target: Path) -> Iterator[None]:
        """Keep the entry from being removed while the block runs. Nobody makes it meanwhile: ask :meth:`verified`."""
        self.used(target)
        try:
            handle = _open_lock(target)
        except (OSError, HostPermission):  # a store shared read-only: nobody here may remove from it either
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def entries(self) -> Iterator[Entry]:
        """Yield what was made, in no order."""
        for folder in (self.root / "venvs", self.container_root / "envs"):
            for marker in folder.glob(f"*/{MARKER}"):
                facts = _read_marker(marker.parent) or {}
                with suppress(OSError):
                    used = marker.stat().st_mtime
                    yield Entry(marker.parent, int(facts.get("bytes", 0)), int(facts.get("files", 0)), used)

    def stale(self, before: float, keep_bytes: int | None = None) -> Iterator[Entry]:
        """Yield what was last used before that time, then the longest unused until the rest fits ``keep_bytes``."""
        entries = sorted(self.entries(), key=lambda entry: entry.used)
        total = sum(entry.bytes for entry in entries)
        for entry in entries:
            if entry.used <= before or (keep_bytes is not None and total > keep_bytes):
                total -= entry.bytes
                yield entry

    def remove(self, target: Path) -> bool:
        """Remove an entry unless somebody uses or makes it; return whether it is gone."""
        with _held(target) as held:
            if held:
                _remove(target)
            return held

    def remove_caches(self) -> bool:
        """Remove fetched wheels, compiled files and the harness's copies: whatever is linked from them stays.

        A damaged file must go from here too, because a new environment would link it again. Returns False, and removes
        nothing, while somebody makes an environment from them.
        """
        if self._is_making():
            return False
        for folder in (self.uv_cache, self.conda, self.bytecode, self.root / "fetched"):
            _remove(folder)
        for marker in (self.root / "harness").glob(f"*/{MARKER}"):
            self.remove(marker.parent)  # unless a box shows it just now
        return True

    def _is_making(self) -> bool:
        """Return whether somebody makes an environment: he holds its lock."""
        for folder in (self.root / "venvs", self.container_root / "envs"):
            for part in (*folder.glob(".*.part"), *_unmarked(folder)):
                with _held(folder / part.name.removeprefix(".").partition(".")[0]) as held:
                    if not held:
                        return True
        return False

    def remove_leftovers(self) -> int:
        """Remove what creators that died have left; return how many folders. Whoever works keeps a lock on his."""
        count = 0
        for folder in (self.root / "venvs", self.container_root / "envs"):
            for leftover in (*_leftovers(folder, "*"), *_unmarked(folder)):
                key = leftover.name.removeprefix(".").partition(".")[0]
                with _held(folder / key) as held:
                    if held:
                        _remove(leftover)
                        count += 1
        return count


def entry_of(path: Path) -> Path | None:
    """Return the finished entry that a path lies in, None for one that is in no store."""
    return next((folder for folder in path.parents if (folder / MARKER).is_file()), None)


def _leftovers(folder: Path, key: str) -> tuple[Path, ...]:
    return (*folder.glob(f".{key}.*.part"), *folder.glob(f".{key}.*.gone"))


def _unmarked(folder: Path) -> tuple[Path, ...]:
    """Return the entries that were built in place and never finished."""
    return tuple(path for path in folder.glob("[!.]*") if path.is_dir() and not (path / MARKER).is_file())


def _open_lock(target: Path) -> int:
    folder = target.parent / ".locks"
    with host_errors(folder, ELSEWHERE):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Lock files are never removed: a second process could hold the old one while a third makes it anew.
            return os.open(folder / target.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except (NotADirectoryError, FileExistsError) as error:
            raise HostPermission(
                f"the store cannot be made: a part of its path is not a folder ({error.strerror})",
                hint=ELSEWHERE,
            ) from error


@contextmanager
def _held(target: Path) -> Iterator[bool]:
    """Hold the entry's lock if nobody else does; yields whether."""
    handle = _open_lock(target)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


@contextmanager
def _exclusive(target: Path, waiting: Callable[[], None] | None) -> Iterator[None]:
    handle = _open_lock(target)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which also unlocks


def _read_marker(target: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((target / MARKER).read_bytes())
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("schema") == _SCHEMA else None


def _mark(part: Path, key: str) -> None:
    sizes = dict(_sizes(part))
    witnesses = heapq.nlargest(_WITNESSES, sizes, key=lambda name: (sizes[name], name))
    marker = {
        "schema": _SCHEMA,
        "key": key,
        "files": len(sizes),
        "bytes": sum(sizes.values()),
        "created": int(time.time()),
        "witnesses": {name: sizes[name] for name in sorted(witnesses)},
    }
    write_atomic(part / MARKER, json.dumps(marker, indent=1))


def _sizes(root: Path) -> Iterator[tuple[str, int]]:
    """Yield relative names and sizes of the regular files; links are not followed."""
    for name, entry in leaves(root):
        if entry.is_file(follow_symlinks=False):
            yield name, entry.stat(follow_symlinks=False).st_size


def _remove(path: Path) -> None:
    """Remove a directory tree: first out of sight, so that nobody finds half of it.

    An installer that outlived its dead creator may still write below it: what it leaves is removed the next time.
    """
    doomed = path.parent / f".{path.name.lstrip('.')}.{secrets.token_hex(4)}.gone"
    try:
        with host_errors(path, ELSEWHERE):
            path.rename(doomed)
    except FileNotFoundError:
        return
    shutil.rmtree(doomed, ignore_errors=True)
