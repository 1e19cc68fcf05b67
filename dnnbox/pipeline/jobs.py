"""The jobs of one experiment, in order, in one box. The output gate comes before any timing."""

from __future__ import annotations

import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from dnnbox import boxes, paces, reports, results
from dnnbox.boxes.base import Box
from dnnbox.errors import BadOutput, DnnboxError, OutOfMemory, RunFailed, TimedOut, Unsupported, VramOutOfMemory
from dnnbox.events import Progress
from dnnbox.experiment import Experiment
from dnnbox.harness.protocol import ARTIFACTS, InputFile, RunRequest
from dnnbox.pipeline import finished, further, planning, watching
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.environment import Attempt, Limits, Lock
from dnnbox.records.evaluation import Agreement
from dnnbox.records.plan import InputChoice
from dnnbox.records.run import RunOutcome
from dnnbox.store import Store

TRACE = "logs/profile-trace.json"


@dataclass
class Execution:
    """What has happened so far; the one mutable thing, so that an interrupt finds it whole.

    ``verified``: the output gate has passed. ``lock`` may differ from the plan's after a fallback.
    """

    outcomes: list[RunOutcome] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    files: list[tuple[InputChoice, Path]] = field(default_factory=list)
    lock: Lock | None = None
    sandbox: str = ""
    verified: bool = False
    request: RunRequest | None = None
    profile_reason: str = ""  # why there is no profile
    trace: str = ""  # where the profiler's trace lies in the experiment
    reasons: dict[str, str] = field(default_factory=dict)  # why a further job gave nothing, by its name
    agreement: Agreement | None = None
    further: dict[str, RunRequest] = field(default_factory=dict)  # the jobs beyond measuring, as they were asked

    @property
    def first(self) -> RunOutcome | None:
        """The outcome of the infer job, or None: of several attempts that of the one that worked."""
        tried = [outcome for outcome in self.outcomes if outcome.job == "infer"]
        worked = (outcome for outcome in tried if outcome.result is not None and outcome.result.error is None)
        return next(worked, tried[-1] if tried else None)


def limits_of(prepared: Prepared) -> Limits:
    """Return what the box may use: the user's limits, else most of this machine."""
    options = prepared.options
    return Limits(
        memory_bytes=options.memory_bytes or boxes.default_memory_bytes(),
        shm_bytes=options.shm_bytes or (1 << 30),
        cpus=options.cpus,
        allow_weaker=options.allow_weaker,
    )


