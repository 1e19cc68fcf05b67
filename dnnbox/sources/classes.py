"""Which file defines a class, read from the syntax tree: source code is never imported on the host."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dnnbox.catalog import import_to_distribution
from dnnbox.syntax import parse
from dnnbox.walk import read_head

MAIN = "__main__"
_LARGEST_BYTES = 2 << 20


def foreign(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names whose code comes with no library that dnnbox can install, without duplicates."""
    return tuple(dict.fromkeys(name for name in names if not _in_library(name)))


def _in_library(name: str) -> bool:
    top = name.partition(".")[0]
    if top == MAIN:
        return False
    return top in sys.stdlib_module_names or import_to_distribution(name) is not None


def splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield (module, qualified name) for ``package.module.Outer.Inner``, the longest module first."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:cut]), ".".join(parts[cut:])


def module_files(root: Path, module: str) -> Iterator[Path]:
    """Yield where ``module`` would lie below ``root``; names that are no identifiers lead nowhere."""
    parts = module.split(".")
    if all(part.isidentifier() for part in parts):
        base = root.joinpath(*parts)
        yield base.with_name(f"{base.name}.py")
        yield base / "__init__.py"


def line_of(path: Path, qualified: str, *, itself: bool = False) -> int | None:
    """Return the line where a module defines a class or function (also nested: ``Outer.Inner``), else None.

    A name that is only imported or assigned there counts too, when nothing defines it: pickles may name it so.
    ``itself``: it does not count, as for ``__main__``, which is the script that held the definition.
    """
    tree = parsed(path, qualified.rpartition(".")[2])
    if tree is None:
        return None
    body: Sequence[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for part in qualified.split("."):
        node = _definition(body, part, itself=itself)
        if node is None:
            return None
        body = node.body if isinstance(node, ast.ClassDef) else ()
    return node.lineno if node else None


def parsed(path: Path, needle: str) -> ast.Module | None:
    """Return the syntax tree of a Python file that mentions ``needle``; None where there is none to be had."""
    data = read_head(path, _LARGEST_BYTES + 1)
    if not data or len(data) > _LARGEST_BYTES or needle.encode() not in data:
        return None
    return parse(data)


def _definition(body: Sequence[ast.stmt], name: str, *, itself: bool) -> ast.stmt | None:
    statements = list(_statements(body))
    for node in statements:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return node
    return None if itself else next((node for node in statements if name in _bound(node)), None)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that bind names of the module, those under ``if`` and ``try`` included."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [statement for handler in node.handlers for statement in handler.body]
            yield from _statements([*node.body, *handlers, *node.orelse, *node.finalbody])


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()
