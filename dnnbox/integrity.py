"""Is an environment still what was installed? Every file is held against a hash that was taken when it was made.

The wheels' own lists (RECORD) vouch for the files that they brought. What the installer made besides, and the lists
themselves, are hashed once, at the end of making; compiled files when they are compiled.
"""

from __future__ import annotations

import base64
import csv
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dnnbox.files import leaves, sha256_file
from dnnbox.store import MARKER, Store

SUMS = ".dnnbox-sums.txt"
"""In an entry of the store: ``sha256  path`` or ``link target  path`` for each file that no wheel vouches for."""

BYTECODE_SUMS = "sums.txt"
"""Beside kept compiled files: the sha256 of each, in the order of their numbers."""


def vouch(folder: Path, known: Mapping[str, str] | None = None, *, every: bool = False) -> None:
    """Write the sums of everything in an environment that its wheels do not vouch for.

    ``known`` has sums by relative path that were taken before, when the file was made. ``every``: also of what wheels
    vouch for, because the lists that conda's packages bring do not always tell what lies there.
    """
    recorded, sums = set() if every else {name for name, _ in _rows(folder)}, known or {}
    names = [name for name in _files(folder) if name not in recorded]
    lines = [f"{sums.get(name) or _state(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(sorted(lines)), "utf-8", errors="surrogateescape")


def is_vouched(folder: Path) -> bool:
    """Return whether the entry has its sums: those that an earlier dnnbox made do not."""
    return (folder / SUMS).is_file()


def differences(folder: Path) -> Iterator[str]:
    """Yield the relative path of every file that is not as it was made, with what is wrong with it."""
    expected = {**_recorded(folder), **_sums(folder)}
    found = set(_files(folder))
    for name in sorted(found & expected.keys()):
        with suppress(FileNotFoundError):
            if _state(folder / name) != expected[name]:
                yield f"{name} differs"
    yield from (f"{name} is missing" for name in sorted(expected.keys() - found))
    if is_vouched(folder):
        yield from (f"{name} was added" for name in sorted(found - expected.keys()))


def bytecode_differences(store: Store) -> Iterator[str]:
    """Yield the kept compiled files that are not as they were made. Packages kept without sums are passed over."""
    for sums in sorted(store.bytecode.glob(f"*/*/{BYTECODE_SUMS}")):
        for number, line in enumerate(sums.read_text("utf-8", "replace").splitlines()):
            path = sums.parent / str(number)
            if not path.is_file() or sha256_file(path) != line:
                yield f"{path.relative_to(store.root)} differs"


def _files(root: Path) -> Iterator[str]:
    """Yield the relative paths of files and links, without what dnnbox itself keeps there."""
    return (name for name, _ in leaves(root) if name not in (MARKER, SUMS))


def _state(path: Path) -> str:
    """Return what is compared: a file's hash, a link's target."""
    return f"link {path.readlink()}" if path.is_symlink() else sha256_file(path)


def _recorded(folder: Path) -> dict[str, str]:
    """Return the files that the wheels vouch for, with sha256 in hex."""
    return {name: _hex(digest) for name, digest in _rows(folder)}


def _rows(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the files that the wheels vouch for, with sha256 as it stands there."""
    for record in sorted(folder.glob("lib/python3*/site-packages/*.dist-info/RECORD")):
        if record.parents[2].is_symlink():  # conda's lib/python3.1, which is another name for the same files
            continue
        site = record.parent.parent.relative_to(folder).as_posix()
        with suppress(csv.Error, UnicodeDecodeError):
            for row in csv.reader(record.read_text("utf-8").splitlines()):
                if len(row) >= 2 and row[1].startswith("sha256=") and not row[0].startswith("/"):
                    name = _normal(f"{site}/{row[0]}")
                    if not name.startswith(".."):
                        yield name, row[1].removeprefix("sha256=")


def _normal(path: str) -> str:
    """Return a path without detours. Most have none, and there are tens of thousands."""
    return os.path.normpath(path) if "/." in path or "//" in path else path


def _hex(text: str) -> str:
    """Return a RECORD's digest (base64 without padding) in hex; "" for one that is damaged, which no file has."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
    except ValueError:
        return ""


def _sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    pairs = (line.rpartition("  ") for line in lines)
    return {name: state for state, _, name in pairs}


def lock_differences(store: Store) -> Iterator[str]:
    """Yield the resolved locks whose text and list of packages do not say the same."""
    import json

    for path in sorted(store.lock_dir.glob("*.json")):
        try:
            lock = json.loads(path.read_bytes())
            hashes = [digest for package in lock["packages"] for digest in package["sha256"]]
            pins = [f"{package['name']}=={package['version']}" for package in lock["packages"]]
        except (ValueError, KeyError, TypeError):
            yield f"locks/{path.name} is not readable"
            continue
        text = str(lock.get("text", ""))
        same = [
            line.rpartition(":")[2].strip(" \\") for line in text.splitlines() if "--hash=sha256:" in line
        ] == hashes
        if not same or [line.split(" ")[0] for line in text.splitlines() if not line.startswith(" ")] != pins:
            yield f"locks/{path.name} contradicts itself"


def entry_folders(store: Store) -> Iterator[Path]:
    """Yield every finished entry of the store: environments of both kinds, copies of the harness."""
    for folder in (store.root / "venvs", store.container_root / "envs", store.root / "harness"):
        yield from (marker.parent for marker in sorted(folder.glob(f"*/{MARKER}")))
