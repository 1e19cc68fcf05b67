"""The whole experiment: plan, one consent, box, jobs, figures, reports; and what is left when it stops half-way."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnnbox import __version__, boxes, consent, environments
from dnnbox.errors import (
    SIGNAL_CODES,
    AdapterNeeded,
    Busy,
    ConsentNeeded,
    DnnboxError,
    RunFailed,
    TargetMissed,
    Usage,
)
from dnnbox.events import Progress, Silent
from dnnbox.experiment import Experiment, default_root, new_id, refuse_taken
from dnnbox.files import host_error
from dnnbox.pipeline import conclude, fitting, matching, providing, resuming, serving, undecided, verifying
from dnnbox.pipeline.execute import Execution, execute, with_adapter, with_match, with_source
from dnnbox.pipeline.prepare import CONTAINERS, Prepared, prepare
from dnnbox.records.experiment import Decision, ExperimentIndex
from dnnbox.records.options import RunOptions
from dnnbox.scratch import scratch, sweep_scratch
from dnnbox.store import Store
from dnnbox.text import redact


@dataclass(frozen=True)
class Finished:
    """How a run ended. ``error`` is None where every stage is ok and no required target was missed."""

    experiment: Path
    index: ExperimentIndex
    error: DnnboxError | None
    seconds: float
    title: str = ""


def run(options: RunOptions, *, ask: consent.Ask | None, progress: Progress) -> Finished:
    """Run the whole experiment.

    ``ask`` shows the consent screen; None where nobody can be asked. Errors before the experiment folder exists are
    raised and leave nothing behind; later ones end in a Finished whose folder holds what was done.
    """
    start = time.monotonic()
    store = Store.default()
    if options.out is not None:
        refuse_taken(options.out)
    _sweep(store)
    with scratch() as refs:
        try:
            if options.endpoint:
                prepared = serving.prepared_endpoint(options, progress, store)
                decision = serving.decision_of(prepared)
            else:
                prepared, decision = _agree(options, ask, progress, store, refs)
        except AdapterNeeded as stop:
            if options.adapter is not None:
                raise
            return Finished(*undecided.leave_skeleton(options, stop), time.monotonic() - start)
        fitting.refuse(prepared.plan.fit)
        index = _index(prepared)
        if not options.endpoint:
            resuming.remember(index.id, prepared, store)  # before the experiment is there, so that each can be resumed
        experiment = _created(prepared, index)
        try:
            error = _guarded(experiment, prepared, decision, store, progress)
            return Finished(experiment.root, experiment.index, error, time.monotonic() - start, prepared.plan.title)
        finally:
            experiment.close()


def resume(root: Path, given: RunOptions | None, *, progress: Progress) -> Finished:
    """Go on with an experiment that was cut off or that failed; ``given`` None takes the options that it began with.

    One that is complete is left as it is. Raises what :func:`run` raises, and Busy where another dnnbox works on it.
    """
    start = time.monotonic()
    store = Store.default()
    experiment = Experiment.resume(root.absolute())
    try:
        if experiment.index.status == "success":
            error = resuming.complete(experiment)
            return Finished(root, experiment.index, error, time.monotonic() - start)
        _sweep(store)
        options = given or resuming.recall(experiment, store)
        with scratch() as refs, chdir(options.workspace):  # what was typed as a relative path still means the same
            prepared, decision = resuming.again(experiment, options, progress, store, refs)
            fitting.refuse(prepared.plan.fit)
            experiment.begin_again()
            error = _guarded(experiment, prepared, decision, store, progress)
        return Finished(root, experiment.index, error, time.monotonic() - start, prepared.plan.title)
    finally:
        experiment.close()


def _sweep(store: Store) -> None:
    """Remove what dnnboxes that were killed have left in the system's temporary places."""
    sweep_scratch(store.lock_dir, store.container_root / "envs")


def _agree(
    options: RunOptions, ask: consent.Ask | None, progress: Progress, store: Store, refs_dir: Path
) -> tuple[Prepared, Decision]:
    can_go_on = options.yes or ask is not None
    # Where nobody can say yes, the list of what is missing is the whole answer: nothing is resolved or announced.
    prepared = prepare(
        options,
        progress if can_go_on else Silent(),
        resolve=can_go_on,
        store=store,
        refs_dir=refs_dir if can_go_on or options.source else None,
    )
    if options.yes:
        return prepared, consent.decided(options, "run", "flag", (), prepared.plan)
    if not prepared.missing and prepared.packages == "current":
        return prepared, consent.decided(options, "current", "default", (), prepared.plan)
    if ask is None:
        raise consent.needed(prepared.missing, "read `dnnbox plan`, then run again with `--yes`")
    while True:
        offered = consent.choices(
            prepared.plan,
            managers=environments.detect(options.workspace).managers,
            has_engine=any(boxes.engine_answers(engine) for engine in CONTAINERS),
        )
        answer = ask(prepared.plan, offered)
        if answer == "run":
            return prepared, consent.decided(prepared.options, prepared.box, "prompt", offered, prepared.plan)
        if answer == "quit":
            raise ConsentNeeded("you said no; nothing was changed", phase="consent")
        meant: Any = providing.ANSWERS[answer]
        prepared = prepare(replace(options, **meant), progress, store=store, refs_dir=refs_dir)


def _place(prepared: Prepared) -> Path:
    """Return the folder that the plan named, or a new name where somebody else has taken it meanwhile."""
    options = prepared.options
    planned = options.workspace / prepared.plan.writes_to
    return options.out or (default_root(options.workspace, prepared.path.name) if planned.exists() else planned)


