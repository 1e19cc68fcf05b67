"""The scripts that a checkpoint is of: those that name its file, and those in whose folder it lies."""

from __future__ import annotations

import ast
from pathlib import Path

from dnnbox.sources.matching.reading import Module, Tree

_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl", ".safetensors", ".pyt", ".model", ".t7", ".weights")
_SHORTEST = 3  # letters before the suffix: a mere ".pth" names no file


def scripts_of(tree: Tree, checkpoint: str) -> set[str]:
    """Return the files of the tree that a checkpoint is of, as far as its name and its folder tell."""
    if not checkpoint:
        return set()
    name = Path(checkpoint).name
    naming = {path for path, module in tree.by_path.items() if _names(module, name)}
    folder = _folder(tree, Path(checkpoint))
    return naming | {path for path in tree.by_path if folder and path.rpartition("/")[0] == folder}


def _names(module: Module, name: str) -> bool:
    """Tell whether a file holds the name as a text, or the end of it: ``"model.pt"`` of ``r50_model.pt``."""
    texts = (node.value for node in module.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return any(_is_end(text.rpartition("/")[2], name) for text in texts if text.endswith(_SUFFIXES))


def _is_end(text: str, name: str) -> bool:
    if len(text.partition(".")[0].strip("_-")) < _SHORTEST or not name.endswith(text):
        return False
    before = name[: len(name) - len(text)]
    return not before or not (before[-1].isalnum() and text[0].isalnum())


def _folder(tree: Tree, checkpoint: Path) -> str:
    """Return the nearest folder around the checkpoint, below the root, that holds files of the source; "" for none."""
    folders = {path.rpartition("/")[0] for path in tree.by_path}
    try:
        around = [parent.as_posix() for parent in checkpoint.resolve().relative_to(tree.root.resolve()).parents]
    except ValueError:  # it lies elsewhere
        return ""
    return next((each for each in around if each != "." and each in folders), "")
