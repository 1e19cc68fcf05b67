"""Files on the host: written whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from dnnbox.errors import HostFull, HostPermission
from dnnbox.walk import open_regular

_REFUSALS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
)  # fmt: skip


@contextmanager
def host_errors(path: Path, hint: str = "") -> Iterator[None]:
    """Turn a full disk, a missing permission and a disk that fails into their own errors.

    ``hint`` says where else one may write, for what does not lie in an experiment.
    """
    try:
        yield
    except OSError as error:
        told = host_error(error, path.name)
        if told is None:
            raise
        if hint and isinstance(told, HostPermission):
            told.hint = hint
        raise told from error


def host_error(error: OSError, name: str = "") -> HostFull | HostPermission | None:
    """Return what an error of the operating system means for whoever writes, None where it means something else."""
    name = name or Path(os.fsdecode(error.filename or "a file")).name
    number = _number_of(error)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return HostFull(f"no space left while writing {name}", hint="free space, then run again")
    if number in _REFUSALS:
        return HostPermission(f"cannot write {name}: {os.strerror(number)}", hint="choose another place with `--out`")
    return None


def _number_of(error: OSError) -> int:
    """Return the error's number; that of copying a tree hides it in its text."""
    found = re.search(r"\[Errno (\d+)\]", str(error)) if error.errno is None else None
    return int(found[1]) if found else error.errno or 0


def write_atomic(path: Path, data: bytes | str, mode: int = 0o644, *, durable: bool = True) -> None:
    """Write ``data`` so that a crash leaves the old file or the new one, never half of it.

    ``durable`` False does not wait for the disk: for files that can be made again from others. A device, a pipe and an
    open file of the process are written to instead: root would replace ``/dev/null`` for the whole machine.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with host_errors(path), path.open("ab") if _is_stream(path) else replacing(path, mode, durable=durable) as file:
        file.write(content)


def _is_stream(path: Path) -> bool:
    """Tell whether a path names something other than a file on a disk; a link that leads to such is only a link."""
    place = os.path.normpath(path.absolute())
    if place.startswith(("/proc/", "/dev/fd/")) or place in ("/dev/stdout", "/dev/stderr"):
        return True
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


@contextmanager
def replacing(path: Path, mode: int = 0o644, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends well; otherwise nothing has changed."""
    import tempfile  # 4 ms, and reading writes nothing

    handle, part = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(part).chmod(mode)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextmanager
def copying(source: Path, target: Path, *, durable: bool = True) -> Iterator[tuple[BinaryIO, IO[bytes]]]:
    """Yield an open regular file, and the file that takes the place of ``target`` when the block ends well.

    Raises:
        OSError: ``source`` cannot be opened, or is no regular file.
        HostFull, HostPermission: the copy could not be written.
    """
    file = open_regular(source)
    with file, host_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, durable=durable) as copy:
            yield file, copy


def leaves(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below a directory that is none, with its relative name; links are not followed.

    Strings and one loop: there are tens of thousands of files, and this is felt when an environment is made.
    """
    folders, cut = [str(root)], len(str(root)) + 1
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry.path[cut:], entry


def expanded(text: str) -> Path:
    """Return a path as it was typed, ``~`` resolved; the home of somebody who does not exist is a name like others."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises there


def sha256_file(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
    import hashlib  # loads OpenSSL: whoever only inspects a checkpoint needs none

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
