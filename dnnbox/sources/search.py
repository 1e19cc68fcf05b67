"""Class names → the directory that must be on ``sys.path``: packages, a src layout, flat modules, scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dnnbox.sources.classes import MAIN, line_of, module_files, splits
from dnnbox.walk import Budget, Folder, folders

_UPWARDS = 3  # repo/checkpoints/a/b/model.pt is as far as a checkpoint usually lies below its code


@dataclass(frozen=True)
class Definition:
    """Where one class is defined: the file, relative to the root, and the line."""

    name: str
    file: str
    line: int


@dataclass(frozen=True)
class Located:
    """A root below which every wanted class is defined."""

    root: Path
    definitions: tuple[Definition, ...]


def locate(base: Path, names: Sequence[str], budget: Budget, *, depth: int = 4) -> Located | None:
    """Return the nearest directory at or below ``base`` that holds all ``names``; None where there is none."""
    for folder in folders(base, budget, depth=depth):
        found = in_folder(folder.path, names, folder)
        if found:
            return found
    return None


def locate_above(start: Path, names: Sequence[str]) -> Located | None:
    """Return the nearest parent of ``start`` (or its src/) that holds all ``names``; parents are not searched below."""
    home = Path.home()
    for parent in [start, *start.parents][: _UPWARDS + 1]:
        if parent in (home, Path(parent.anchor)):
            return None
        for root in (parent, parent / "src"):
            if root.is_dir() and (found := in_folder(root, names)):
                return found
    return None


def in_folder(root: Path, names: Sequence[str], folder: Folder | None = None) -> Located | None:
    """Return the definitions when ``root`` itself is the import root of all ``names``."""
    definitions = []
    for name in names:
        found = _main_script(root, name, folder) if name.startswith(f"{MAIN}.") else _module(root, name)
        if found is None:
            return None
        definitions.append(found)
    return Located(root, tuple(definitions)) if definitions else None


def _module(root: Path, name: str) -> Definition | None:
    for module, qualified in splits(name):
        for file in module_files(root, module):
            if file.is_file() and (line := line_of(file, qualified)) is not None:
                return Definition(name, file.relative_to(root).as_posix(), line)
    return None


def _main_script(root: Path, name: str, folder: Folder | None) -> Definition | None:
    """Find the script that was run when the file was saved: the first that defines the class at its top level."""
    if folder is None:
        folder = next(iter(folders(root, Budget(), depth=0)), None)
    qualified = name.removeprefix(f"{MAIN}.")
    for file in folder.files if folder else ():
        if file.suffix == ".py" and (line := line_of(file, qualified, itself=True)) is not None:
            return Definition(name, file.name, line)
    return None


def missing_in(base: Path, names: Sequence[str], budget: Budget) -> tuple[str, ...]:
    """Return the names that no directory at or below ``base`` defines, for the message."""
    return tuple(name for name in names if locate(base, (name,), budget) is None)
