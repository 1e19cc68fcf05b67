"""What a source tree declares for itself: requirements files and pyproject.toml, read as data.

A line that would leave the index (a URL, a path, an option) is never followed; it is reported by its place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dnnbox.records.dependencies import Requirement
from dnnbox.records.evidence import Evidence

_LARGEST_FILE_BYTES = 1 << 20
_FILES = ("requirements.txt", "requirements-*.txt", "requirements_*.txt", "requirements/*.txt")
_NOT_FOR_RUNNING = re.compile(r"(dev|test|doc|lint|train|ci)", re.IGNORECASE)


def declared(root: Path) -> tuple[tuple[Requirement, ...], tuple[Evidence, ...]]:
    """Return the declared requirements (first one of each name) and evidence for the lines that were not taken."""
    found: dict[str, Requirement] = {}
    refused: list[Evidence] = []
    for line, place in _lines(root):
        requirement = _parsed(line, place)
        if requirement is None:
            refused.append(Evidence("requirement line not taken", place, "it does not name a package of an index", 0.2))
        else:
            found.setdefault(requirement.name, requirement)
    return tuple(found.values()), tuple(refused)


def _lines(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (requirement line, place) of all files that are about running the code."""
    for pattern in _FILES:
        for path in sorted(root.glob(pattern)):
            if not _NOT_FOR_RUNNING.search(path.stem.partition("requirements")[2]):
                yield from _text_lines(path, path.relative_to(root).as_posix())
    project = _toml(root / "pyproject.toml").get("project", {})
    listed = project.get("dependencies", ()) if isinstance(project, dict) else ()
    for line in listed if isinstance(listed, list) else ():
        yield str(line), "pyproject.toml"


def _text_lines(path: Path, name: str) -> Iterator[tuple[str, str]]:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            return
        text = path.read_text("utf-8", "replace").replace("\\\n", " ")
    except OSError:
        return
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if line:
            yield re.sub(r"\s--hash=\S+", "", line), f"{name}:{number}"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.stat().st_size <= _LARGEST_FILE_BYTES else {}
    except (OSError, ValueError):
        return {}


def _parsed(line: str, place: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Parsed

    try:
        parsed = Parsed(line)
        if parsed.url is not None or (parsed.marker is not None and not parsed.marker.evaluate()):
            return None
    except (InvalidRequirement, ValueError):
        return None
    name = re.sub(r"[-_.]+", "-", parsed.name).lower()
    evidence = Evidence(f"{name}{parsed.specifier} is declared", place, weight=0.7)
    return Requirement(name, str(parsed.specifier), "model", (evidence,))