@contextmanager
def _beside(action: Callable[[], None]) -> Iterator[None]:
    """Run ``action`` in a thread while the block waits for a process; whatever it raises will be raised in its turn."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


class Jobs:
    """Runs the jobs of one experiment in one box, within one time budget."""

    def __init__(
        self, experiment: Experiment, prepared: Prepared, box: Box, progress: Progress, execution: Execution
    ) -> None:
        self.experiment, self.prepared, self.box = experiment, prepared, box
        self.progress, self.execution = progress, execution
        self.deadline = time.monotonic() + prepared.options.timeout_s
        self.plan = planning.QUICK if prepared.options.quick else planning.FULL

    def run(self) -> None:
        """infer (the gate) → cold → measure per batch, variant and token → memory → profile."""
        request = self._request()
        self.execution.request = request
        # Nothing is timed while the gate is passed: the one job beside which the host may work.
        with self.experiment.stage("infer"), _beside(reports.preload):
            first = self._job("infer", request, settle=self._verified)
            further.hold_against_stated(self, first)
            self.execution.verified = True
        request = self._waiting(_without_guessing(request, first), first)
        cold, warm = planning.process_counts(self.prepared.options)
        with self.experiment.stage("cold"):
            for number in range(cold):
                self._job("cold", request, f"{number + 1} of {cold}")
        with self.experiment.stage("measure"):
            for number in range(warm):
                self._job("measure", request, f"process {number + 1} of {warm}")
            for batch in self.prepared.options.batches[1:]:
                self._batch(replace(request, batch_size=batch))
            for variant in self.prepared.options.variants:
                self._variant(replace(request, variant=variant))
            if _generates(first):
                self._generate(request, warm)
        with self.experiment.stage("memory"):
            self._job("memory", further.with_contract(self, request))
        self._profile(request)
        further.run(self, request)

    def _waiting(self, request: RunRequest, first: RunOutcome) -> RunRequest:
        """Return the request with what measuring may lose to waiting for the machine's usual pace, as it is known."""
        seconds = self.prepared.options.wait_quiet_s
        if not seconds or first.result is None:
            return request
        python = "cpython " + ".".join(first.result.python.split(".")[:2])
        usual_us = paces.known(Store.default().root, paces.key_of(first.result.machine, python))
        return replace(request, plan=replace(request.plan, quiet_seconds=seconds, usual_pace_ns=round(1e3 * usual_us)))

    def further(self, job: str, request: RunRequest, text: str = "") -> RunOutcome:
        """Run one job that the user asked for beyond the measuring; see :mod:`dnnbox.pipeline.further`."""
        self.execution.further[job] = replace(request, job=job)
        return self._job(job, request, text)

    def _batch(self, request: RunRequest) -> None:
        """Measure one more batch; one that the model or the memory refuses is a finding, not the end of the run."""
        start = time.monotonic()
        try:
            self._job("measure", request, f"batch {request.batch_size}")
        except (Unsupported, RunFailed, OutOfMemory, VramOutOfMemory) as error:
            self.progress.end("measure", f"batch {request.batch_size} refused", time.monotonic() - start)
            self.progress.note(f"batch {request.batch_size}: {error.what}")

    def _variant(self, request: RunRequest) -> None:
        """Measure one variant; one that is not to be had here, or whose output differs, is a finding."""
        start = time.monotonic()
        try:
            self._job("measure", request, f"variant {request.variant}")
        except (Unsupported, RunFailed, BadOutput, OutOfMemory, VramOutOfMemory) as error:
            self.progress.end("measure", f"variant {request.variant} refused", time.monotonic() - start)
            self.progress.note(f"variant {request.variant}: {error.what}")

    def _generate(self, request: RunRequest, processes: int) -> None:
        """Time token after token; a model that cannot be driven so is a finding."""
        start = time.monotonic()
        try:
            for number in range(processes):
                self._job("generate", request, f"token by token, process {number + 1} of {processes}")
        except (Unsupported, RunFailed, BadOutput, OutOfMemory, VramOutOfMemory) as error:
            self.progress.end("generate", "not timed token by token", time.monotonic() - start)
            self.progress.note(f"token by token: {error.what}")

    def _profile(self, request: RunRequest) -> None:
        """Profile where that is wanted. All figures are there by now, so a profile that fails is only noted."""
        options, execution = self.prepared.options, self.execution
        if not options.wants_profile:
            execution.profile_reason = "not taken with `--quick`" if options.profile is None else "not wanted"
            self.experiment.skip("profile", execution.profile_reason)
            return
        start = time.monotonic()
        try:
            outcome = self._job("profile", request, settle=self._with_trace)
        except DnnboxError as error:
            execution.profile_reason = f"{error.name}: {error.what}"[:300]
            self.progress.end("profile", "not made", time.monotonic() - start)
            self.progress.note(f"no profile: {error.what}")
            self.experiment.skip("profile", execution.profile_reason)
            return
        execution.trace = outcome.settings.get("trace", "")
        self.experiment.note_stages({"profile": time.monotonic() - start})

    def _with_trace(self, outcome: RunOutcome) -> RunOutcome:
        """Move the trace to logs/, without what names paths of this machine."""
        files = dict(outcome.files)
        trace = files.pop(f"{ARTIFACTS}/trace.json", None)
        if trace is None:
            return outcome
        problem = results.keep_trace(Path(trace), self.experiment.root / TRACE)
        Path(trace).unlink(missing_ok=True)
        return replace(outcome, files=files, settings={**outcome.settings, "trace": "" if problem else TRACE})

    def _verified(self, outcome: RunOutcome) -> RunOutcome:
        """Pass the output gate, and move what the verified inference kept."""
        _require_checks(outcome)
        return _settled(outcome, self.experiment)

    def _request(self) -> RunRequest:
        prepared, options, box = self.prepared, self.prepared.options, self.box
        runtime_options = dict(prepared.dependencies.options)
        if options.adapter:
            runtime_options["adapter"] = box.path(options.adapter.resolve())
        return RunRequest(
            job="infer",
            runtime=prepared.dependencies.runtime,
            checkpoint=box.path(prepared.path.resolve()),
            device=prepared.device.name,
            precision="fp32" if options.precision == "auto" else options.precision,
            batch_size=options.batches[0],
            seed=options.seed,
            threads=options.threads,
            options=runtime_options,
            inputs=[
                InputFile(box.path(path.resolve()), choice.kind, choice.name) for choice, path in self.execution.files
            ],
            sys_path=[box.path(Path(prepared.source.root).resolve())] if prepared.source.root else [],
            plan=self.plan,
        )

    def _job(
        self,
        job: str,
        request: RunRequest,
        text: str = "",
        settle: Callable[[RunOutcome], RunOutcome] = lambda outcome: outcome,
    ) -> RunOutcome:
        """Run one job, or take it from the run before; its outcome is kept even when it is an error.

        ``settle`` puts the files of a job that went well in their places; then it counts as finished.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._timed_out(job)
        self.progress.begin(job, text)
        number = len(self.execution.outcomes) + 1
        job_dir = self.experiment.outputs / "jobs" / f"{number:02d}-{job}"
        root, asked = self.experiment.root, finished.question(replace(request, job=job), self._inside())
        if (before := finished.kept(job_dir, root, asked)) is not None:
            self.execution.outcomes.append(before)
            self.progress.end(job, f"{text}, kept" if text else "kept from the run before", 0.0)
            return before
        finished.fresh(job_dir)
        run = partial(self.box.run, job_dir=job_dir, timeout_s=left)
        outcome = watching.watched(run, replace(request, job=job), self._places())
        outcome = results.compressed(replace(outcome, settings={**outcome.settings, **_noted(request)}))
        self.execution.outcomes.append(outcome)
        self._keep_logs(job_dir)
        error = boxes.error_of(outcome, limits_of(self.prepared), self.prepared.options.timeout_s)
        if error is not None:
            error.phase = job
            raise error
        outcome = self.execution.outcomes[-1] = settle(outcome)
        finished.keep(outcome, job_dir, root, asked)
        self.progress.end(job, text or _outcome_text(outcome), outcome.wall_s)
        return outcome

    def _places(self) -> watching.Places:
        """Return what is watched around a job."""
        prepared, first = self.prepared, self.execution.first
        files = [] if prepared.options.endpoint else [prepared.path]
        files += [path for name in prepared.inspection.companions if (path := prepared.path.parent / name).exists()]
        effective = first.result.effective if first is not None and first.result is not None else {}
        return watching.Places(
            files,
            self.box.environment,
            prepared.device.name,
            str(effective.get("device_uuid") or ""),
            prepared.options.drop_cache,
        )

    def _inside(self) -> str:
        """Return what the jobs run in: figures of two machines or two environments are not one experiment's."""
        prepared, lock = self.prepared, self.execution.lock
        return f"{platform.node()} {prepared.box} {prepared.image} {lock.sha256 if lock else ''}"

    def _keep_logs(self, job_dir: Path) -> None:
        """Move what the model printed to logs/, where a reader looks for it."""
        for name in ("stdout.txt", "stderr.txt"):
            if (job_dir / name).is_file():
                shutil.move(job_dir / name, self.experiment.logs / f"{job_dir.name}.{name}")

    def _timed_out(self, job: str) -> TimedOut:
        seconds = self.prepared.options.timeout_s
        return TimedOut(f"{job}: the time limit of {seconds:g} s is used up", hint="raise `--timeout`", phase=job)


