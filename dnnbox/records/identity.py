"""Arrow 2, identify: which architecture this is, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dnnbox.records.evidence import Evidence

Match = Literal["config", "exact", "body", "similar", "family", "signal"]
"""config: the file names it · exact: all names and shapes · body: all but the head · similar: most tensors
· family: the layout, not the sizes · signal: a key pattern or a file name only."""


@dataclass(frozen=True)
class SameWeights:
    """Another architecture with the same names and shapes but a different graph; strict loading cannot tell them."""

    architecture: str
    differs: str


@dataclass(frozen=True)
class Candidate:
    """One architecture that the checkpoint may be. ``score`` in [0, 1] is the share of tensors explained.

    ``library``: timm | torchvision | transformers | sentence-transformers | silero-vad | "" (not in a library).
    ``arguments`` are constructor arguments derived from shapes or configs. ``prefix`` is what to strip from the keys.
    """

    library: str
    architecture: str
    match: Match
    score: float
    arguments: Mapping[str, Any] = field(default_factory=dict)
    same_weights: tuple[SameWeights, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    prefix: str = ""


@dataclass(frozen=True)
class Component:
    """One part of a composite checkpoint: ``name`` is its place (text encoder …), ``prefix`` what its keys start with.

    ``library`` and ``architecture`` are "" where nothing but the place is known.
    """

    name: str
    prefix: str
    tensors: int
    parameters: int
    library: str = ""
    architecture: str = ""
    match: Match = "signal"
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Ranked candidates, best first; ``unknown`` is an answer. ``components`` are those of a composite checkpoint."""

    unknown: bool = True
    candidates: tuple[Candidate, ...] = ()
    components: tuple[Component, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The first candidate, or None where the identity is unknown."""
        return self.candidates[0] if self.candidates and not self.unknown else None
