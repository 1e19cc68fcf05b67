"""The import graph of a model's source, read without running it: which distributions it needs, and where it says so.

Only files that are reached from the starting files count: a repository's training scripts need more than its model.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dnnbox import catalog
from dnnbox.dependencies.mending import module_bounds
from dnnbox.dependencies.reaching import Reach
from dnnbox.records.dependencies import Requirement
from dnnbox.records.evidence import Evidence
from dnnbox.syntax import parse

_LARGEST_FILE_BYTES = 4 << 20
_MOST_FILES = 2000
_DETAIL_CHARS = 120


@dataclass(frozen=True)
class Import:
    """One import of a module that is not the source's own. ``optional``: guarded, the code runs without it."""

    module: str
    place: str  # models/net.py:12
    optional: bool = False
    lazy: bool = False  # inside a function


@dataclass
class _Walk:
    root: Path
    queue: list[Path]
    bare: frozenset[Path] = frozenset()
    seen: set[Path] = field(default_factory=set)
    imports: list[Import] = field(default_factory=list)
    reach: Reach = field(default_factory=Reach)


def external_imports(
    root: Path, files: Iterable[str], *, names: Iterable[str] = (), code: str = "", bare: Iterable[str] = ()
) -> tuple[Import, ...]:
    """Return the imports of other people's modules that ``files`` (relative to ``root``) and what they import need.

    Functions count where code that runs mentions them: with ``names`` (classes, builders) only what these lead to,
    without them everything in ``files``. ``code`` is more code that runs, with its imports. ``bare`` are packages
    whose ``__init__`` is not run.
    """
    wanted = frozenset(root.joinpath(*name.split("."), "__init__.py") for name in bare)
    walk = _Walk(root, [path for name in files for path in _with_packages(root, name)], wanted)
    starts = [root / name for name in files]
    if code and (tree := parse(code)) is not None:
        _collect(walk, root / "adapter.py", "adapter.py", tree.body, lazy=False)
        _follow(walk, walk.reach.load("adapter.py", tree.body))
    _follow(walk, walk.reach.mention(set(names)))
    while walk.queue and len(walk.seen) < _MOST_FILES:
        path = walk.queue.pop(0)
        if path in walk.seen or path in walk.bare:
            continue
        walk.seen.add(path)
        if (tree := _parsed(path)) is not None:
            place = path.relative_to(root).as_posix()
            walk.queue.extend(_scanned(path, tree))
            _collect(walk, path, place, tree.body, lazy=False)
            _follow(walk, walk.reach.load(place, tree.body))
            if path in starts and not names:
                _follow(walk, walk.reach.mention(set(walk.reach.waiting)))
    return tuple(walk.imports)


def _follow(walk: _Walk, reached: Iterable[tuple[str, list[ast.stmt]]]) -> None:
    """Take the imports inside functions that are reached."""
    for place, body in reached:
        _collect(walk, walk.root / place, place, body, lazy=True)


def _scanned(path: Path, tree: ast.Module) -> list[Path]:
    """Return the modules that a package imports by looking into its own folder, as registries of models do."""
    if path.name != "__init__.py" or "import_module" not in (text := ast.unparse(tree)):
        return []
    if not any(word in text for word in ("scandir", "listdir", "glob", "iter_modules", "walk_packages")):
        return []
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    ends = [value for value in constants if isinstance(value, str) and value.endswith(".py") and len(value) > 3]
    return sorted(file for file in path.parent.glob("*.py") if not ends or file.name.endswith(tuple(ends)))


def _with_packages(root: Path, name: str) -> Iterator[Path]:
    """Yield a file after the packages that it lies in: they run first when it is imported."""
    parts = Path(name).parts[:-1]
    for end in range(1, len(parts) + 1):
        package = root.joinpath(*parts[:end], "__init__.py")
        if package.is_file():
            yield package
    yield root / name


def _parsed(path: Path) -> ast.Module | None:
    """Return the syntax tree, None for a file that is too large, unreadable or no Python of today."""
    try:
        return parse(path.read_bytes()) if path.stat().st_size <= _LARGEST_FILE_BYTES else None
    except OSError:
        return None


def _collect(walk: _Walk, path: Path, place: str, body: Iterable[ast.stmt], *, lazy: bool) -> None:
    """Note the imports of statements; at a module's top level those inside functions wait until they are reached."""
    for node, guard, inner in _imports(body, "", lazy=lazy):
        if inner and not lazy:
            continue
        for names, level in _modules(node):
            own = [found for name in names if (found := _own_files(walk.root, path, name, level)) is not None]
            if guard != _DISPENSABLE:
                walk.queue.extend(file for files in own for file in files)
            if not own and level == 0 and _is_foreign(names[0]):
                known = next((name for name in names if catalog.import_to_distribution(name)), names[0])
                walk.imports.append(Import(known, f"{place}:{node.lineno}", bool(guard), lazy))


_DISPENSABLE, _REPLACED = "dispensable", "replaced"
"""How an import is guarded: the code does without what it brings, or imports something else in its place."""


