"""What ``dnnbox verify`` answers: an adapter, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StageName = Literal["import", "build", "load", "forward", "finite", "repeatable"]


@dataclass(frozen=True)
class VerifiedStage:
    """One stage. ``skipped``: it says nothing about this adapter, or one before it failed; ``detail`` says which."""

    name: StageName
    status: Literal["ok", "failed", "skipped"]
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """The whole answer. ``failed_stage`` is None where every stage passed; ``rounds`` counts what a program wrote."""

    schema: str = "dnnbox.verify/1"
    adapter: str = ""
    passed: bool = False
    failed_stage: StageName | None = None
    stages: tuple[VerifiedStage, ...] = ()
    rounds: int = 0
    exit_code: int = 0
