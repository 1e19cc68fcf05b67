"""The jobs beyond measuring: which sizes run, can it be trained, how good are the answers, does its ONNX form agree.

They come last: by then every figure is there, and whatever fails here leaves those whole.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox import codec, results
from dnnbox.errors import DnnboxError
from dnnbox.experiment import Experiment
from dnnbox.harness.protocol import RunRequest
from dnnbox.pipeline.asked import METRICS
from dnnbox.records.evaluation import Agreement, LabelledSet, Quality, TrainingCheck
from dnnbox.records.measurements import Contract
from dnnbox.records.run import RunOutcome
from dnnbox.results import doubts
from dnnbox.results import stated as contracts

if TYPE_CHECKING:
    from dnnbox.boxes.base import Box
    from dnnbox.pipeline.jobs import Execution, Jobs
    from dnnbox.pipeline.prepare import Prepared

SIZES_BUDGET_S = 20.0
LEAST_TRAINED = 2  # items of a batch: normalisation over a batch needs more than one


def run(jobs: Jobs, request: RunRequest) -> None:
    """sizes → train → evaluate → export. What the user asked for by name and fails is the run's error."""
    asked = jobs.prepared.asked
    _sizes(jobs, request)
    if asked.train_check:
        with jobs.experiment.stage("train"):
            batch = max(LEAST_TRAINED, request.batch_size)
            jobs.further("train", replace(request, batch_size=batch), f"twenty steps, batch {batch}")
    if asked.dataset is not None:
        with jobs.experiment.stage("evaluate"):
            _evaluate(jobs, request, asked.dataset)
    if asked.is_onnx:
        with jobs.experiment.stage("reference"):
            _compare_export(jobs, request)
    if asked.outputs is not None:
        with jobs.experiment.stage("reference"):
            jobs.execution.agreement = _compare_saved(jobs.execution, asked.outputs)


def with_contract(jobs: Jobs, request: RunRequest) -> RunRequest:
    """Return the request of a job that also runs the model on inputs made from the contract alone."""
    found = contract_of(jobs.prepared, jobs.execution)
    return replace(request, work={"contract": _told(found)})


def _told(found: Contract) -> dict[str, Any]:
    """Return the inputs and outputs as io_contract.json has them."""
    plain = codec.to_json(found)
    return {side: plain[side] for side in ("inputs", "outputs")}


def hold_against_stated(jobs: Jobs, outcome: RunOutcome) -> None:
    """Raise BadOutput where the user's contract says otherwise than what ran."""
    if jobs.prepared.asked.stated is not None:
        contracts.require(results.contract(outcome, jobs.prepared.inspection.io_hints), jobs.prepared.asked.stated)


def _sizes(jobs: Jobs, request: RunRequest) -> None:
    """Try sizes where that is wanted; nothing hangs on it, so a failure is only noted."""
    options, execution = jobs.prepared.options, jobs.execution
    if not options.wants_sizes:
        execution.reasons["sizes"] = "not tried with `--quick`" if options.sizes is None else "not wanted"
        return
    start = time.monotonic()
    work = {**with_contract(jobs, request).work, "budget_s": SIZES_BUDGET_S}
    try:
        jobs.further("sizes", replace(request, work=work))
    except DnnboxError as error:
        execution.reasons["sizes"] = f"{error.name}: {error.what}"[:300]
        jobs.progress.end("sizes", "not found", time.monotonic() - start)
        jobs.progress.note(f"sizes: {error.what}")
        jobs.experiment.skip("sizes", execution.reasons["sizes"])
        return
    jobs.experiment.note_stages({"sizes": time.monotonic() - start})


def _evaluate(jobs: Jobs, request: RunRequest, dataset: LabelledSet) -> None:
    rows = [_boxed(row, jobs.box) for row in dataset.rows]
    own = jobs.prepared.asked.metrics
    work = {
        "items": rows,
        "goal": dataset.goal,
        "classes": list(dataset.classes),
        "categories": [dict(category) for category in dataset.categories],
        "own": f"{METRICS}/{own.name}" if own is not None else "",
        "budget_s": jobs.prepared.options.timeout_s,
    }
    if own is not None:
        work["own"] = jobs.box.path(own.resolve())
    jobs.further("evaluate", replace(request, work=work), f"{len(rows)} items")


