"""Which LightningModule a source tree defines: read from its text, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from dnnbox.syntax import parse

_MAX_FILES = 500
_MAX_BYTES = 1 << 20
_BASES = ("LightningModule", "BaseLightningModule")


def modules_in(root: Path) -> tuple[tuple[str, str], ...]:
    """Return (dotted name, relative file) of each class below ``root`` that derives from LightningModule."""
    found = []
    for file in _files(root):
        relative = file.relative_to(root)
        dotted = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        found += [(f"{dotted}.{name}", str(relative)) for name in _classes(file)]
    return tuple(sorted(found))


def _files(root: Path) -> Iterator[Path]:
    found = sorted(root.rglob("*.py"))
    seen = (path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))
    for number, path in enumerate(seen):
        if number >= _MAX_FILES:
            return
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _MAX_BYTES:
            yield path


def _classes(file: Path) -> Iterator[str]:
    text = file.read_text("utf-8", "replace")
    if "LightningModule" not in text:
        return
    tree = parse(text)
    if tree is None:
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_last(base) in _BASES for base in node.bases):
            yield node.name


def _last(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
