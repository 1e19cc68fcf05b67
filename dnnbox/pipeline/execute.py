"""Consent given: make the environment, open the box, run the jobs in order. The output gate comes before any timing."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from dnnbox import boxes, dependencies, environments, inputs, sources
from dnnbox.boxes.base import Box
from dnnbox.errors import AdapterNeeded, DnnboxError, EnvFailed, InputLimit, RunFailed
from dnnbox.events import Progress
from dnnbox.experiment import Experiment
from dnnbox.files import host_errors, write_atomic
from dnnbox.pipeline import matching, planning, reference
from dnnbox.pipeline.jobs import Execution, Jobs, limits_of
from dnnbox.pipeline.prepare import CONTAINERS, Prepared, conda_part
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.environment import Attempt, Mount
from dnnbox.records.run import RunOutcome
from dnnbox.store import Store
from dnnbox.text import redact

ENVIRONMENT_LOG = "environment.log"
MOST_TRIES = 5  # of mending
MOST_SEARCHES = 2  # that are done again; each may take minutes
_HOST_FOLDERS = re.compile(r"(?<![\w:/.…])/(?:[^\s/\"'=]+/)+")
"""The folders of an absolute path; a URL's path comes behind a colon or another slash."""


def with_source(experiment: Experiment, prepared: Prepared) -> Prepared:
    """Bring the source code into refs/, so that the box sees no more than that and the experiment can be moved."""
    source, refs = prepared.source, experiment.root / "refs"
    if not source.root or Path(source.root).is_relative_to(refs):
        return prepared
    if source.origin == "git":
        checkout = _checkout(Path(source.root))
        target = refs / checkout.name
        shutil.move(checkout, target)
        moved = target / Path(source.root).relative_to(checkout)
        return replace(prepared, source=replace(source, root=str(moved)))
    try:
        return replace(prepared, source=sources.snapshot(source, refs))
    except InputLimit:
        return prepared  # too much to copy: the box sees the place itself, read-only


def with_adapter(experiment: Experiment, prepared: Prepared) -> Prepared:
    """Write the adapter of a known family into scripts/, where a person can read and change it."""
    recipe = prepared.source.recipe
    if recipe is None or prepared.options.adapter is not None:
        return prepared
    path = experiment.root / "scripts" / "adapter.py"
    write_atomic(path, sources.adapter_text(recipe))
    return replace(prepared, options=replace(prepared.options, adapter=path))


def with_match(experiment: Experiment, prepared: Prepared, store: Store, progress: Progress) -> Prepared:
    """Find out in the box which class of the source the weights belong to, where nothing else said so.

    Where nothing fits and a library broke in a known way, the search is done again with the version before that.

    Raises:
        AdapterNeeded: that cannot be decided; scripts/adapter.py holds what was found.
    """
    if not matching.is_wanted(prepared):
        return prepared
    for _ in range(MOST_SEARCHES):
        try:
            return _matched(experiment, prepared, store, progress)
        except AdapterNeeded as error:
            said = "\n".join(error.details.get("errors", ()))
            found = dependencies.mend(prepared.dependencies, said, "", "") if prepared.packages == "new" else None
            if found is None:
                raise
            progress.note(f"{error.what}; searching again, {found[0]}")
            prepared = resolved(replace(prepared, dependencies=found[1]), store, progress)
    return _matched(experiment, prepared, store, progress)


def _matched(experiment: Experiment, prepared: Prepared, store: Store, progress: Progress) -> Prepared:
    with _transcript(experiment):
        return matching.matched(experiment, prepared, lambda: open_box(prepared, store, progress, experiment), progress)


def _checkout(path: Path) -> Path:
    """Return the repository's root, which an import root may lie in."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), path)


def execute(experiment: Experiment, prepared: Prepared, store: Store, progress: Progress, execution: Execution) -> None:
    """Run the experiment's stages up to the last measurement; raises the DnnboxError of the first that fails."""
    execution.lock = prepared.lock
    with experiment.stage("inputs"):
        execution.files.extend(inputs.materialise(prepared.inputs, experiment.inputs))
    try:
        prepared = _mending(experiment, prepared, store, progress, execution)
    except RunFailed as error:
        if not prepared.dependencies.fallback or execution.verified:
            raise
        progress.note(f"the latest versions fail ({error.what}); trying the versions that the source documents")
        try:
            pinned = _pinned(prepared, store, progress, execution)
        except DnnboxError as unresolved:
            if not isinstance(unresolved, EnvFailed):  # those are noted, one for each Python
                execution.attempts.append(Attempt("pins", False, unresolved.what))
            raise error from unresolved
        what = "pins" if pinned.spec.python == prepared.spec.python else f"pins, Python {pinned.spec.python}"
        _attempt(experiment, pinned, store, progress, execution, what)
    if prepared.asked.reference is not None:
        other = prepared.asked.reference
        reference.run(experiment, other, execution, progress, lambda: open_box(other, store, progress, experiment))


