"""How far each file is from the scripts that a person runs: what they import is what upstream itself uses."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from dnnbox.sources.matching.bytext import files_by_text
from dnnbox.sources.matching.homes import Homes
from dnnbox.sources.matching.reading import Module
from dnnbox.sources.matching.saving import scripts_of

_ENTRY = re.compile(
    r"(?i)^(?:hubconf|(?:[a-z0-9]*_)*(?:infer(?:ence)?|predict|demo|detect|run|sample|generate|app|main|test|eval|evaluate"
    r"|classify|upsample|example|visualize)[a-z0-9_]*)\.py$"
)
_STEP, _DEPTH = 1, 20


def distances(homes: Homes, checkpoint: str = "") -> dict[str, int]:
    """Return for each file how many imports lie between it and an entry script; those in folders count more. The
    scripts that the checkpoint is of are the nearest, wherever they stand."""
    found: dict[str, int] = {}
    tree = homes.tree
    by_path, by_text = tree.by_path, files_by_text(tree)
    waiting: deque[tuple[str, int]] = deque(
        sorted(
            (
                (path, _DEPTH * path.count("/") + (0 if not path.rpartition("/")[2].startswith("test") else 5))
                for path in by_path
                if _ENTRY.match(path.rpartition("/")[2])
            ),
            key=lambda pair: pair[1],
        )
    )
    waiting.extend(_shown(homes))
    waiting.extend((path, -_DEPTH) for path in sorted(scripts_of(tree, checkpoint)))
    while waiting:
        path, distance = waiting.popleft()
        if distance >= found.get(path, 1 << 30):
            continue
        found[path] = distance
        targets = imported(by_path, by_path[path]) | by_text.get(path, set())
        waiting.extend((target, distance + _STEP) for target in targets)
    return found


def _shown(homes: Homes) -> Iterator[tuple[str, int]]:
    """Yield the files that define what examples in documents import by name, as near as if a script imported them."""
    for document in (module for module in homes.tree.modules if module.document):
        for source, name in document.aliases.values():
            file = homes.file_of(document, source) if name else None
            if file is not None:
                yield homes.origin(name, file).path, _DEPTH * document.path.count("/") + _STEP


def imported(by_path: dict[str, Module], module: Module) -> set[str]:
    """Return the files of the tree that a file imports, or takes something from."""
    folder = module.path.split("/")[:-1]
    found = set()
    for source, name in module.aliases.values():
        level = len(source) - len(source.lstrip("."))
        tail = source.lstrip(".").split(".") if source.lstrip(".") else []
        bases = [folder[: len(folder) - level + 1]] if level else [folder, []]
        for base in bases:
            for parts in ([*base, *tail], [*base, *tail, name]):
                stem = "/".join(part for part in parts if part)
                found |= {path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in by_path}
    return found