def _imports(
    body: Iterable[ast.stmt], guard: str, *, lazy: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, str, bool]]:
    """Yield every import statement with how it is guarded, if it is, and whether it waits for a call."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, guard, lazy
        elif isinstance(node, ast.If) and _never_runs(node.test):
            yield from _imports(node.orelse, guard, lazy=lazy)
        elif isinstance(node, (ast.Try, ast.TryStar)):
            around = guard or _guard(node, lazy=lazy)
            for block in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody):
                yield from _imports(block, around, lazy=lazy)
        else:
            function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            around = guard or (_DISPENSABLE if _suppresses(node) else "")
            for block in _blocks(node):
                yield from _imports(block, around, lazy=lazy or function)


def _guard(node: ast.Try | ast.TryStar, *, lazy: bool) -> str:
    """Return how a statement guards the imports in it.

    A handler that raises again guards nothing, save in a function: "please install …" is said there of one choice.
    """
    catching = [handler for handler in node.handlers if _catches_import(handler)]
    if not any(lazy or not isinstance(handler.body[-1], ast.Raise) for handler in catching):
        return ""
    imports = (each for handler in catching for part in handler.body for each in ast.walk(part))
    return _REPLACED if any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in imports) else _DISPENSABLE


def _suppresses(node: ast.stmt) -> bool:
    """Tell whether a statement is ``with suppress(ImportError):``, of contextlib."""
    calls = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
    return any(
        isinstance(call, ast.Call)
        and ast.unparse(call.func).rpartition(".")[2] == "suppress"
        and any(_names_import_error(argument) for argument in call.args)
        for call in calls
    )


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block


def _never_runs(test: ast.expr) -> bool:
    """Tell whether a condition is false when a model is loaded: TYPE_CHECKING, or being the main script."""
    text = ast.unparse(test)
    return text.endswith("TYPE_CHECKING") or text.startswith("__name__ ==")


def _catches_import(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or _names_import_error(handler.type)


def _names_import_error(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return any(name in text for name in ("ImportError", "ModuleNotFoundError", "Exception"))


def _modules(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[list[str], int]]:
    """Yield (module names, level) of a statement: ``from a import b`` imports a, and perhaps the module a.b."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield [alias.name], 0
        return
    inside = [f"{node.module}.{alias.name}" if node.module else alias.name for alias in node.names]
    yield ([node.module, *inside] if node.module else inside), node.level


def _own_files(root: Path, importer: Path, module: str, level: int) -> list[Path] | None:
    """Return the files of the source tree that a module name stands for, None for a module from elsewhere."""
    if level:
        folder = importer.parent
        for _ in range(level - 1):
            folder = folder.parent
        bases = [folder]
    else:
        # A script's own folder is on sys.path too, in upstream's way of running it.
        bases = list(dict.fromkeys((root, importer.parent, root / "src")))
    for base in bases:
        if base.is_relative_to(root) and (found := _files_of(base, module.split("."))) is not None:
            return found
    return None


def _files_of(base: Path, parts: list[str]) -> list[Path] | None:
    """Return the files that importing ``parts`` below ``base`` runs; None where not even the first part is there."""
    found: list[Path] = []
    folder = base
    for number, part in enumerate(parts):
        package, single = folder / part / "__init__.py", folder / f"{part}.py"
        if package.is_file():
            found.append(package)
        elif single.is_file():
            return [*found, single]
        elif not (folder / part).is_dir():
            return found if number else None  # the rest of the name is something inside the last file
        folder = folder / part
    return found


def _is_foreign(module: str) -> bool:
    top = module.partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and top != "__future__"


def requirements_of(
    imports: Iterable[Import], declared: Mapping[str, str]
) -> tuple[tuple[Requirement, ...], tuple[Evidence, ...]]:
    """Return the requirements of imports, and evidence for modules that no known distribution provides.

    ``declared`` holds the distributions that the source itself declares, normalised name to where. Names that neither
    the catalogue nor the source knows are never installed: anybody may have put a package of that name on an index.
    """
    places: dict[str, list[Import]] = {}
    unknown: dict[str, Import] = {}
    for item in imports:
        top = item.module.partition(".")[0]
        distribution = catalog.import_to_distribution(item.module) or _declared_name(top, declared)
        if distribution is not None:
            places.setdefault(distribution, []).append(item)
        elif not item.optional:
            unknown.setdefault(top, item)
    required = (_requirement(name, found) for name, found in sorted(places.items()) if _is_needed(found))
    strangers = tuple(
        Evidence(
            f"module {top[:_DETAIL_CHARS]} is not known", item.place, "not installed: no known package has it", 0.3
        )
        for top, item in sorted(unknown.items())
    )
    return tuple(required), strangers


def _declared_name(top: str, declared: Mapping[str, str]) -> str | None:
    name = top.replace("_", "-").lower()
    return name if name in declared else None


def _is_needed(found: Sequence[Import]) -> bool:
    """Tell whether one of the imports is needed; what is guarded at one place may be missing when a function asks."""
    must = [item for item in found if not item.optional]
    is_guarded_once = any(item.optional for item in found)
    return any(not item.lazy for item in must) or (bool(must) and not is_guarded_once)


def _requirement(name: str, found: list[Import]) -> Requirement:
    shown = [item for item in found if not item.optional][:3]
    evidence = tuple(
        Evidence(f"{name} is needed", item.place, f"import {item.module}"[:_DETAIL_CHARS], 0.6 if item.lazy else 0.9)
        for item in shown
    )
    specifier = next((bound for item in found if (bound := module_bounds().get(item.module.partition(".")[0]))), "")
    return Requirement(name, specifier, "model", evidence)
