"""A copy of a source tree inside the experiment: it can be moved and run again, and the box sees nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dnnbox.errors import InputLimit
from dnnbox.files import host_errors
from dnnbox.records.source import SourceTree
from dnnbox.walk import Budget, folders, read_head

# Code and the small files that code reads when it builds a model; no weights, no data, no dotfiles.
_SUFFIXES = frozenset((".py", ".pyi", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".txt", ".names"))
_LICENCES = ("license", "licence", "copying", "notice")
_LARGEST_FILE_BYTES, _LARGEST_TOTAL_BYTES, _MOST_FILES = 4 << 20, 128 << 20, 5_000


def snapshot(tree: SourceTree, refs_dir: Path) -> SourceTree:
    """Copy the tree's code below ``refs_dir`` and return it with the copy as its root.

    Trees without a root, and those that lie there already (clones), are returned as they are.

    Raises:
        InputLimit: the root holds more code than one model's source can be: it is probably not the right directory.
        HostFull, HostPermission: the copy could not be written.
    """
    root = Path(tree.root)
    if not tree.root or root.resolve().is_relative_to(refs_dir.resolve()):
        return tree
    target = _free(refs_dir, root.name or "source")
    total = 0
    for number, (name, data) in enumerate(_contents(root)):
        total += len(data)
        if number >= _MOST_FILES or total > _LARGEST_TOTAL_BYTES:
            raise InputLimit(
                f"the source directory `{root.name}` holds too many files to be one model's code",
                hint="give the package's own directory with `--source`",
                phase="source",
            )
        copy = target / name
        with host_errors(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
    return replace(tree, root=str(target))


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for folder in folders(root, Budget(entries=50_000, seconds=10.0), depth=12):
        for file in folder.files:
            wanted = file.suffix.lower() in _SUFFIXES or file.name.lower().startswith(_LICENCES)
            data = read_head(file, _LARGEST_FILE_BYTES + 1) if wanted else None
            if data is not None and len(data) <= _LARGEST_FILE_BYTES:
                yield file.relative_to(root).as_posix(), data


def _free(directory: Path, name: str) -> Path:
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in name).strip(".-")
    candidates = (directory / f"{safe or 'source'}{f'-{n}' if n > 1 else ''}" for n in range(1, 1000))
    return next(path for path in candidates if not path.exists())
