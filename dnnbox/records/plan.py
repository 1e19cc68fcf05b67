"""What `dnnbox plan` shows and `dnnbox run` asks consent for: everything that would happen, before it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dnnbox.records.dependencies import Requirement
from dnnbox.records.environment import LockedPackage
from dnnbox.records.source import SourceTree


@dataclass(frozen=True)
class InputChoice:
    """One input for the model and why it was chosen. ``path`` is a host path, "" for one that the box synthesises."""

    origin: Literal["given", "found", "synthesised"]
    kind: str  # tensor | image | audio | text | json
    path: str = ""
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class FitCheck:
    """Whether this machine can do it. ``fix`` is the way out when it cannot."""

    name: str
    status: Literal["ok", "warning", "failed", "unknown"]
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Plan:
    """The whole plan. ``will`` and ``will_not`` are sentences for people; ``questions`` need an answer first."""

    schema: str = "dnnbox.plan/1"
    checkpoint: str = ""
    title: str = ""  # "sentence-transformers BertModel", "timm resnet18", …
    runtime: str = ""
    verdict: str = ""
    source: SourceTree = field(default_factory=lambda: SourceTree("none"))
    requirements: tuple[Requirement, ...] = ()
    packages: tuple[LockedPackage, ...] = ()
    lock_sha256: str = ""
    lock_from_cache: bool = False
    download_bytes: int | None = None
    environment_exists: bool = False
    box: str = ""
    box_reason: str = ""
    sandbox: str = ""
    python: str = ""
    device: str = ""
    precision: str = ""
    batch: int = 1
    network: tuple[str, ...] = ()  # who is contacted, when and why; empty = nobody
    inputs: tuple[InputChoice, ...] = ()
    measure: str = ""  # "5 cold starts, 3 processes, about 40 s"
    writes_to: str = ""
    will: tuple[str, ...] = ()
    will_not: tuple[str, ...] = ()
    fit: tuple[FitCheck, ...] = ()
    questions: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
