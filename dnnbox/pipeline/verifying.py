"""An adapter held against its checkpoint in the box, stage by stage: nothing is measured, and no experiment changes."""

from __future__ import annotations

import time
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnnbox import __version__, boxes, consent, results
from dnnbox.boxes.base import Box
from dnnbox.errors import AdapterNeeded, ConsentNeeded, DnnboxError, RunFailed, Usage
from dnnbox.events import Progress
from dnnbox.experiment import INDEX, Experiment, read_index
from dnnbox.harness.protocol import EVENTS, RunRequest
from dnnbox.pipeline import execute, filling, resuming
from dnnbox.pipeline.jobs import limits_of
from dnnbox.pipeline.prepare import Prepared, prepare
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.options import RunOptions
from dnnbox.records.run import RunOutcome
from dnnbox.records.source import SourceTree
from dnnbox.records.verification import StageName, Verification, VerifiedStage
from dnnbox.scratch import scratch
from dnnbox.store import Store
from dnnbox.text import visible

SECONDS = 600.0
_STAGES: tuple[StageName, ...] = typing.get_args(StageName)

Answer = tuple[Verification, DnnboxError | None]
"""How far the adapter came, and the error of the stage that failed."""


@dataclass(frozen=True)
class Wanted:
    """What is to be verified: an experiment, or an adapter with its checkpoint and source."""

    target: Path
    workspace: Path
    checkpoint: str = ""
    source: str = ""
    box: str = "auto"
    yes: bool = False
    offline: bool = False
    timeout_s: float = SECONDS
    allow: tuple[str, ...] = ()
    llm_command: str = ""


@dataclass
class _Target:
    adapter: Path
    options: RunOptions
    source: SourceTree | None


def verify(wanted: Wanted, *, ask: consent.Ask | None, progress: Progress) -> Answer:
    """Return how far the adapter comes; with a command for its holes, how far what that wrote comes.

    Raises:
        Usage: there is no adapter, or nothing says which checkpoint it is for.
        ConsentNeeded: packages would have to be installed, and nobody can be asked.
        What :func:`prepare` and the making of the environment raise.
    """
    target, store = _target(wanted), Store.default()
    with scratch() as folder:
        prepared = prepare(target.options, progress, store=store, refs_dir=folder / "refs", known=target.source)
        _agree(prepared, ask)
        experiment = Experiment.create(folder / "verify", ExperimentIndex(dnnbox_version=__version__))
        try:
            answer = verified(experiment, prepared, target.adapter, store, progress)
            if answer[0].passed or not wanted.llm_command:
                return answer
            return filling.fill(
                target.adapter,
                answer,
                wanted.llm_command,
                filling.Material(prepared.inspection, prepared.source),
                lambda adapter: verified(experiment, prepared, adapter, store, progress),
                progress,
            )
        finally:
            experiment.close()


def completed(
    experiment: Experiment, prepared: Prepared, need: AdapterNeeded, store: Store, progress: Progress
) -> Prepared:
    """Return the run with the adapter that the user's program wrote in place of the skeleton, verified in the box.

    Raises:
        AdapterNeeded: nothing that it wrote passes.
    """
    adapter = experiment.root / "scripts" / "adapter.py"
    first = Verification(adapter=adapter.name, failed_stage="build", exit_code=need.code)
    with experiment.stage("adapter"):
        found, error = filling.fill(
            adapter,
            (first, need),
            prepared.options.llm_command,
            filling.Material(prepared.inspection, prepared.source),
            lambda path: verified(experiment, prepared, path, store, progress),
            progress,
        )
        experiment.save("verify", found)
        if error is not None:
            raise AdapterNeeded(
                f"what the program wrote fails at {found.failed_stage}: {error.what}"[:240],
                hint=f"its last try is scripts/{filling.DRAFT}; {need.hint}",
                phase="adapter",
            ) from error
    return replace(prepared, options=replace(prepared.options, adapter=adapter))


def _target(wanted: Wanted) -> _Target:
    """Find the adapter, the experiment around it, and what that was asked."""
    path = wanted.target
    root = path if path.is_dir() else path.absolute().parent.parent
    is_experiment = (root / INDEX).is_file()
    adapter = path / "scripts" / "adapter.py" if path.is_dir() else path
    if path.is_dir() and not is_experiment:
        raise Usage(f"{visible(path.name, 60)} is no experiment", hint="give the folder that holds experiment.json")
    if not adapter.is_file():
        what = f"{visible(adapter.name, 60)} is not there"
        raise Usage(what, hint="give an experiment that has scripts/adapter.py, or the adapter's file")
    options = _asked(wanted, root if is_experiment else None)
    options = replace(options, adapter=adapter.absolute(), yes=wanted.yes, offline=wanted.offline, inputs=(),
                      timeout_s=wanted.timeout_s, quick=True, out=None, reference="", dataset=None, metrics=None,
                      contract=None, endpoint="", train_check=False, batches=(1,), variants=())  # fmt: skip
    known = resuming.source_in(root) if is_experiment and not wanted.source else None
    if known is not None:
        known = replace(known, recipe=None)
    return _Target(adapter, options, known)