def _mending(
    experiment: Experiment, prepared: Prepared, store: Store, progress: Progress, execution: Execution
) -> Prepared:
    """Try the latest versions; a missing package that is known, or a known break, is mended within the same consent."""
    for _ in range(MOST_TRIES):
        try:
            _attempt(experiment, prepared, store, progress, execution, "latest")
            return prepared
        except RunFailed as error:
            last = execution.outcomes[-1] if execution.outcomes else None
            found = None if execution.verified else mended(prepared, last)
            if found is None:
                raise
            progress.note(f"{error.what}; trying again, {found[0]}")
            prepared = resolved(replace(prepared, dependencies=found[1]), store, progress)
    _attempt(experiment, prepared, store, progress, execution, "latest")
    return prepared


def mended(prepared: Prepared, outcome: RunOutcome | None) -> tuple[str, Dependencies] | None:
    """Return what is different and the dependencies of another try after this outcome; None where nothing may help.

    Only where the environment is dnnbox's own: the user's is changed once, as was agreed.
    """
    failed = outcome.result.error if outcome is not None and outcome.result is not None else None
    if failed is None or prepared.packages != "new":
        return None
    missing = failed.detail if failed.kind == "missing_module" else ""
    text = f"{failed.detail}\n{failed.traceback}"
    return dependencies.mend(prepared.dependencies, text, missing, prepared.source.root)


def _pinned(prepared: Prepared, store: Store, progress: Progress, execution: Execution) -> Prepared:
    """Return the same run with upstream's documented versions, resolved within the same consent.

    Versions of long ago may have no wheels for today's Python: where the environment is a new one on this machine, the
    older Pythons that are installed are tried in turn.
    """
    pins = {requirement.name: requirement for requirement in prepared.dependencies.fallback}
    requirements = tuple(pins.get(r.name, r) for r in prepared.dependencies.requirements)
    derived = replace(prepared.dependencies, requirements=requirements, fallback=())
    pinned, first = replace(prepared, dependencies=derived), prepared.spec.python
    brought = prepared.box == "pixi" and prepared.packages == "new"  # by a conda channel, whatever is installed here
    older = environments.older_pythons(first, is_installed=not brought) if prepared.box == "venv" or brought else ()
    failure: EnvFailed | None = None
    for python in (first, *older):
        try:
            return resolved(replace(pinned, spec=replace(pinned.spec, python=python)), store, progress)
        except EnvFailed as error:
            failure = failure or error
            execution.attempts.append(Attempt(f"pins, Python {python}", False, error.what))
    assert failure is not None
    raise failure


def resolved(prepared: Prepared, store: Store, progress: Progress) -> Prepared:
    """Return the run with the environment that its dependencies ask for now."""
    spec = environments.plan(
        prepared.dependencies,
        prepared.workspace,
        box=prepared.box,
        device=prepared.device.accelerator,
        python=prepared.spec.python,
    )
    spec = replace(spec, base_image=prepared.spec.base_image)
    lock = environments.resolve(spec, store, offline=prepared.options.offline, progress=progress)
    conda = prepared.conda and conda_part(spec, prepared.workspace, store, prepared.options)
    return replace(prepared, spec=spec, lock=lock, conda=conda)


def _attempt(
    experiment: Experiment, prepared: Prepared, store: Store, progress: Progress, execution: Execution, what: str
) -> None:
    """Make the environment and run every job in it, noting how the try ended."""
    start = time.monotonic()
    execution.lock = prepared.lock
    try:
        with experiment.stage("environment"), _transcript(experiment):
            progress.begin("environment")
            box = open_box(prepared, store, progress, experiment)
        progress.end("environment", _environment_text(prepared), time.monotonic() - start)
        with box as opened:
            execution.sandbox = opened.sandbox
            Jobs(experiment, prepared, opened, progress, execution).run()
    except DnnboxError as error:
        progress.fail(error.phase or "environment", error.name)
        execution.attempts.append(Attempt(what, False, error.what, round(time.monotonic() - start, 3)))
        raise
    execution.attempts.append(Attempt(what, True, "", round(time.monotonic() - start, 3)))


@contextmanager
def _transcript(experiment: Experiment) -> Iterator[None]:
    """Cut the paths in the transcript of the environment's making to their names, however that ended."""
    try:
        yield
    finally:
        log = experiment.logs / ENVIRONMENT_LOG
        if log.is_file():
            text = log.read_text(encoding="utf-8", errors="replace")
            write_atomic(log, _HOST_FOLDERS.sub("…/", redact(text)), durable=False)


