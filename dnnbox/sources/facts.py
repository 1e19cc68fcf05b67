"""What can be said of a source tree without running anything: its hash, licence, commit and origin."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dnnbox.walk import Budget, folders, read_head

_MOST_FILES, _LARGEST_FILE_BYTES = 5_000, 8 << 20
_UPWARDS = 5
_LARGEST_INDEX_BYTES = 64 << 20
_SHA = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_REF = re.compile(r"^refs/[A-Za-z0-9._/@+-]+$")


def python_sha256(root: Path) -> str:
    """Return the hash over names and contents of all Python files below ``root``; "" where they are too many."""
    budget = Budget(entries=50_000, seconds=5.0)
    digest, number = hashlib.sha256(), 0
    files = sorted(
        (file.relative_to(root).as_posix(), file)
        for folder in folders(root, budget, depth=12)
        for file in folder.files
        if file.suffix == ".py"
    )
    for name, file in files:
        data = read_head(file, _LARGEST_FILE_BYTES) or b""
        digest.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode("utf-8", "surrogateescape"))
        number += 1
    return "" if budget.exhausted or number > _MOST_FILES else digest.hexdigest()


# -- licence ---------------------------------------------------------------------------------------------------------

_LICENCE_FILE = re.compile(r"(?i)^(licen[cs]e|copying|unlicense)([-_.].*)?$")
# The first pattern that is found wins: special cases stand before the general ones that they quote.
_LICENCES: tuple[tuple[str, str], ...] = (
    (r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3", "AGPL-3.0"),
    (r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3", "LGPL-3.0"),
    (r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1", "LGPL-2.1"),
    (r"GNU GENERAL PUBLIC LICENSE\s+Version 3", "GPL-3.0"),
    (r"GNU GENERAL PUBLIC LICENSE\s+Version 2", "GPL-2.0"),
    (r"Mozilla Public License,? (?:Version|v\.) ?2\.0", "MPL-2.0"),
    (r"Apache License,?\s+Version 2\.0", "Apache-2.0"),
    (r"Attribution-NonCommercial-ShareAlike 4\.0", "CC-BY-NC-SA-4.0"),
    (r"Attribution-NonCommercial 4\.0", "CC-BY-NC-4.0"),
    (r"Attribution-ShareAlike 4\.0", "CC-BY-SA-4.0"),
    (r"Attribution 4\.0 International", "CC-BY-4.0"),
    (r"CC0 1\.0 Universal", "CC0-1.0"),
    (r"This is free and unencumbered software released into the public domain", "Unlicense"),
    (r"Redistribution and use in source and binary forms[\s\S]*Neither the name", "BSD-3-Clause"),
    (r"Redistribution and use in source and binary forms", "BSD-2-Clause"),
    (r"Permission to use, copy, modify, and/or distribute this software", "ISC"),
    (r"Permission is hereby granted, free of charge", "MIT"),
)


def licence_of(root: Path, files: Sequence[str] = ()) -> str:
    """Return the SPDX id of the licence file of the project that holds ``files``; "" where there is none.

    The licence of a checkout around ``root`` counts only where the checkout tracks the files. A text that is not
    recognised is ``unrecognised (NAME)``: somebody has to read it.
    """
    for directory in _project_directories(root, files):
        folder = next(iter(folders(directory, Budget(), depth=0)), None)
        for file in folder.files if folder else ():
            if _LICENCE_FILE.match(file.name):
                return _licence(file)
    return ""


def _project_directories(root: Path, files: Sequence[str]) -> Iterator[Path]:
    """Yield ``root`` and its parents up to the top of the checkout; only ``root`` where it is in none."""
    found = _checkout_with(root, files)
    yield root
    for parent in list(root.parents)[:_UPWARDS] if found else ():
        if found is None or not parent.is_relative_to(found[0]):
            return
        yield parent


def _licence(file: Path) -> str:
    text = (read_head(file, 64 << 10) or b"").decode("utf-8", "replace")
    for pattern, name in _LICENCES:
        if re.search(pattern, text, re.IGNORECASE):
            return name
    return f"unrecognised ({file.name})"


# -- git, read without running it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkout:
    """Where a tree came from. ``url`` holds no credential and is "" for a remote on this machine."""

    url: str = ""
    commit: str = ""
    tag: str = ""


def checkout_of(root: Path, files: Sequence[str] = ()) -> Checkout:
    """Return what .git says of the checkout that tracks ``files`` below ``root``; empty where none does.

    Git itself is not run. Code that merely lies in an ignored folder of somebody's repository is not from there.
    """
    found = _checkout_with(root, files)
    if found is None:
        return Checkout()
    git = found[1]
    common = _common(git)
    commit = _head(git, common)
    return Checkout(_remote(common), commit, _tag(common, commit) if commit else "")


def _checkout_with(root: Path, files: Sequence[str]) -> tuple[Path, Path] | None:
    found = _git_directory(root)
    return found if found and _tracks(*found, root, files) else None


def _tracks(top: Path, git: Path, root: Path, files: Sequence[str]) -> bool:
    """Tell whether the index lists the files, or anything below ``root`` where none is named.

    Source: gitformat-index(5). Versions 2 and 3 hold every path whole, after its flags and before a NUL; version 4
    shortens them, and the answer is then no.
    """
    index = read_head(git / "index", _LARGEST_INDEX_BYTES) or b""
    if index[:4] != b"DIRC" or index[7:8] not in (b"\x02", b"\x03"):
        return False
    below = "" if root == top else f"{root.relative_to(top).as_posix()}/"
    wanted = [f"{below}{file}\0".encode() for file in files] or [below.encode()]
    return all(path in index for path in wanted)


def _git_directory(root: Path) -> tuple[Path, Path] | None:
    """Return (work tree, git directory) of the checkout that holds ``root``."""
    for directory in [root, *root.parents][: _UPWARDS + 1]:
        mark = directory / ".git"
        if mark.is_dir() and (mark / "HEAD").is_file():
            return directory, mark
        if mark.is_file() and (pointer := _line(mark)).startswith("gitdir: "):
            git = (directory / pointer.removeprefix("gitdir: ")).resolve()
            return (directory, git) if (git / "HEAD").is_file() else None
    return None


def _common(git: Path) -> Path:
    """Return the directory with the refs: a work tree made by ``git worktree`` keeps them elsewhere."""
    pointer = _line(git / "commondir")
    return (git / pointer).resolve() if pointer else git


def _line(path: Path) -> str:
    return (read_head(path, 4096) or b"").decode("utf-8", "replace").strip()


def _head(git: Path, common: Path) -> str:
    head = _line(git / "HEAD")
    if _SHA.match(head):
        return head
    name = head.removeprefix("ref: ")
    if not _REF.match(name) or ".." in name:
        return ""
    loose = _line(git / name) or _line(common / name)
    return loose if _SHA.match(loose) else dict(_packed(common)).get(name, "")


def _packed(common: Path) -> Iterator[tuple[str, str]]:
    """Yield (ref, commit) of packed-refs; an annotated tag is followed by the commit that it stands for."""
    name = ""
    for line in (read_head(common / "packed-refs", 8 << 20) or b"").decode("utf-8", "replace").splitlines():
        if line.startswith("^") and name:
            yield name, line[1:]
        elif " " in line and not line.startswith("#"):
            commit, name = line.split(" ", 1)
            yield name, commit


def _tag(common: Path, commit: str) -> str:
    loose = common / "refs" / "tags"
    names = [name.removeprefix("refs/tags/") for name, sha in _packed(common) if sha == commit and "/tags/" in name]
    if loose.is_dir():
        names += [file.name for file in sorted(loose.iterdir())[:2000] if file.is_file() and _line(file) == commit]
    return names[-1] if names else ""


def _remote(common: Path) -> str:
    config = (read_head(common / "config", 256 << 10) or b"").decode("utf-8", "replace")
    section = re.search(r'^\[remote "origin"\](.*?)(?=^\[|\Z)', config, re.MULTILINE | re.DOTALL)
    url = re.search(r"^\s*url\s*=\s*(\S+)", section[1], re.MULTILINE) if section else None
    return public_url(url[1]) if url else ""


def public_url(url: str) -> str:
    """Return a repository's URL without user, password, query and fragment; "" for a path on this machine."""
    if re.match(r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^/]", url) and "://" not in url:
        return url  # git@host:owner/name: the user is a fixed name, no credential
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh", "git", "git+ssh"):
        return ""
    try:
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


# -- what a checkout does not hold, and what it is --------------------------------------------------------------------

_POINTER = b"version https://git-lfs.github.com/spec/v1"


def lfs_pointers(root: Path) -> tuple[str, ...]:
    """Return the files that are only pointers into Git's large file storage, relative to ``root``; the first 50."""
    walk = folders(root, Budget(entries=50_000, seconds=2.0), depth=12)
    files = (file for folder in walk for file in folder.files if file.stat().st_size < 1024)
    found = (file for file in files if (read_head(file, len(_POINTER)) or b"") == _POINTER)
    return tuple(file.relative_to(root).as_posix() for file in islice(found, 50))
