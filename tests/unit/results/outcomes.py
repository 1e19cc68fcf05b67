"""Builds RunOutcomes with real sample files, as the collector would leave them."""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnnbox.harness.arrays import write_npy
from dnnbox.harness.protocol import RunError, RunResult, Samples
from dnnbox.records.run import RunOutcome

COLUMNS = ("total", "preprocess", "model", "postprocess")
QUIET = {
    "run_delay_ns": 1_000_000,
    "wall_ns": 3_000_000_000,
    "psi_some_us": 10_000,
    "steal_us": 0,
    "involuntary_switches": 3,
}


def rows(n: int, centre_ms: float, seed: int = 1, spread: float = 0.02) -> list[tuple[int, ...]]:
    """Return n iterations: a log-normal model time between two small fixed stages."""
    chance = random.Random(seed)
    found = []
    for _ in range(n):
        model = int(centre_ms * 0.9 * 1e6 * chance.lognormvariate(0, spread))
        pre, post = int(centre_ms * 0.06e6), int(centre_ms * 0.03e6)
        found.append((pre + model + post + 2000, pre, model, post))
    return found


def measured(
    root: Path,
    values: Sequence[Sequence[int]],
    *,
    columns: Sequence[str] = COLUMNS,
    stable: bool = True,
    reason: str = "",
    noise: Mapping[str, Any] = QUIET,
    items: int = 1,
    stages_ns: Mapping[str, int] | None = None,
    name: str = "p1",
) -> RunOutcome:
    """Return a measure job whose samples lie in a .npy file under ``root``."""
    place = root / name / "arrays" / "samples.npy"
    place.parent.mkdir(parents=True, exist_ok=True)
    flat = array("q", [ns for row in values for ns in row])
    write_npy(str(place), "int64", (len(values), len(columns)), flat.tobytes())
    facts = Samples("arrays/samples.npy", list(columns), len(values), 20, 400_000_000, stable, reason, 80, items)
    result = RunResult(
        job="measure",
        python="3.11.7",
        started_ns=1_050_000_000,
        stages_ns=dict(stages_ns or {"import": 900_000_000, "load": 120_000_000, "first": 40_000_000}),
        samples=facts,
        noise=dict(noise),
        effective={"device": "cpu", "precision": "fp32", "threads": 2},
    )
    return RunOutcome("measure", result, 0, 1_000_000_000, 6.0, files={"arrays/samples.npy": str(place)})


def cold(extra_ns: int = 0, *, spawned_ns: int = 1_000_000_000) -> RunOutcome:
    """Return a cold start of 50 + 900 + 120 + 40 ms and ``extra_ns`` more of import."""
    stages = {"import": 900_000_000 + extra_ns, "load": 120_000_000, "first": 40_000_000}
    result = RunResult(job="cold", python="3.11.7", started_ns=1_050_000_000, stages_ns=stages)
    return RunOutcome("cold", result, 0, spawned_ns, 1.3)


def memory(**figures: int) -> RunOutcome:
    """Return a memory pass."""
    result = RunResult(job="memory", python="3.11.7", memory=figures, effective={"device": "cpu"})
    return RunOutcome("memory", result, 0, 0, 2.0)


def failed(job: str = "measure") -> RunOutcome:
    """Return a job that the harness answered with an error."""
    result = RunResult(job=job, python="3.11.7", error=RunError("infer_failed", "boom"))
    return RunOutcome(job, result, 0, 0, 1.0)


def generated(root: Path, runs: int, steps_ms: Sequence[float], prefill_ms: float, name: str = "g1") -> RunOutcome:
    """Return a generate job: preprocess 1 ms, the prompt, then one column for each token after the first."""
    columns = ["total", "preprocess", "prefill", *(f"token_{place}" for place in range(2, len(steps_ms) + 2))]
    parts = [1.0, prefill_ms, *steps_ms]
    row = [int(1e6 * value) for value in (sum(parts), *parts)]
    outcome = measured(root, [row] * runs, columns=columns, name=name)
    facts = {"prompt_tokens": 9, "sequences": 1, "new_tokens": len(steps_ms) + 1, "tokens": []}
    assert outcome.result is not None
    return replace(outcome, job="generate", result=replace(outcome.result, job="generate", generation=facts))
