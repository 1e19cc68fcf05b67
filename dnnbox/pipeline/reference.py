"""The reference checkpoint in a box of its own, fed with the very arrays of the verified inference."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from dnnbox import boxes, results
from dnnbox.boxes.base import Box
from dnnbox.events import Progress
from dnnbox.experiment import Experiment
from dnnbox.harness.protocol import ArrayRecord, InputFile, RunRequest
from dnnbox.pipeline.jobs import Execution, limits_of
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.evaluation import Agreement
from dnnbox.records.run import RunOutcome


def run(
    experiment: Experiment,
    other: Prepared,
    execution: Execution,
    progress: Progress,
    open_box: Callable[[], AbstractContextManager[Box]],
) -> None:
    """Run the reference once and keep how near its outputs are; raises the DnnboxError of what failed."""
    first = execution.first
    assert first is not None
    assert first.result is not None
    start = time.monotonic()
    with experiment.stage("reference"):
        progress.begin("reference", other.path.name)
        fed = [record for record in first.result.arrays if record.role == "input" and record.path in first.files]
        with open_box() as box:
            request = _request(other, box, fed, first)
            job_dir = experiment.outputs / "jobs" / "reference"
            job_dir.mkdir(parents=True, exist_ok=True)
            outcome = box.run(request, job_dir, timeout_s=other.options.timeout_s)
        error = boxes.error_of(outcome, limits_of(other), other.options.timeout_s)
        if error is not None:
            error.phase = "reference"
            error.what = f"reference {other.path.name}: {error.what}"
            raise error
        execution.agreement = _agreement(other, first, outcome)
    progress.end("reference", _text(execution.agreement), time.monotonic() - start)


def _request(other: Prepared, box: Box, fed: list[ArrayRecord], first: RunOutcome) -> RunRequest:
    names = _names(other, [record.name for record in fed])
    return RunRequest(
        job="infer",
        runtime=other.dependencies.runtime,
        checkpoint=box.path(other.path.resolve()),
        device=other.device.name,
        precision="fp32" if other.options.precision == "auto" else other.options.precision,
        batch_size=other.options.batches[0],
        seed=other.options.seed,
        threads=other.options.threads,
        options=dict(other.dependencies.options),
        inputs=[
            InputFile(box.path(Path(first.files[record.path]).resolve()), "tensor", name)
            for record, name in zip(fed, names, strict=True)
        ],
        sys_path=[box.path(Path(other.source.root).resolve())] if other.source.root else [],
    )


def _names(other: Prepared, ours: list[str]) -> list[str]:
    """Return the reference's own names for the inputs: the same where it has them, else in its order."""
    theirs = [field.name for field in other.inspection.io_hints.inputs]
    if set(theirs) == set(ours):
        return ours
    if len(theirs) == len(ours):
        return theirs
    return [""] if len(ours) == 1 else ours


def _agreement(other: Prepared, first: RunOutcome, outcome: RunOutcome) -> Agreement:
    assert outcome.result is not None
    found = Agreement(
        reference=other.path.name,
        kind="checkpoint",
        runtime=other.dependencies.runtime,
        packages=dict(outcome.result.packages),
        inputs="the arrays of the verified inference, byte for byte",
    )
    ours, theirs = results.kept_outputs(first), results.kept_outputs(outcome)
    if not theirs:
        return replace(found, problem="the reference kept no output")
    return replace(found, tensors=results.compare(ours, theirs))


def _text(found: Agreement) -> str:
    worst = max((tensor.max_abs for tensor in found.tensors if tensor.max_abs is not None), default=None)
    return "could not be compared" if worst is None else f"largest difference {worst:.3g}"
