"""Compiled Python of packages, kept in the store by wheel, so that each wheel is compiled once and then linked.

Environments are used read-only, so nobody would keep what Python compiles at an import. uv and pip can compile, but do
it again for every environment (torch: 10 s and more), and with the environment's own start-up files, which are code of
the packages. Here the interpreter runs without them, and the files are trusted by wheel hash, not by time.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dnnbox import process
from dnnbox.files import sha256_file
from dnnbox.integrity import BYTECODE_SUMS
from dnnbox.records.environment import Lock, LockedPackage
from dnnbox.store import Store

_TIMEOUT_S = 1800.0
_LEAST_BYTES = 200_000
"""Less source than this is not worth another process."""


_NAMES = "files.txt"
"""The names of a package's compiled files, in the order of their numbers."""


@dataclass(frozen=True)
class _Package:
    """One installed package: its list of files, and where its compiled files are kept."""

    record: Path
    kept: Path

    @property
    def sources(self) -> tuple[str, ...]:
        """Its own .py files, relative to the site-packages folder."""
        return tuple(_sources(self.record))


@dataclass
class Bytecode:
    """The compiled files of one environment. ``site`` is its site-packages folder, ``python`` is "3.11".

    ``maker`` names who compiles, "" for this machine's own Pythons: what an image's Python compiled is linked for that
    image only, what this machine compiled is good for everybody. ``sums`` has the sha256 of each compiled file that was
    linked or kept, relative to ``site``.
    """

    site: Path
    lock: Lock
    store: Store
    python: str
    maker: str = ""
    sums: dict[str, str] = field(default_factory=dict)
    _missing: list[_Package] = field(default_factory=list)

    @property
    def tag(self) -> str:
        """What CPython puts into the names of compiled files; the format changes with it."""
        return f"cpython-{self.python.replace('.', '')}"

    def link(self) -> tuple[str, ...]:
        """Link what is kept into the environment; return the source files that are still to be compiled."""
        self._missing.clear()
        for package in self._packages():
            if not any(self._is_linked(place) for place in (package, self._elsewhere(package))):
                self._missing.append(package)
        return tuple(name for package in self._missing for name in package.sources)

    def _is_linked(self, package: _Package) -> bool:
        try:
            self._link_from(package)
        except OSError:  # not kept yet, or kept on another file system
            return False
        return True

    def _elsewhere(self, package: _Package) -> _Package:
        """Return the same package as this machine's own Pythons have compiled it."""
        return _Package(package.record, self.store.bytecode / self.tag / package.kept.name)

    def _link_from(self, package: _Package) -> None:
        kept, site, made = str(package.kept), str(self.site), set[str]()
        names = (package.kept / _NAMES).read_text("utf-8").splitlines()
        sums = package.kept / BYTECODE_SUMS
        self.sums.update(zip(names, sums.read_text("utf-8").splitlines() if sums.is_file() else (), strict=False))
        for number, name in enumerate(names):
            folder, _, _ = name.rpartition("/")
            if folder not in made:
                (self.site / folder).mkdir(exist_ok=True)
                made.add(folder)
            with suppress(FileExistsError):
                os.link(f"{kept}/{number}", f"{site}/{name}")

    def compile_here(self, interpreter: Path) -> None:
        """Compile what is missing with the interpreter below the environment, on all cores; then keep it.

        A file that does not compile (a template, or code for another Python) stays as it is: Python will say so.
        """
        sources = [self.site / name for package in self._missing for name in package.sources]
        if not sources:
            return self.keep()
        folder = self.store.root / "tmp" / secrets.token_hex(8)
        folder.mkdir(parents=True)
        try:
            lists = [folder / f"{number}.txt" for number in range(_workers(sources))]
            for number, path in enumerate(lists):
                path.write_text("".join(f"{source}\n" for source in sources[number :: len(lists)]), "utf-8")
            commands = [compile_argv(interpreter, path) for path in lists]
            with ThreadPoolExecutor(len(commands)) as pool:
                list(pool.map(lambda command: process.run(command, timeout_s=_TIMEOUT_S), commands))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self.keep()

    def keep(self) -> None:
        """Keep the compiled files of the packages that :meth:`link` found missing."""
        for package in self._missing:
            with suppress(OSError):  # another file system, or no space: then it is compiled again the next time
                self._keep(package)
        self._missing.clear()

    def _keep(self, package: _Package) -> None:
        part = package.kept.parent / f".{package.kept.name}.{secrets.token_hex(4)}.part"
        part.mkdir(parents=True)
        try:
            names = [name for source in package.sources if (self.site / (name := self._compiled(source))).is_file()]
            for number, name in enumerate(names):
                os.link(self.site / name, part / str(number))
            (part / _NAMES).write_text("".join(f"{name}\n" for name in names), "utf-8")
            sums = [sha256_file(part / str(number)) for number in range(len(names))]
            (part / BYTECODE_SUMS).write_text("".join(f"{each}\n" for each in sums), "utf-8")
            self.sums.update(zip(names, sums, strict=True))
            part.rename(package.kept)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _compiled(self, source: str) -> str:
        path = PurePosixPath(source)
        return str(path.parent / "__pycache__" / f"{path.stem}.{self.tag}.pyc")

    def _packages(self) -> Iterator[_Package]:
        locked = {package.name: package for package in self.lock.packages}
        for info in sorted(self.site.glob("*.dist-info")):
            package = locked.get(re.sub(r"[-_.]+", "-", info.name.partition("-")[0]).lower())
            if package is not None:
                yield _Package(info / "RECORD", self._folder(package))

    def _folder(self, package: LockedPackage) -> Path:
        digest = hashlib.sha256(" ".join(package.sha256).encode()).hexdigest()[:24]
        return self.store.bytecode / f"{self.tag}{self.maker}" / f"{package.name}-{package.version}-{digest}"


def compile_argv(interpreter: Path | str, files: Path | str) -> list[str]:
    """Return the command that compiles the files of a list.

    -S: the packages' start-up files (.pth) are code, and nothing of a package may run here.
    """
    return [
        *(str(interpreter), "-I", "-S", "-m", "compileall", "-q", "-q"),
        *("--invalidation-mode", "unchecked-hash", "-i", str(files)),
    ]


def compile_all_argv(interpreter: Path | str, site: Path | str) -> list[str]:
    """Return the command that compiles what is new in a user's own environment, checked by time as usual."""
    return [str(interpreter), "-I", "-S", "-m", "compileall", "-q", "-q", "-j", "0", str(site)]


def _sources(record: Path) -> Iterator[str]:
    """Yield the .py files that a package lists as its own, inside of its folder only."""
    try:
        rows = list(csv.reader(record.read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error):
        return
    for row in rows:
        name = row[0] if row else ""
        path = PurePosixPath(name)
        if (
            path.suffix == ".py"
            and not path.is_absolute()
            and ".." not in path.parts
            and "\n" not in name
            and "|" not in name
        ):
            yield name


def _workers(sources: list[Path]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    total = sum(path.stat().st_size for path in sources if path.is_file())
    return max(1, min(cores, total // _LEAST_BYTES))
