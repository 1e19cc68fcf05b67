"""The experiment's own index, the decisions taken in it, and what was asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

StageStatus = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class StageRecord:
    """One arrow of the flow. ``seconds`` is monotonic wall time."""

    name: str
    status: StageStatus
    seconds: float
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Decision:
    """What was asked, what was answered and by whom."""

    question: str
    options: tuple[str, ...]
    answer: str
    by: Literal["prompt", "flag", "config", "default"]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A representative input or output; ``path`` is relative to the experiment."""

    path: str
    role: Literal["input", "output", "figure", "trace"]
    kind: str  # tensor | image | audio | text | json
    sha256: str
    title: str = ""
    size_bytes: int = 0


@dataclass(frozen=True)
class ExperimentIndex:
    """``experiment.json``: what other programs open first."""

    schema: str = "dnnbox.experiment/1"
    id: str = ""
    checkpoint: str = ""  # file or directory name, never a host path
    created_utc: str = ""
    dnnbox_version: str = ""
    status: Literal["running", "success", "partial", "failed"] = "running"
    exit_code: int | None = None
    box: str = ""
    device: str = ""
    command: tuple[str, ...] = ()  # options as given, paths by name only
    provenance: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[StageRecord, ...] = ()
    resumed_utc: tuple[str, ...] = ()  # when `run --resume` went on with it
    identities: Mapping[str, str | None] = field(default_factory=dict)  # checkpoint, lock, parameters, device_class
    error: Mapping[str, Any] | None = None
