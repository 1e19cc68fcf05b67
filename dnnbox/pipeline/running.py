"""The whole experiment: plan, one consent, box, jobs, figures, reports; and what is left when it stops half-way."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from dnnbox import __version__, boxes, consent
from dnnbox.errors import SIGNAL_CODES, ConsentNeeded, DnnboxError, TargetMissed
from dnnbox.events import Progress, Silent
from dnnbox.experiment import Experiment, default_root
from dnnbox.pipeline import conclude
from dnnbox.pipeline.execute import Execution, execute
from dnnbox.pipeline.prepare import CONTAINERS, Prepared, prepare
from dnnbox.records.experiment import Decision, ExperimentIndex
from dnnbox.records.options import RunOptions
from dnnbox.store import Store


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
    prepared, decision = _agree(options, ask, progress, store)
    experiment = Experiment.create(
        options.out or default_root(options.workspace, prepared.path.name),
        _index(prepared),
    )
    try:
        error = _guarded(experiment, prepared, decision, store, progress)
        return Finished(experiment.root, experiment.index, error, time.monotonic() - start, prepared.plan.title)
    finally:
        experiment.close()


def _agree(options: RunOptions, ask: consent.Ask | None, progress: Progress, store: Store) -> tuple[Prepared, Decision]:
    can_go_on = options.yes or ask is not None
    # Where nobody can say yes, the list of what is missing is the whole answer: nothing is resolved or announced.
    prepared = prepare(options, progress if can_go_on else Silent(), resolve=can_go_on, store=store)
    if options.yes:
        return prepared, consent.decided(options, "run", "flag", (), prepared.plan)
    if not prepared.missing and prepared.box == "current":
        return prepared, consent.decided(options, "current", "default", (), prepared.plan)
    if ask is None:
        raise consent.needed(prepared.missing, "read `dnnbox plan`, then run again with `--yes`")
    while True:
        offered = consent.choices(
            prepared.plan,
            has_current=bool(prepared.workspace.current_python),
            has_engine=any(boxes.engine_answers(engine) for engine in CONTAINERS),
        )
        answer = ask(prepared.plan, offered)
        if answer == "run":
            return prepared, consent.decided(prepared.options, prepared.box, "prompt", offered, prepared.plan)
        if answer == "quit":
            raise ConsentNeeded("you said no; nothing was changed", phase="consent")
        box = "auto" if answer == "container" else answer
        prepared = prepare(replace(options, box=box, deps="ask"), progress, store=store)


def _index(prepared: Prepared) -> ExperimentIndex:
    inspection, plan = prepared.inspection, prepared.plan
    return ExperimentIndex(
        checkpoint=prepared.path.name,
        dnnbox_version=__version__,
        box=plan.box,
        device=plan.device,
        command=prepared.options.command,
        provenance=prepared.options.provenance,
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
    try:
        conclude.save_findings(experiment, prepared, decision)
        execute(experiment, prepared, store, progress, execution)
        error = None
    except DnnboxError as failure:
        error = failure
    except KeyboardInterrupt:
        _finish(experiment, prepared, execution, None, progress, interrupted=True)
        raise
    except BaseException:
        experiment.finish("failed", 70, {"name": "INTERNAL", "code": 70})
        raise
    return _finish(experiment, prepared, execution, error, progress)


def _finish(
    experiment: Experiment,
    prepared: Prepared,
    execution: Execution,
    error: DnnboxError | None,
    progress: Progress,
    *,
    interrupted: bool = False,
) -> DnnboxError | None:
    """Turn what there is into figures and reports, and write the status. A missed target is an error too."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) if interrupted else None
    try:
        failed = error is not None or interrupted
        verdict = conclude.collect(experiment, prepared, execution, failed=failed)
        missed = [t.expression for t in verdict.targets if t.required and t.status == "missed"]
        if error is None and not interrupted and missed:
            error = TargetMissed(f"required target missed: {', '.join(missed)}", phase="targets")
        code = SIGNAL_CODES["SIGINT"] if interrupted else error.code if error else 0
        status = "success" if not failed else "partial" if execution.verified else "failed"
        record = {"code": 130, "name": "INTERRUPTED", "message": "stopped by Ctrl-C"} if interrupted else None
        experiment.finish(status, code, error.as_json() if error else record)  # type: ignore[arg-type]
        conclude.report(experiment, prepared, execution, progress)
        experiment.save_index()
    finally:
        if previous is not None:
            signal.signal(signal.SIGINT, previous)
    return error
