"""Arrow 3, obtain: the source code that the checkpoint needs, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dnnbox.records.evidence import Evidence


@dataclass(frozen=True)
class SourceTree:
    """A directory of Python source. ``root`` is what goes on ``sys.path`` in the box (host path, never written).

    ``origin``: none = the library's own package or no code needed. ``files`` are the relative files that define
    ``classes``; ``main`` is the one of them that was the running script, ``__main__``, when the checkpoint was saved,
    "" where no class comes from one; ``sha256`` is over names and contents of all Python files under the root.
    """

    origin: Literal["none", "adjacent", "workspace", "given", "git"]
    root: str = ""
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    url: str = ""
    commit: str = ""
    tag: str = ""
    licence: str = ""
    sha256: str = ""
    main: str = ""
    evidence: tuple[Evidence, ...] = ()