def _created(prepared: Prepared, index: ExperimentIndex) -> Experiment:
    """Make the experiment; a name that somebody else takes in the same second is left to them."""
    for _ in range(99 if prepared.options.out is None else 0):
        with suppress(Busy, Usage):
            return Experiment.create(_place(prepared), index)
    return Experiment.create(_place(prepared), index)


def _index(prepared: Prepared) -> ExperimentIndex:
    inspection, plan = prepared.inspection, prepared.plan
    return ExperimentIndex(
        id=new_id(),
        checkpoint=prepared.path.name,
        dnnbox_version=__version__,
        box=plan.box,
        device=plan.device,
        command=prepared.options.command,
        provenance={redact(name): redact(value) for name, value in prepared.options.provenance.items()},
        identities={
            "checkpoint": f"sha256:{inspection.sha256}" if inspection.sha256 else None,
            "lock": f"sha256:{plan.lock_sha256}" if plan.lock_sha256 else None,
            "parameters": None,
            "device_class": None,
        },
    )


def _guarded(
    experiment: Experiment, prepared: Prepared, decision: Decision, store: Store, progress: Progress
) -> DnnboxError | None:
    """Run what the user agreed to; whatever happens, leave a readable experiment."""
    execution = Execution()
    error: DnnboxError | None = None
    stop: KeyboardInterrupt | None = None
    try:
        prepared = with_adapter(experiment, with_source(experiment, prepared))
        conclude.begin(experiment, prepared, decision)
        found = _matched(experiment, prepared, store, progress)
        if found is not prepared:
            prepared = found
            conclude.save_findings(experiment, prepared)
        work = serving.execute_endpoint if prepared.options.endpoint else execute
        try:
            work(experiment, prepared, store, progress, execution)
        except RunFailed as failure:
            searched = None if execution.verified else matching.after_catalogue(prepared, failure)
            if searched is None:
                raise
            progress.note(f"{failure.what}; the catalogue is wrong about this one, so the source is searched")
            prepared = _matched(experiment, searched, store, progress)
            conclude.save_findings(experiment, prepared)
            work(experiment, prepared, store, progress, execution)
    except DnnboxError as failure:
        error = failure
    except KeyboardInterrupt as interrupt:
        stop = interrupt
    except BaseException as failure:
        error = host_error(failure) if isinstance(failure, OSError) else None
        if error is None:
            experiment.finish("failed", 70, {"code": 70, "name": "INTERNAL", "message": "a bug in dnnbox"})
            raise
    with _undisturbed(stop is not None):
        error = _finish(experiment, prepared, execution, error, stop, progress)
    if stop is not None:
        # Whoever catches it tells the user where the partial experiment lies.
        vars(stop).update(experiment=str(experiment.root), status=experiment.index.status)
        raise stop
    return error


def _matched(experiment: Experiment, prepared: Prepared, store: Store, progress: Progress) -> Prepared:
    """Return the run with an adapter; where the search finds none, the user's program may write it."""
    try:
        return with_match(experiment, prepared, store, progress)
    except AdapterNeeded as need:
        if not prepared.options.llm_command:
            raise
        progress.note(f"{need.what}; asking the program of `--llm-command`")
        return verifying.completed(experiment, prepared, need, store, progress)


@contextmanager
def _undisturbed(wanted: bool) -> Iterator[None]:
    """Ignore further Ctrl-C while the partial experiment is written: that takes about a second."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) if wanted else None
    try:
        yield
    finally:
        if wanted:
            signal.signal(signal.SIGINT, previous)


def _finish(
    experiment: Experiment,
    prepared: Prepared,
    execution: Execution,
    error: DnnboxError | None,
    stop: KeyboardInterrupt | None,
    progress: Progress,
) -> DnnboxError | None:
    """Turn what there is into figures and reports, and write the status. A missed target is an error too."""
    stopped = error is not None or stop is not None
    try:
        verdict = conclude.collect(experiment, prepared, execution, failed=stopped)
        missed = [t.expression for t in verdict.targets if t.required and t.status == "missed"]
        if not stopped and missed:
            error = TargetMissed(f"required target missed: {', '.join(missed)}", phase="targets")
        _write_status(experiment, execution, error, stop, stopped=stopped)
        conclude.report(experiment, prepared, execution, progress)
        if not stopped:
            resuming.forget(experiment.index.id, Store.default())
    except (DnnboxError, OSError) as failure:  # malformed samples, a full disk: the first error is the one that is told
        error = error or _told(failure)
        with suppress(DnnboxError, OSError):  # the disk may still be full: then the status stays "running"
            _write_status(experiment, execution, error, stop, stopped=True)
    return error


def _told(failure: DnnboxError | OSError) -> DnnboxError:
    told = host_error(failure) if isinstance(failure, OSError) else failure
    if told is None:
        raise failure
    return told


def _write_status(
    experiment: Experiment,
    execution: Execution,
    error: DnnboxError | None,
    stop: KeyboardInterrupt | None,
    *,
    stopped: bool,
) -> None:
    code = getattr(stop, "code", SIGNAL_CODES["SIGINT"]) if stop is not None else error.code if error else 0
    told = error.as_json() if error else None
    if stop is not None:
        told = {"code": code, "name": "INTERRUPTED", "message": "stopped by the user", "phase": "", "retryable": True}
    experiment.finish("success" if not stopped else "partial" if execution.verified else "failed", code, told)