def _boxed(row: Mapping[str, Any], box: Box) -> dict[str, Any]:
    paths = ("path", "mask", "target")
    return {key: box.path(Path(value).resolve()) if key in paths else value for key, value in row.items()}


def _compare_export(jobs: Jobs, request: RunRequest) -> None:
    outcome = jobs.further("export", request)
    ours, theirs = jobs.execution.first, outcome
    assert ours is not None
    assert outcome.result is not None
    jobs.execution.agreement = Agreement(
        reference="its own ONNX export",
        kind="onnx",
        runtime="onnxruntime",
        inputs="the same inputs, made again from the same seed or files in the same box",
        tensors=results.compare(results.kept_outputs(ours), results.kept_outputs(theirs)),
    )


def _compare_saved(execution: Execution, path: Path) -> Agreement:
    assert execution.first is not None
    found = Agreement(reference=path.name, kind="outputs", inputs="not known: the saved outputs do not say")
    try:
        saved = results.saved_outputs(path)
    except (OSError, ValueError) as error:
        return replace(found, problem=f"{path.name}: {error}"[:200])
    if not saved:
        return replace(found, problem=f"{path.name} holds no .npy array")
    return replace(found, tensors=results.compare(results.kept_outputs(execution.first), saved))


# -- what of it goes into outputs/ -----------------------------------------------------------------------------------


def measuring(outcomes: Sequence[RunOutcome]) -> list[RunOutcome]:
    """Return the outcomes that figures of speed and memory may come from."""
    return [outcome for outcome in outcomes if outcome.job not in ("sizes", "train", "evaluate", "export")]


@dataclass(frozen=True)
class Collected:
    """None for what was not asked for."""

    quality: Quality | None
    training: TrainingCheck | None
    answers: tuple[Any, ...]


def contract_of(prepared: Prepared, execution: Execution) -> Contract:
    """Return the contract of what has run so far, with what was stated, tried and found doubtful."""
    first = execution.first if execution.verified else None
    memory = _of(execution, "memory")
    found = results.opened(results.contract(first, prepared.inspection.io_hints), memory)
    if prepared.asked.stated is not None and first is not None:
        found = contracts.merged(found, prepared.asked.stated)
    return doubts.completed(
        found,
        first=first,
        memory=memory,
        sizes=_of(execution, "sizes"),
        sizes_reason=execution.reasons.get("sizes", ""),
        expected=doubts.expected(prepared.inspection, prepared.dependencies.options, prepared.asked.stated),
        labels=tuple(str(label) for label in prepared.dependencies.options.get("labels") or ()),
    )


def _of(execution: Execution, job: str) -> RunOutcome | None:
    return next((outcome for outcome in reversed(execution.outcomes) if outcome.job == job), None)


def collected(prepared: Prepared, execution: Execution) -> Collected:
    """Return the records of the further jobs."""
    asked = prepared.asked
    evaluated = _usable(_of(execution, "evaluate"))
    trained = _of(execution, "train")
    return Collected(
        quality=results.quality(evaluated, asked.dataset, execution.agreement, reason=_why(execution, "evaluate")),
        training=results.training(_usable(trained), wanted=asked.train_check, reason=_why(execution, "train")),
        answers=tuple(results.answers(evaluated)),
    )


def _usable(outcome: RunOutcome | None) -> RunOutcome | None:
    is_good = outcome is not None and outcome.result is not None and outcome.result.error is None
    return outcome if is_good else None


def _why(execution: Execution, job: str) -> str:
    outcome = _of(execution, job)
    error = outcome.result.error if outcome is not None and outcome.result is not None else None
    if error is not None:
        return f"{error.kind}: {error.detail}"[:300]
    return "the run stopped before it" if outcome is None else "the box died"


def save(experiment: Experiment, found: Collected) -> None:
    """Write metrics.json, predictions.json and training.json, where there is something to write."""
    if found.quality is not None:
        experiment.save("metrics", found.quality)
    if found.answers:
        experiment.save("predictions", {"schema": "dnnbox.predictions/1", "answers": found.answers})
    if found.training is not None:
        experiment.save("training", found.training)
