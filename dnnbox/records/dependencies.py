"""Arrow 4, derive: what must be installed to run the model, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dnnbox.records.evidence import Evidence

Group = Literal["runtime", "model", "utility", "acceleration"]


@dataclass(frozen=True)
class Requirement:
    """One distribution. ``specifier`` is PEP 440 (``>=2.0,<3``) or ""."""

    name: str
    specifier: str = ""
    group: Group = "runtime"
    evidence: tuple[Evidence, ...] = ()

    def line(self) -> str:
        """Return the requirement as pip reads it."""
        return f"{self.name}{self.specifier}"


@dataclass(frozen=True)
class Dependencies:
    """What the chosen ``runtime`` (a name in dnnbox.harness.runtimes and in envs/) needs for this checkpoint.

    ``options`` is handed to the runtime in the RunRequest. ``python`` is a PEP 440 range.
    ``fallback`` holds upstream's documented pins, tried when the latest versions fail.
    """

    runtime: str
    requirements: tuple[Requirement, ...] = ()
    python: str = ">=3.9"
    options: Mapping[str, Any] = field(default_factory=dict)
    fallback: tuple[Requirement, ...] = ()
    evidence: tuple[Evidence, ...] = ()
