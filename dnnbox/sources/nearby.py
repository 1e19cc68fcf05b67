"""Source for weights that name no class: code beside them or in the workspace whose classes explain the tensors' names.

Whether a class really fits is decided in the box. Here only those trees are taken in which one explains most names, so
that a workspace full of other code costs a look and no run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from dnnbox.records.inspection import Inspection
from dnnbox.walk import Budget, folders

LEAST_SCORE = 0.6
_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "hubconf.py")
_UPWARDS = 3  # repo/checkpoints/a/b/model.pt is as far as a checkpoint usually lies below its code
_MOST_FILES = 400  # of Python: a larger tree is nobody's one model
_MODULE_WORDS = (b"torch", b"Module")

Place = Literal["adjacent", "workspace"]


def nearby(inspection: Inspection, workspace: Path) -> tuple[Place, Path] | None:
    """Return where the source may lie and its root; None where no tree nearby explains the names."""
    seen: list[Path] = []
    for place, root in _candidates(Path(inspection.path), workspace.resolve()):
        if root in seen:
            continue
        seen.append(root)
        if _holds_modules(root) and (found := _explained(inspection, root)) is not None:
            return place, found
    return None


def _candidates(checkpoint: Path, workspace: Path) -> Iterator[tuple[Place, Path]]:
    """Yield the checkpoint's folder, those above it that look like a repository, then the workspace."""
    beside = (checkpoint if checkpoint.is_dir() else checkpoint.parent).resolve()
    yield "adjacent", beside
    home = Path.home()
    for parent in list(beside.parents)[:_UPWARDS]:
        if parent in (home, Path(parent.anchor)):
            break
        if _is_repository(parent):
            yield "adjacent", parent
    yield "workspace", workspace


def _holds_modules(root: Path) -> bool:
    """Tell whether there are Python files below, not too many, one of which speaks of torch's modules."""
    count, hit = 0, False
    for folder in folders(root, Budget(), depth=4):
        for file in folder.files:
            if file.suffix != ".py":
                continue
            count += 1
            if count > _MOST_FILES:
                return False
            hit = hit or _mentions(file)
    return hit


def _mentions(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            text = opened.read(1 << 16)
    except OSError:
        return False
    return all(word in text for word in _MODULE_WORDS)


def _explained(inspection: Inspection, root: Path) -> Path | None:
    """Return the repository of the best class below ``root``, None where none explains enough."""
    from dnnbox.sources.matching.classes import Classes
    from dnnbox.sources.matching.ranking import Ranking, best_views
    from dnnbox.sources.matching.reading import read_tree
    from dnnbox.sources.matching.views import views_of, words_of

    ranked = best_views(Ranking(Classes(read_tree(root, words_of(inspection)))), views_of(inspection), 1)
    if not ranked or ranked[0][1].score < LEAST_SCORE:
        return None
    return _repository(root, root / ranked[0][1].info.module.path)


def _repository(root: Path, file: Path) -> Path:
    """Return the nearest folder around the file that looks like a repository's root, else ``root``."""
    for parent in file.parents:
        if parent == root:
            break
        if _is_repository(parent):
            return parent
    return root


def _is_repository(folder: Path) -> bool:
    """Tell whether a folder looks like a repository's root."""
    return any((folder / mark).exists() for mark in _MARKS)