def _asked(wanted: Wanted, experiment: Path | None) -> RunOptions:
    """Return the options of the experiment where nothing else was said, else those of the command line."""
    if wanted.checkpoint:
        return RunOptions(
            checkpoint=wanted.checkpoint,
            workspace=wanted.workspace,
            source=wanted.source,
            box=wanted.box,
            allow=wanted.allow,
        )
    if experiment is None:
        raise Usage("nothing says which checkpoint this adapter is for", hint="add `--checkpoint CKPT`")
    try:
        found = resuming.recall(Experiment(experiment, read_index(experiment)), Store.default())
    except Usage as error:
        name = visible(experiment.name, 60)
        raise Usage(
            f"what {name} was asked is not known any more", hint="add `--checkpoint CKPT`", phase="verify"
        ) from error
    return replace(
        found,
        source=wanted.source or found.source,
        box=wanted.box if wanted.box != "auto" else found.box,
        allow=wanted.allow or found.allow,
    )


def _agree(prepared: Prepared, ask: consent.Ask | None) -> None:
    """Go on where nothing has to be installed, or where the user says yes."""
    nothing = prepared.plan.environment_exists or (prepared.packages == "current" and not prepared.missing)
    if prepared.options.yes or nothing:
        return
    if ask is None:
        raise consent.needed(prepared.missing, "run again with `--yes`")
    offered = [c for c in consent.choices(prepared.plan, managers=(), has_engine=False) if c.answer in ("run", "quit")]
    if ask(prepared.plan, offered) != "run":
        raise ConsentNeeded("you said no; nothing was changed", phase="consent")


def verified(experiment: Experiment, prepared: Prepared, adapter: Path, store: Store, progress: Progress) -> Answer:
    """Verify one adapter in the box; a known package that is missing is added within the same consent."""
    prepared = replace(prepared, options=replace(prepared.options, adapter=adapter.absolute()))
    for _ in range(execute.MOST_TRIES):
        with execute.open_box(prepared, store, progress, experiment) as box:
            outcome, job_dir = _run(box, prepared, experiment, progress)
        found, error = judged(outcome, prepared, job_dir)
        better = execute.mended(prepared, outcome) if isinstance(error, RunFailed) else None
        if error is None or better is None:
            return found, error
        progress.note(f"{error.what}; trying again, {better[0]}")
        prepared = execute.resolved(replace(prepared, dependencies=better[1]), store, progress)
    return found, error


def _run(box: Box, prepared: Prepared, experiment: Experiment, progress: Progress) -> tuple[RunOutcome, Path]:
    options, adapter = prepared.options, prepared.options.adapter
    assert adapter is not None
    progress.begin("verify", adapter.name)
    request = RunRequest(
        job="verify",
        runtime=prepared.dependencies.runtime,
        checkpoint=box.path(prepared.path.resolve()),
        device=prepared.device.name,
        seed=options.seed,
        threads=options.threads,
        options={**prepared.dependencies.options, "adapter": box.path(adapter.resolve())},
        sys_path=[box.path(Path(prepared.source.root).resolve())] if prepared.source.root else [],
    )
    job_dir = experiment.outputs / "jobs" / f"verify-{time.monotonic_ns()}"
    job_dir.mkdir(parents=True)
    outcome = box.run(request, job_dir, timeout_s=options.timeout_s)
    progress.end("verify", "", outcome.wall_s)
    return outcome, job_dir


def judged(outcome: RunOutcome, prepared: Prepared, job_dir: Path) -> Answer:
    """Return the stages of an outcome, and the error of the one that failed."""
    error = boxes.error_of(outcome, limits_of(prepared), prepared.options.timeout_s)
    said = outcome.result.findings.get("verify") if outcome.result is not None else None
    told = said.get("stages") if isinstance(said, dict) else None
    stages = tuple(_stages(told if isinstance(told, list) else []))
    failed: StageName | None = None
    if error is not None:
        failed = next((stage.name for stage in stages if stage.status == "failed"), None) or _reached(job_dir)
        error.phase = failed
        error.details = {**error.details, "stage": failed}
        if isinstance(error, AdapterNeeded):
            error.hint = "fill the hole in the adapter, then verify again"
    adapter = prepared.options.adapter
    name, code = adapter.name if adapter else "", error.code if error else 0
    return Verification(adapter=name, passed=error is None, failed_stage=failed, stages=stages, exit_code=code), error


def _stages(entries: list[Any]) -> Iterator[VerifiedStage]:
    for entry in entries:
        if isinstance(entry, Mapping) and entry.get("name") in _STAGES:
            status = entry.get("status") if entry.get("status") in ("ok", "failed") else "skipped"
            detail = visible(str(entry.get("detail", "")), 600)
            yield VerifiedStage(entry["name"], status, round(float(entry.get("seconds") or 0.0), 3), detail)  # type: ignore[arg-type]


def _reached(job_dir: Path) -> StageName:
    """Return the stage that a box was in which left no result, by the events that name one."""
    entered = results.entered(job_dir / EVENTS)
    return next((name for name in reversed(_STAGES) if name in entered), "import")