def _environment_text(prepared: Prepared) -> str:
    name = {"docker": "container", "podman": "container"}.get(prepared.box, prepared.box)
    lock = f", lock {prepared.lock.sha256[:6]}" if prepared.lock else ""
    network = "" if planning.sandbox_of(prepared).startswith("none") else " without network"
    return f"{name}{network}, Python {prepared.spec.python}{lock}"


def open_box(
    prepared: Prepared, store: Store, progress: Progress, experiment: Experiment
) -> AbstractContextManager[Box]:
    """Return the box of a prepared run, its environment made; the transcript lies in the experiment's logs."""
    options, limits = prepared.options, limits_of(prepared)
    mounts, log = _mounts(prepared, experiment), experiment.logs / ENVIRONMENT_LOG
    if prepared.box in CONTAINERS:
        assert prepared.lock is not None
        interpreter = boxes.make_container_env(
            prepared.box,
            prepared.image,
            prepared.spec,
            prepared.lock,
            store,
            offline=options.offline,
            progress=progress,
            log=log,
            allow_weaker=options.allow_weaker,
        )
        return boxes.open_container(
            prepared.box, prepared.image, interpreter, mounts, limits, device=prepared.device.name, gpus=options.gpus,
            runtime=options.oci_runtime,
            store=store,
        )  # fmt: skip
    python = _python(prepared, store, progress, experiment, log)
    device = prepared.device.name
    return boxes.open_venv(python, mounts, limits, device=device, gpus=options.gpus, sandbox="auto", kind=prepared.box)


def _python(prepared: Prepared, store: Store, progress: Progress, experiment: Experiment, log: Path) -> Path:
    """Return the interpreter of an environment on this machine, made or completed where it has to be."""
    if prepared.packages == "current":
        return _current_python(prepared, experiment, log)
    if prepared.packages == "feature":
        return _feature_python(prepared, experiment, log)
    assert prepared.lock is not None
    offline = prepared.options.offline
    if prepared.conda is None:
        return environments.realise(prepared.spec, prepared.lock, store, offline=offline, progress=progress, log=log)
    from dnnbox.environments import prefixes

    python = prefixes.realise_prefix(
        prepared.spec, prepared.lock, prepared.conda, prepared.workspace, store,
        offline=offline, progress=progress, log=log,
    )  # fmt: skip
    # The manifest of an environment that is nobody's project lies in the experiment, for pixi to take from there.
    with host_errors(experiment.outputs):
        (experiment.outputs / "pixi").mkdir(exist_ok=True)
    for file in (python.parent.parent / prefixes.MANIFEST).iterdir():
        write_atomic(experiment.outputs / "pixi" / file.name, file.read_bytes(), durable=False)
    return python


def _current_python(prepared: Prepared, experiment: Experiment, log: Path) -> Path:
    workspace, offline = prepared.workspace, prepared.options.offline
    if prepared.missing:
        environments.install_current(
            workspace, prepared.dependencies, prepared.spec, experiment.outputs, offline=offline, log=log
        )
    if workspace.current_python:
        return Path(workspace.current_python)
    from dnnbox.environments import pixi  # a project that nobody had installed before

    return pixi.python_of(workspace)


def _feature_python(prepared: Prepared, experiment: Experiment, log: Path) -> Path:
    from dnnbox.environments import pixi

    name = pixi.feature_name(prepared.path.stem)
    if pixi.has_feature(prepared.workspace, name, prepared.spec):
        return pixi.python_of(prepared.workspace, name)
    offline = prepared.options.offline
    return pixi.add_feature(prepared.workspace, name, prepared.spec, experiment.outputs, offline=offline, log=log)


def _mounts(prepared: Prepared, experiment: Experiment) -> tuple[Mount, ...]:
    """Return what the box sees besides itself: checkpoint, companions, source, adapter, inputs; all read-only."""
    path = prepared.path.resolve()
    mounts = [Mount(str(path), f"/dnnbox/checkpoint/{path.name}")]
    mounts += [Mount(str(path.parent / name), f"/dnnbox/checkpoint/{name}") for name in prepared.inspection.companions]
    mounts.append(Mount(str(experiment.inputs.resolve()), "/dnnbox/inputs"))
    if prepared.source.root:
        mounts.append(Mount(str(Path(prepared.source.root).resolve()), "/dnnbox/source"))
    if prepared.options.adapter:
        adapter = prepared.options.adapter.resolve()
        mounts.append(Mount(str(adapter), f"/dnnbox/adapter/{adapter.name}"))
    mounts += prepared.asked.mounts()
    return tuple(mounts)


__all__ = ["MOST_TRIES", "Execution", "execute", "limits_of", "mended", "open_box", "resolved"]
