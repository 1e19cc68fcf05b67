"""The scripts that a person runs, as documents show it: those first that lead to the classes which may be meant."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

from dnnbox.sources.matching.entries import imported
from dnnbox.sources.matching.reading import Module, Tree

_NAMES = re.compile(r"(?i)^(?:run|main|train|fit|test|eval|demo|infer|predict|sample|generat|detect)")
_ELSEWHERE, _MOST_STEPS, _MOST_DEPTH = 12, 6, 1
_MOST_SCRIPTS, _MOST_RUNS, _MOST_SHOWN = 8, 24, 4


def scripts(tree: Tree, wanted: Collection[str]) -> list[dict[str, Any]]:
    """Return ``{"path", "argv", "where"}`` of the runs to try, the likeliest first; ``wanted``: files of the classes.

    A script is run as up to four documents' lines show it, then bare.
    """
    steps = _steps(tree, wanted)
    found = [module for module in tree.by_path.values() if _is_script(module)]
    found.sort(key=lambda module: _order(module.path, steps))
    shown = _shown(tree)
    runs: list[dict[str, Any]] = []
    for module in found[:_MOST_SCRIPTS]:
        lines = shown.get(module.path, [])[:_MOST_SHOWN]
        runs += [{"path": module.path, "argv": argv, "where": where} for where, argv in lines]
        runs.append({"path": module.path, "argv": [], "where": module.path})
    return _in_turns(runs)[:_MOST_RUNS]


def _in_turns(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first run of every script, then the second ones."""
    seen: dict[str, int] = {}
    turns = []
    for run in runs:
        seen[run["path"]] = seen.get(run["path"], 0) + 1
        turns.append(seen[run["path"]])
    order = sorted(range(len(runs)), key=lambda place: (turns[place], place))
    return [runs[place] for place in order]


def _order(path: str, steps: Mapping[str, int]) -> tuple[int, int, str]:
    name = path.rpartition("/")[2]
    return steps.get(path, _ELSEWHERE) + path.count("/") + (0 if _NAMES.match(name) else 3), path.count("/"), path


def _is_script(module: Module) -> bool:
    """Tell whether a file is one to run: it says so, or stands near the top and is called as scripts are."""
    name = module.path.rpartition("/")[2]
    if name in ("setup.py", "conftest.py", "hubconf.py") or "/tests/" in f"/{module.path}":
        return False
    return _has_guard(module) or (module.path.count("/") <= _MOST_DEPTH and bool(_NAMES.match(name)))


def _has_guard(module: Module) -> bool:
    tests = [node.test for node in module.tree.body if isinstance(node, ast.If)]
    return any(isinstance(test, ast.Compare) and ast.unparse(test.left) == "__name__" for test in tests)


def _steps(tree: Tree, wanted: Collection[str]) -> dict[str, int]:
    """Return how many imports lie between each file and the nearest one that is wanted."""
    importers: dict[str, list[str]] = {}
    for path, module in tree.by_path.items():
        for target in imported(tree.by_path, module):
            importers.setdefault(target, []).append(path)
    found = dict.fromkeys(wanted, 0)
    waiting = deque(found)
    while waiting:
        path = waiting.popleft()
        for importer in importers.get(path, ()):
            if importer not in found and found[path] < _MOST_STEPS:
                found[importer] = found[path] + 1
                waiting.append(importer)
    return found


def _shown(tree: Tree) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the command lines of each script in the order of the tree's, one for each set of words."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for where, script, argv in tree.runs:
        path = _path(tree, script)
        lines = found.setdefault(path, []) if path else []
        if all(set(argv) != set(known) for _, known in lines):
            lines.append((where, argv))
    return found


def _path(tree: Tree, script: str) -> str:
    """Return the file that a command line means: from the root, else the only one that ends so."""
    way = script.removeprefix("./")
    way = way if way.endswith(".py") else way.replace(".", "/") + ".py"
    while way.startswith("../"):
        way = way.removeprefix("../")
    ending = [path for path in tree.by_path if path == way or path.endswith(f"/{way}")]
    return way if way in ending else ending[0] if len(ending) == 1 else ""