def _generates(first: RunOutcome) -> bool:
    """Say whether the verified inference found that the model continues a text."""
    return first.result is not None and first.result.findings.get("generates") == ""


def _noted(request: RunRequest) -> Mapping[str, Any]:
    """Return the host's own note of what a job was: the box's word for it is not needed."""
    return {"batch_size": request.batch_size, **({"variant": request.variant} if request.variant else {})}


def _require_checks(outcome: RunOutcome) -> None:
    """The output gate: a failed check means that nothing is timed."""
    assert outcome.result is not None
    bad: Sequence[str] = [f"{c.name}: {c.detail}" for c in outcome.result.checks if not c.passed]
    if bad:
        raise BadOutput(
            f"the output gate failed: {'; '.join(bad)}"[:240],
            hint="nothing was timed; try real input (`--input`)",
            phase="infer",
        )


def _without_guessing(request: RunRequest, first: RunOutcome) -> RunRequest:
    """Hand the shapes that the first job found by trying to the later jobs, so that they do not try again.

    Token ids are left to the runtime: it reads from the model how many there are.
    """
    assert first.result is not None
    found = first.result.inputs
    if request.inputs or request.runtime not in ("torchscript", "torch_module"):
        return request
    if not found or any(record.status != "assumed" or not record.dtype.startswith("float") for record in found):
        return request
    known = [{"name": r.name, "shape": r.shape, "dtype": r.dtype, "status": "observed"} for r in found]
    return replace(request, options={**request.options, "inputs": known})


def _settled(outcome: RunOutcome, experiment: Experiment) -> RunOutcome:
    """Move what the verified inference kept to where a reader looks: inputs/, outputs/arrays, outputs/artifacts."""
    assert outcome.result is not None
    roles = {array.path: array.role for array in outcome.result.arrays}
    places = {"input": experiment.inputs, "output": experiment.outputs / "arrays"}
    files = dict(outcome.files)
    for relative, host in outcome.files.items():
        name = Path(relative).name
        if folder := places.get(roles.get(relative, "")):
            target = folder / name
        elif relative.startswith(f"{ARTIFACTS}/"):
            target = experiment.outputs / relative
        else:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        files[relative] = str(shutil.move(host, target))
    return replace(outcome, files=files)


def _outcome_text(outcome: RunOutcome) -> str:
    result = outcome.result
    if result is None:
        return ""
    stages: Mapping[str, int] = result.stages_ns
    parts = [f"{name} {stages[name] / 1e9:.2f}" for name in ("import", "load", "first") if name in stages]
    return f"{' · '.join(parts)} s" if parts else ""
