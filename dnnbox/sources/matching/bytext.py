"""Files that a script imports by a text: ``importlib.import_module(args.model)``, ``__import__(name)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dnnbox.sources.matching.reading import Module, Tree
from dnnbox.sources.matching.settings import options_of

# Words for what a script does, and no modules.
_PHASES = frozenset(("train", "val", "valid", "test", "eval", "main", "demo", "run", "infer", "inference", "predict"))


def is_of_imported(call: ast.Call, module: Module) -> bool:
    """Tell whether something of a module is called that was imported by a text: it may be of any file."""
    base = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(base, ast.Name) and base.id in module.by_text


def files_by_text(tree: Tree) -> dict[str, set[str]]:
    """Return, for each file that imports by a text, the files that an option or a command line names so; of several
    of one name those nearest to the root."""
    scripts = [module for module in tree.modules if not module.document and module.by_text]
    named = _named(tree) if scripts else set[str]()
    return {module.path: named for module in scripts}


def _named(tree: Tree) -> set[str]:
    words = set(_words(tree)) - _PHASES
    found: dict[str, list[str]] = {}
    for path in tree.by_path:
        stem = path.removesuffix(".py").rpartition("/")[2]
        if stem in words:
            found.setdefault(stem, []).append(path)
    return {path for paths in found.values() for path in paths if path.count("/") == min(p.count("/") for p in paths)}


def _words(tree: Tree) -> Iterator[str]:
    """Yield the last part of every text that is an option's value, or that a command line gives."""
    listed = [value for module in tree.modules if not module.document for value in options_of(module).values()]
    values = [each for several in listed for each in several] + [v for c in tree.commands for v in c.values.values()]
    yield from (value.rpartition(".")[2] for value in values if isinstance(value, str))
