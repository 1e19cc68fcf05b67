"""Mounts that the container's user can read, where the caller is root and the container is not.

Some libraries write checkpoints that only their owner may read (safetensors: mode 0600). Such files are shown as
private copies, by reference where the file system can; neither the original nor its mode is touched.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from dnnbox.errors import NotReadable
from dnnbox.files import host_errors
from dnnbox.records.environment import Mount
from dnnbox.text import visible

_COPY_BYTES = 16 << 30
_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file


def readable(mount: Mount, uid: int, gid: int, private: Path) -> list[Mount]:
    """Return mounts that show the same to ``uid``; copies go to a new directory ``private``.

    Raises:
        NotReadable: more would have to be copied than is sensible.
    """
    host = Path(mount.host)
    hidden = [path for path in _walk(host) if not _may_read(path, uid, gid)]
    if not hidden:
        return [mount]
    files = [path for path in hidden if path.is_file()] if not any(path.is_dir() for path in hidden) else None
    _check_size(files if files is not None else list(_walk(host)), host)
    private.mkdir()
    private.chmod(0o755)
    if files is None:  # a directory itself is closed: nothing below it can be shown in its place
        _copy_tree(host, private / "tree")
        return [Mount(str(private / "tree"), mount.inside)]
    extra = []
    for number, path in enumerate(files):
        _clone(path, private / str(number))
        extra.append(Mount(str(private / str(number)), str(Path(mount.inside) / path.relative_to(host))))
    return extra if host.is_file() else [mount, *extra]


def _walk(root: Path) -> Iterator[Path]:
    """Yield the root and what is below it; links are not followed, they are judged where they lead."""
    yield root
    if root.is_dir():
        for folder, folders, files in os.walk(root):
            yield from (Path(folder, name) for name in (*folders, *files) if not Path(folder, name).is_symlink())


def _may_read(path: Path, uid: int, gid: int) -> bool:
    facts = path.stat()
    shift = 6 if facts.st_uid == uid else 3 if facts.st_gid == gid else 0
    needed = 5 if stat.S_ISDIR(facts.st_mode) else 4
    return (facts.st_mode >> shift) & needed == needed


def _check_size(paths: list[Path], host: Path) -> None:
    total = sum(path.stat().st_size for path in paths if path.is_file())
    if total > _COPY_BYTES:
        raise NotReadable(
            f"{visible(host.name)} may only be read by its owner, and the container runs as nobody",
            hint="`chmod -R a+rX` it, or use `--box venv`",
        )


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, copy_function=_clone)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def _clone(source: str | Path, target: str | Path) -> str:
    """Copy one file's content, sharing its blocks where the file system can, and let everybody read it."""
    with host_errors(Path(target)), Path(source).open("rb") as original, Path(target).open("wb") as copy:
        try:
            fcntl.ioctl(copy, _FICLONE, original.fileno())
        except OSError:
            shutil.copyfileobj(original, copy, 8 << 20)
        os.fchmod(copy.fileno(), 0o644)
    return str(target)
