"""Takes what a job left in its staging directory over to the host, treating all of it as hostile.

Every step goes from a directory descriptor to the next with O_NOFOLLOW, so that no link anywhere in a path is followed.
Only regular files are copied, the ones that result.json declares first, so that junk cannot use up their room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dnnbox.boxes.strict import RESULT_BYTES, read_result
from dnnbox.files import host_errors, replacing
from dnnbox.harness.protocol import ARRAYS, ARTIFACTS, EVENTS, RESULT, ProtocolError, RunResult
from dnnbox.records.environment import Limits

_MAX_DEPTH = 8
_MAX_NAME_BYTES = 200
_MAX_REJECTED = 50
_EVENTS_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for its writer.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class Collected:
    """What was taken over. ``problem`` says why ``result`` is None although result.json was there."""

    result: RunResult | None = None
    problem: str = ""
    output_limit: str = ""
    files: dict[str, str] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    def reject(self, name: str, why: str) -> None:
        """Note a refusal; after fifty only that there were more."""
        if len(self.rejected) < _MAX_REJECTED:
            self.rejected.append(f"{name}: {why}")
        elif len(self.rejected) == _MAX_REJECTED:
            self.rejected.append("…: and more")


class _RefusedError(Exception):
    """Something in the staging directory that is not taken over; the text says why."""


class _CapError(_RefusedError):
    """It would be taken over, but a cap is reached."""


def collect(staging: Path, job_dir: Path, limits: Limits) -> Collected:
    """Copy result.json and the files under arrays/ and artifacts/ to ``job_dir``; refusals become notes.

    Raises:
        HostFull, HostPermission: the host's own side could not be written.
    """
    collected = Collected()
    root = os.open(staging, _OPEN_DIR)
    try:
        copier = _Copier(root, job_dir, limits, collected)
        copier.result()
        for name in declared_paths(collected.result):
            copier.declared(name)
        copier.take((EVENTS,), _EVENTS_BYTES)
        copier.the_rest()
    finally:
        os.close(root)
    return collected


def declared_paths(result: RunResult | None) -> list[str]:
    """Return the files that a result names, in its order, each once."""
    if result is None:
        return []
    paths = [array.path for array in result.arrays]
    if result.samples is not None:
        paths.append(result.samples.path)
    paths += [path for artifact in result.artifacts if isinstance(path := artifact.get("path"), str)]
    return list(dict.fromkeys(paths))


class _Copier:
    """Copies from one staging directory under the caps of one job."""

    def __init__(self, root: int, job_dir: Path, limits: Limits, collected: Collected) -> None:
        self._root, self._job_dir, self._collected = root, job_dir, collected
        self._bytes_left, self._files_left = limits.output_bytes, limits.output_files
        self._entries_left = 4 * limits.output_files
        self._file_bytes = limits.file_bytes

    def result(self) -> None:
        """Take result.json, decode it and keep the copy only when it is one."""
        try:
            with _regular(self._root, (RESULT,)) as (source, facts):
                if facts.st_size > RESULT_BYTES:
                    raise _RefusedError(f"{facts.st_size} bytes, at most {RESULT_BYTES} are read")
                data = _read_all(source, facts.st_size)
            self._collected.result = read_result(data)
        except FileNotFoundError:
            return
        except (_RefusedError, ProtocolError, OSError) as error:
            self._collected.problem = _reason(error)
            self._collected.reject(RESULT, self._collected.problem)
            return
        self.take((RESULT,), RESULT_BYTES)

    def declared(self, name: str) -> None:
        """Take a file that the result names; it may only lie under arrays/ or artifacts/."""
        parts = tuple(name.split("/"))
        if parts[0] not in (ARRAYS, ARTIFACTS):
            self._collected.reject(_shown(name), f"declared, but not under {ARRAYS}/ or {ARTIFACTS}/")
            return
        self.take(parts, self._file_bytes, declared=True)

    def take(self, parts: Sequence[str], limit_bytes: int, *, declared: bool = False) -> None:
        """Copy one regular file unless it is refused or a cap is reached; one that is missing is no news."""
        name = "/".join(parts)
        if name in self._collected.files:
            return
        try:
            _check_name(parts)
            with _regular(self._root, parts) as (source, facts):
                self._check_caps(facts.st_size, limit_bytes)
                target = self._job_dir.joinpath(*parts)
                _copy(source, facts.st_size, target)
        except FileNotFoundError:
            if declared:
                self._collected.reject(_shown(name), "declared, but missing")
        except (_RefusedError, OSError) as error:
            self._collected.reject(_shown(name), _reason(error))
            if declared and isinstance(error, _CapError):
                self._collected.output_limit = self._collected.output_limit or _reason(error)
        else:
            self._collected.files[name] = str(target)
            self._bytes_left -= facts.st_size
            self._files_left -= 1

    def _check_caps(self, size: int, limit_bytes: int) -> None:
        if self._files_left <= 0:
            raise _CapError("the cap on the number of files is reached")
        if size > limit_bytes:
            raise _CapError(f"{size} bytes, a file may have {limit_bytes}")
        if size > self._bytes_left:
            raise _CapError(f"{size} bytes, {self._bytes_left} of the job's output are left")

    def the_rest(self) -> None:
        """Take undeclared files under arrays/ and artifacts/, and note whatever else lies at the top."""
        for name in self._names(self._root, ""):
            if name in (ARRAYS, ARTIFACTS):
                self._walk((name,))
            elif name not in (RESULT, EVENTS, "request.json"):
                self._collected.reject(_shown(name), "not under arrays/ or artifacts/")

    def _walk(self, parts: tuple[str, ...]) -> None:
        """Depth first; the depth is bounded by the check of names, the width by the number of entries."""
        try:
            _check_name(parts)
            with _directory(self._root, parts) as folder:
                for name in self._names(folder, "/".join(parts)):
                    child = (*parts, name)
                    if _is_directory(folder, name):
                        self._walk(child)
                    else:
                        self.take(child, self._file_bytes)
        except (_RefusedError, OSError) as error:
            self._collected.reject(_shown("/".join(parts)), _reason(error))

    def _names(self, folder: int, where: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries_left -= 1
                if self._entries_left < 0:
                    self._collected.reject(_shown(where) or ".", "too many entries; the rest was not looked at")
                    return
                yield entry.name


def _check_name(parts: Sequence[str]) -> None:
    if len(parts) > _MAX_DEPTH:
        raise _RefusedError(f"nested deeper than {_MAX_DEPTH}")
    for part in parts:
        if part in ("", ".", "..") or "/" in part or not part.isprintable():
            raise _RefusedError("not a plain name")
        try:
            if len(part.encode("utf-8")) > _MAX_NAME_BYTES:
                raise _RefusedError(f"a name of more than {_MAX_NAME_BYTES} bytes")
        except UnicodeEncodeError as error:  # bytes that are not UTF-8
            raise _RefusedError("not a plain name") from error


@contextlib.contextmanager
def _directory(root: int, parts: Sequence[str]) -> Iterator[int]:
    """Yield a descriptor of the directory, reached without following any link."""
    current = os.dup(root)
    try:
        for part in parts:
            below = os.open(part, _OPEN_DIR, dir_fd=current)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


@contextlib.contextmanager
def _regular(root: int, parts: Sequence[str]) -> Iterator[tuple[int, os.stat_result]]:
    """Yield descriptor and facts of a regular file; anything else is refused, opened or not."""
    with _directory(root, parts[:-1]) as folder:
        if not stat.S_ISREG(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
            raise _RefusedError("not a regular file")
        descriptor = os.open(parts[-1], _OPEN_FILE, dir_fd=folder)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise _RefusedError("not a regular file")
        yield descriptor, facts
    finally:
        os.close(descriptor)


def _is_directory(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _read_all(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (chunk := os.read(descriptor, min(_CHUNK_BYTES, size - len(data)))):
        data += chunk
    return bytes(data)


def _copy(source: int, size: int, target: Path) -> None:
    """Write a fresh file of ours: no owner, no mode bits, no attributes come along."""
    with host_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, durable=False) as file:  # a link at its place is replaced, not followed
            left = size
            while left > 0 and (chunk := os.read(source, min(_CHUNK_BYTES, left))):
                file.write(chunk)
                left -= len(chunk)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return "a link, or a part of the path is no directory"
        return str(error.strerror)
    return str(error)


def _shown(name: str) -> str:
    from dnnbox.text import visible

    return visible(name, 120)


def remove_tree(root: Path) -> None:
    """Remove a directory that a job filled, however deep, wide or forbidding it made it.

    Directories are emptied by moving their children to the top, so that neither the stack nor the length of a path or
    the number of open files grows with the depth.
    """
    if not root.is_dir() or root.is_symlink():
        return
    top = os.open(root, _OPEN_DIR)
    try:
        while names := _listed(top):
            for name in names:
                _remove_one(top, name)
    finally:
        os.close(top)
    root.rmdir()


def _listed(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _remove_one(top: int, name: str) -> None:
    if not _is_directory(top, name):
        os.unlink(name, dir_fd=top)
        return
    _make_ours(top, name)
    folder = os.open(name, _OPEN_DIR, dir_fd=top)
    try:
        for child in _listed(folder):
            if _is_directory(folder, child):
                _make_ours(folder, child)  # moving a directory writes into it
                os.rename(child, f".{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(child, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)


def _make_ours(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):  # then the removal says what is wrong
        os.chmod(name, 0o700, dir_fd=folder)
