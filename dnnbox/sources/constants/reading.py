"""The files that matter, nearest first: an entry script, what it imports, and the configurations beside them."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dnnbox.sources.constants.values import Scope, module_scope, tree_of
from dnnbox.walk import Budget, folders

_MOST_FILES, _MOST_ENTRIES = 60, 400
_ENTRY = re.compile(
    r"(?i)(^|_)(infer\w*|predict\w*|demo|detect|test|sample|run|transcribe|generate|visualize|clip|hubconf|filters|eval)(_|$)"
)
_NO_ENTRY = re.compile(r"(?i)(train|export|setup|conf|unit_?test|benchmark|convert|video|webcam|colab)")
_PASSED_OVER = frozenset(("tests", "docs", "docker", "ros", "tf", "mobile", "notebooks", "examples", "tutorials"))


@dataclass(frozen=True)
class File:
    """One module: its path in the repository, its tree, its constants, how many imports from the entry."""

    path: str
    tree: ast.Module
    scope: Scope
    distance: int


def entries(root: Path, model: str) -> tuple[str, ...]:
    """Return the scripts that run the model, the likeliest first: those that lead to its file, by their names."""
    found: list[tuple[float, str]] = []
    walk = folders(root, Budget(entries=20_000, seconds=2.0), depth=4)
    files = [file for folder in walk for file in folder.files if file.suffix == ".py"][:_MOST_ENTRIES]
    for file in files:
        path = file.relative_to(root).as_posix()
        if _PASSED_OVER & set(Path(path).parts[:-1]) or Path(path).name == "__init__.py":
            continue
        score = _name_score(path, model)
        if score > 0 and (path == model or model in _reached(root, path)):
            found.append((score, path))
    ranked = [path for _, path in sorted(found, key=lambda item: (-item[0], item[1].count("/"), item[1]))]
    return tuple(ranked[:3])


def _name_score(path: str, model: str) -> float:
    stem = Path(path).stem
    if _NO_ENTRY.search(stem):
        return 0.3 if _ENTRY.search(stem) else 0.1
    words = set(re.split(r"[_\W\d]+", Path(model).stem.lower())) - {"network", "model", "arch", ""}
    about = any(word in stem.lower() for word in words)
    return (2.0 if _ENTRY.search(stem) else 0.2) + (1.0 if about else 0.0) - 0.1 * path.count("/")


def _reached(root: Path, entry: str) -> set[str]:
    """Return what an entry imports, directly or not, by paths alone."""
    waiting, seen = [root / entry], set[Path]()
    while waiting and len(seen) < _MOST_FILES:
        path = waiting.pop(0)
        if path not in seen:
            seen.add(path)
            waiting += [target for target, _ in _own_imports(root, path)]
    return {path.relative_to(root).as_posix() for path in seen}


def closure(root: Path, entry: str) -> Iterator[File]:
    """Yield the entry and the files of the repository that it imports, nearest first, each with its constants."""
    waiting, seen = deque([(root / entry, 0)]), set[Path]()
    scopes: dict[Path, Scope] = {}
    while waiting and len(seen) < _MOST_FILES:
        path, distance = waiting.popleft()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        tree = tree_of(path)
        if tree is None:
            continue
        imported: dict[str, object] = {}
        for target, names in _own_imports(root, path):
            waiting.append((target, distance + 1))
            if names and target not in scopes and (other := tree_of(target)) is not None:
                scopes[target] = module_scope(other, {})
            imported.update(
                {n: scopes[target].known[n] for n in names if target in scopes and n in scopes[target].known}
            )
        scopes[path] = module_scope(tree, imported)
        yield File(path.relative_to(root).as_posix(), tree, scopes[path], distance)


@lru_cache(maxsize=2048)
def _own_imports(root: Path, path: Path) -> tuple[tuple[Path, tuple[str, ...]], ...]:
    """Return the files of the repository that a file imports, each with the names that are taken from it."""
    tree = tree_of(path)
    return tuple(_imported(root, path, tree)) if tree is not None else ()


def _imported(root: Path, path: Path, tree: ast.Module) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from ((file, ()) for file in _files(root, path, alias.name.split("."), 0))
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            names = tuple(alias.name for alias in node.names)
            yield from ((file, names) for file in _files(root, path, parts, node.level))
            for name in names:
                yield from ((file, ()) for file in _files(root, path, [*parts, name], node.level))


def _files(root: Path, path: Path, parts: list[str], level: int) -> Iterator[Path]:
    if not all(part.isidentifier() for part in parts) or not parts:
        return
    bases = [path.parents[level - 1]] if level else [root, path.parent, root / "src", root / "core"]
    for base in bases:
        place = base.joinpath(*parts)
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file() and file.is_relative_to(root):
                yield file
                return


def everything(root: Path) -> Iterator[File]:
    """Yield every file of the repository, for what no entry script leads to."""
    walk = folders(root, Budget(entries=20_000, seconds=2.0), depth=4)
    for file in [file for folder in walk for file in folder.files if file.suffix == ".py"][:_MOST_ENTRIES]:
        path = file.relative_to(root).as_posix()
        if not _PASSED_OVER & set(Path(path).parts[:-1]) and (tree := tree_of(file)) is not None:
            yield File(path, tree, module_scope(tree, {}), _MOST_FILES)
