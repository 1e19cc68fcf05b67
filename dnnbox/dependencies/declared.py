"""What a source tree declares for itself, read as data: requirements files, pyproject, setup.py and setup.cfg, conda
environments, and pip lines of its README.

A line that would leave the index (a URL, a path, an option) is never followed; it is reported by its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dnnbox.dependencies import declarations
from dnnbox.records.dependencies import Requirement
from dnnbox.records.evidence import Evidence

_LARGEST_FILE_BYTES = 1 << 20
_FILES = ("requirement*.txt", "requirements/*.txt")
_NOT_FOR_RUNNING = re.compile(r"(dev|test|doc|lint|train|ci)", re.IGNORECASE)
_CONDA = ("environment*.y*ml", "conda*.y*ml")
_README = ("README*", "INSTALL*")


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
    """Yield (requirement line, place) of all files that are about running the code, the most exact first."""
    for pattern in _FILES:
        for path in sorted(root.glob(pattern)):
            if not _NOT_FOR_RUNNING.search(re.sub(r"^requirements?", "", path.stem)):
                yield from _text_lines(path, path.relative_to(root).as_posix())
    for name, read in (
        ("pyproject.toml", declarations.of_pyproject),
        ("setup.cfg", declarations.of_setup_cfg),
        ("setup.py", declarations.of_setup_py),
    ):
        yield from _read(root / name, name, read)
    for pattern in _CONDA:
        for path in sorted(root.glob(pattern)):
            yield from _read(path, path.name, declarations.of_conda)
    for pattern in _README:
        for path in sorted(root.glob(pattern)):
            yield from _read(path, path.name, declarations.of_readme)


def _read(path: Path, name: str, read: declarations.Read) -> Iterator[tuple[str, str]]:
    text = _text(path)
    for line, number in read(text) if text else ():
        yield line, f"{name}:{number}" if number else name


def _text_lines(path: Path, name: str) -> Iterator[tuple[str, str]]:
    for number, raw in enumerate(_text(path).replace("\\\n", " ").splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if line:
            yield re.sub(r"\s--hash=\S+", "", line), f"{name}:{number}"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig", "replace") if path.stat().st_size <= _LARGEST_FILE_BYTES else ""
    except OSError:
        return ""


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
