"""Small upstream repositories, one for each way in which real ones are laid out; written to disk by the tests."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.upstreams.layouts import LAYOUTS, NET

__all__ = ["NET", "UPSTREAMS", "Upstream"]


@dataclass(frozen=True)
class Upstream:
    """One repository. ``make`` is code that leaves the checkpoint's content in ``saved``; ``cls`` is to be found.

    ``arguments``: what the class must have been called with, as text. "" for a class that must not be found.
    ``origin``: what must be said of where the arguments come from.
    """

    name: str
    files: dict[str, str]
    make: str
    cls: str
    arguments: dict[str, str] = field(default_factory=dict)
    stand_ins: tuple[str, ...] = ()
    origin: str = ""

    def write(self, root: Path) -> Path:
        """Write the files and return the repository's folder."""
        for name, text in self.files.items():
            path = root / self.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return root / self.name


UPSTREAMS = tuple(Upstream(**layout) for layout in LAYOUTS)
