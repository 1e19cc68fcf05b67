"""Arrow 3, obtain: the source code that the checkpoint needs, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dnnbox.records.evidence import Evidence


@dataclass(frozen=True)
class Recipe:
    """How a known family is built from its upstream source, all arguments solved.

    ``build`` is the body of a function that returns the model; ``bare`` names packages whose own ``__init__`` must not
    run; ``call`` is the expression of the forward call over ``inputs``, "" for ``forward`` with all of them in order.
    ``root`` is the import root inside the repository; ``package`` the distribution that is this very source.
    ``stubs`` are modules that ``build`` stands in for; ``bounds`` are PEP 508 lines; ``needs`` is what nobody brings.
    ``sources`` maps a constant of ``preprocess`` or ``postprocess`` to its file:line. ``refused`` lists what the
    forward call said to the inputs that were tried, where it took none: then somebody has to say which it takes.
    """

    family: str
    title: str
    cls: str
    file: str
    entry: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    build: str = ""
    bare: tuple[str, ...] = ()
    call: str = ""
    inputs: tuple[Mapping[str, Any], ...] = ()
    refused: tuple[str, ...] = ()
    prefix: str = ""
    url: str = ""
    commit: str = ""
    tag: str = ""
    licence: str = ""
    root: str = ""
    package: str = ""
    requires: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    needs: str = ""
    device: str = ""
    repeatable: bool = True
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    postprocess: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class SourceTree:
    """A directory of Python source. ``root`` is what goes on ``sys.path`` in the box (host path, never written).

    ``origin``: none = the library's own package or no code needed. ``files`` are the relative files that define
    ``classes``; ``main`` is the one of them that was the running script, ``__main__``, when the checkpoint was saved,
    "" where no class comes from one; ``searched`` are classes that may be meant, best first, where the checkpoint names
    none and the box has to find out (``file.py:Class``); ``sha256`` is over names and contents of all Python files
    under the root.
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
    committed: str = ""
    fetched: str = ""
    package: str = ""
    recipe: Recipe | None = None
    searched: tuple[str, ...] = ()
