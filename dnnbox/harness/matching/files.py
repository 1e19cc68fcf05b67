"""Files that a source reads by a way that is not there, from its own folder or from where its author kept a copy,
folders that it makes at import where nothing can be written, and what builds that failed leave in the job's folder.

Scripts are run from the root of their repository, and name label lists and statistics from there, or from a home. The
file of that name in the source is then the one that is meant.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
from typing import Any, Dict, FrozenSet, List, Sequence

from .. import protocol
from . import standins

NOTE = "files of the source"
_MOST_FILES = 50_000
_LARGEST_BYTES = 64 << 20


class _Finder:
    """Knows the files of some folders by name; they are listed when the first is asked for."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = list(roots)
        self._by_name: Dict[str, List[str]] = {}
        self._is_listed = False

    def find(self, path: str) -> str:
        """Return the file that is meant: the same way below a root, else the only one of that name; "" for none."""
        if not os.path.isabs(path):
            for root in self.roots:
                if os.path.isfile(os.path.join(root, path)):
                    return os.path.join(root, path)
        found = self._named(os.path.basename(path))
        return found[0] if len(found) == 1 and os.path.getsize(found[0]) <= _LARGEST_BYTES else ""

    def _named(self, name: str) -> List[str]:
        if not self._is_listed:
            self._is_listed = True
            count = 0
            for root in self.roots:
                for folder, _, names in os.walk(root):
                    count += len(names)
                    if count > _MOST_FILES:
                        return []
                    for each in names:
                        self._by_name.setdefault(each, []).append(os.path.join(folder, each))
        return self._by_name.get(name, [])


def look_in(*roots: str) -> None:
    """Let what is opened for reading and is not there be found below the roots; a folder for results may be missing."""
    _make_no_folders()
    finder = _Finder(roots)
    plain = builtins.open

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        try:
            return plain(file, mode, *args, **kwargs)
        except FileNotFoundError:
            is_path = isinstance(file, (str, os.PathLike)) and not set(mode) & set("wax+")
            found = finder.find(os.fspath(file)) if is_path else ""  # type: ignore[arg-type]
            if not found:
                raise
            standins.note(NOTE)
            return plain(found, mode, *args, **kwargs)

    builtins.open = io.open = opened


def _make_no_folders() -> None:
    """Let a source go on that makes folders beside itself, for what it will write: it is read here, and no more."""
    make = os.mkdir

    def made(path: Any, *args: Any, **kwargs: Any) -> None:
        try:
            make(path, *args, **kwargs)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            standins.note(NOTE)

    os.mkdir = made


class JobFolder:
    """The folder of the job, from which is swept what builds leave: a box may write so much in all, and some builds
    write the whole model before they fail."""

    def __init__(self) -> None:
        self._kept = _of_the_job()

    def sweep(self) -> None:
        """Remove what was not there at first. Nothing where the working directory is no job's folder."""
        for name in _of_the_job() - self._kept if self._kept else ():
            if os.path.isdir(name) and not os.path.islink(name):
                shutil.rmtree(name, ignore_errors=True)
            elif name not in (protocol.RESULT, protocol.EVENTS):
                os.remove(name)


def _of_the_job() -> FrozenSet[str]:
    names = frozenset(os.listdir("."))
    return names if protocol.REQUEST in names else frozenset()
