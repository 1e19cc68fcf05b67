"""Arrow 7, run: what the host saw of one job in a box, around what the box itself answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dnnbox.harness.protocol import RunResult


@dataclass(frozen=True)
class RunOutcome:
    """One job. ``result`` is None when the box died before it could answer: then the other fields say how.

    ``spawned_ns`` is CLOCK_MONOTONIC just before the process was started. ``files`` maps a path relative to the run
    directory to the collected copy on the host. ``stderr_tail`` is foreign text.
    """

    job: str
    result: RunResult | None
    exit_code: int | None
    spawned_ns: int
    wall_s: float
    signal: int | None = None
    timed_out: bool = False
    oom_killed: bool = False
    output_limit: str = ""  # which cap was hit
    stderr_tail: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()  # what the collector refused, and why
    settings: Mapping[str, Any] = field(default_factory=dict)
