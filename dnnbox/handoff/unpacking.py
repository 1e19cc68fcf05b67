"""A bundle → a folder. The file is hostile until every hash of its manifest fits: nothing of it is trusted before.

Only what :mod:`dnnbox.handoff.bundling` writes is read: stored members, regular files, plain relative names under one
folder. Stored members cannot be larger than the file, so that the file's own size bounds everything.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from dnnbox.errors import Corrupt, InputLimit, IntegrityFailed, NotReadable
from dnnbox.files import host_errors
from dnnbox.handoff import manifest as manifests
from dnnbox.handoff.manifest import MANIFEST, ROOT, SUMS, Manifest
from dnnbox.text import visible

MAX_MEMBERS = 20_000
MAX_MANIFEST_BYTES = 16 << 20
_BLOCK = 1 << 20
_NAME = re.compile(r"[^\x00-\x1f\x7f\\:]{1,400}")


@dataclass(frozen=True)
class Unpacked:
    """A bundle whose every member is what its manifest says. ``digest`` is the manifest's."""

    root: Path
    manifest: Manifest
    digest: str


def unpack(file: Path, into: Path, *, digest: str = "") -> Unpacked:
    """Write the members of a bundle below ``into``, which must be empty; a folder is copied in the same way.

    ``digest`` is what the manifest's sha256 must be, where the user knows it.

    Raises:
        NotReadable: there is no such file.
        Corrupt: it is no bundle, or holds what no bundle holds (links, other names, compressed members).
        InputLimit: too many members.
        IntegrityFailed: a member is not what the manifest says, is missing or was added.
    """
    if not file.is_dir() and not file.is_file():
        raise NotReadable(
            f"there is no bundle {visible(file.name, 80)}", hint="give the file that `dnnbox bundle` wrote"
        )
    try:
        source: _Source = _Folder(file) if file.is_dir() else _Zip(file)
        with source, host_errors(into):
            return _checked(source, into, digest)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise Corrupt(f"{visible(file.name, 80)} is no bundle: {error}", phase="replay") from error


def _checked(source: _Source, into: Path, digest: str) -> Unpacked:
    names = source.names()
    if MANIFEST not in names:
        raise Corrupt(f"there is no {MANIFEST} in it: not a bundle", phase="replay")
    if source.size(MANIFEST) > MAX_MANIFEST_BYTES:
        raise InputLimit(f"the bundle's {MANIFEST} is larger than {MAX_MANIFEST_BYTES >> 20} MiB", phase="replay")
    text = b"".join(source.blocks(MANIFEST)).decode("utf-8")
    found = manifests.digest_of(text)
    if digest and found != digest.removeprefix("sha256:").lower():
        raise IntegrityFailed(
            f"the bundle's manifest has sha256 {found}, not the one that was asked for", phase="replay"
        )
    manifest = manifests.read(text)
    listed = set(manifest.members)
    if different := sorted((names - listed - {MANIFEST, SUMS}) | (listed - names)):
        what = "is not in the manifest" if different[0] in names else "is missing"
        raise IntegrityFailed(f"{visible(different[0], 120)} {what}", hint=_HINT, phase="replay")
    for name in sorted(names - {MANIFEST, SUMS}):
        member = manifest.members[name]
        if source.size(name) != member.size_bytes or _copy(source, name, into) != member.sha256:
            raise IntegrityFailed(f"{visible(name, 120)} is not what the manifest says", hint=_HINT, phase="replay")
    return Unpacked(into, manifest, found)


_HINT = "the bundle was changed or damaged: get it again"


def _copy(source: _Source, name: str, into: Path) -> str:
    """Write one member and return its sha256. Every folder is made here, so that there is no link to walk through."""
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o644), "wb") as out:
        for block in source.blocks(name):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def checked_name(name: str) -> str:
    """Return a member's name if it is a plain relative one.

    Raises:
        Corrupt: it is absolute, climbs, or could be read in two ways.
    """
    parts = name.split("/")
    bad = not _NAME.fullmatch(name) or any(part in ("", ".", "..") or part != part.strip() for part in parts)
    if bad or PurePosixPath(name).is_absolute() or len(parts) > 40:
        raise Corrupt(f"a member is named `{visible(name, 120)}`; refused", phase="replay")
    return name


class _Source:
    """Where members come from."""

    def names(self) -> set[str]:
        """Return the names of all members, each checked."""
        raise NotImplementedError

    def size(self, name: str) -> int:
        """Return a member's size in bytes."""
        raise NotImplementedError

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class _Zip(_Source):
    def __init__(self, file: Path) -> None:
        self._archive = zipfile.ZipFile(file)
        self._bytes = file.stat().st_size
        self._members: dict[str, zipfile.ZipInfo] = {}

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def names(self) -> set[str]:
        infos = self._archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise InputLimit(f"the bundle has {len(infos)} members, at most {MAX_MEMBERS} are read", phase="replay")
        for info in infos:
            self._take(info)
        if sum(info.file_size for info in infos) > self._bytes:
            raise Corrupt("the members are larger than the file: they overlap", phase="replay")
        return set(self._members)

    def _take(self, info: zipfile.ZipInfo) -> None:
        name = checked_name(info.filename)
        mode = info.external_attr >> 16
        problem = (
            "is compressed" if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size
            else "is encrypted" if info.flag_bits & 0x1
            else "is no regular file" if stat.S_IFMT(mode) not in (0, stat.S_IFREG)
            else f"lies outside of {ROOT}/" if not name.startswith(f"{ROOT}/")
            else "is there twice" if name.removeprefix(f"{ROOT}/") in self._members
            else ""
        )  # fmt: skip
        if problem:
            raise Corrupt(f"the member {visible(name, 120)} {problem}: no bundle has that", phase="replay")
        self._members[name.removeprefix(f"{ROOT}/")] = info

    def size(self, name: str) -> int:
        return self._members[name].file_size

    def blocks(self, name: str) -> Iterator[bytes]:
        with self._archive.open(self._members[name]) as file:
            while block := file.read(_BLOCK):
                yield block


class _Folder(_Source):
    """An unpacked bundle. What a run left in it (``.venv``, ``outputs/again``) is none of its members."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> set[str]:
        found: set[str] = set()
        for folder, names, files in os.walk(self._root):
            here = Path(folder)
            names[:] = [name for name in names if name not in (".venv", "again", "__pycache__")]
            for name in (*files, *(each for each in names if (here / each).is_symlink())):
                path = here / name
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise Corrupt(
                        f"the member {visible(name, 120)} is no regular file: no bundle has that", phase="replay"
                    )
                found.add(checked_name(path.relative_to(self._root).as_posix()))
            if len(found) > MAX_MEMBERS:
                raise InputLimit(f"more than {MAX_MEMBERS} files lie in that folder", phase="replay")
        found.discard("environment/ca-bundle.pem")  # put there by run.sh
        return found

    def size(self, name: str) -> int:
        return (self._root / name).lstat().st_size

    def blocks(self, name: str) -> Iterator[bytes]:
        with os.fdopen(os.open(self._root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            while block := file.read(_BLOCK):
                yield block


def remove(folder: Path) -> None:
    """Remove an unpacked bundle."""
    shutil.rmtree(folder, ignore_errors=True)
