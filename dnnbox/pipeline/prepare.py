"""From the arguments to the plan: everything that can be known before anything is installed or run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dnnbox import boxes, catalog, dependencies, devices, environments, inputs, results, sources
from dnnbox.errors import ConsentNeeded, DnnboxError, UnsafeCheckpoint, Usage
from dnnbox.events import Progress
from dnnbox.pipeline import asked, fitting, planning
from dnnbox.pipeline.asked import Asked
from dnnbox.pipeline.inspecting import identified, local_path
from dnnbox.pipeline.providing import Home, choose_home, current_lacks
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import BoxKind, CondaSolution, EnvSpec, Lock, Packages, Workspace
from dnnbox.records.evidence import Evidence
from dnnbox.records.inspection import Inspection
from dnnbox.records.options import RunOptions
from dnnbox.records.plan import InputChoice, Plan
from dnnbox.records.source import Recipe, SourceTree
from dnnbox.store import Store
from dnnbox.text import visible

CONTAINERS = ("docker", "podman")
_PIPELINE = ("mean", "std", "size", "interpolation")


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before consent. ``lock`` is None where resolving was left out.

    ``packages`` says whose environment it is; ``conda`` is the part of a new pixi environment that channels provide.
    """

    options: RunOptions
    path: Path
    inspection: Inspection
    source: SourceTree
    dependencies: Dependencies
    workspace: Workspace
    box: BoxKind
    box_reason: str
    image: str
    device: devices.Device
    spec: EnvSpec
    lock: Lock | None
    inputs: tuple[InputChoice, ...]
    missing: tuple[Requirement, ...]
    plan: Plan
    seconds: dict[str, float]
    asked: Asked = field(default_factory=Asked)
    packages: Packages = "new"
    conda: CondaSolution | None = None


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note how long an arrow took, and give its name to an error that passes."""
    start = time.monotonic()
    try:
        yield
    except DnnboxError as error:
        error.phase = error.phase or name
        raise
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - start


def prepare(
    options: RunOptions,
    progress: Progress,
    *,
    resolve: bool = True,
    store: Store | None = None,
    refs_dir: Path | None = None,
    known: SourceTree | None = None,
) -> Prepared:
    """Return the plan. Reads files and, where packages must be resolved, asks the package index; changes nothing.

    A repository that was given with ``--source URL`` is cloned below ``refs_dir``; without one it is only named.
    ``known`` is a source that was obtained before, for an experiment that goes on.

    Raises:
        NotReadable, Corrupt, Unsupported, UnsafeCheckpoint, SourceNotFound, AdapterNeeded: the checkpoint.
        EngineUnavailable, GpuUnavailable, Usage: what was asked is not there.
        EnvFailed, NetworkFailed: the packages do not resolve.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "inspect"):
        device = devices.resolve(options.device)
        for expression in (*options.targets, *options.wants):
            results.parse(expression, has_own=options.metrics is not None)
        wanted = asked.read(options)
        path = local_path(options.checkpoint)
        inspection = identified(path, family=options.family, with_hash=True)
        _refuse_unsafe(inspection, options)
    progress.end("inspect", _title(inspection), seconds["inspect"])
    with timed(seconds, "source"):
        source = known or sources.obtain(
            inspection,
            inspection.identity,
            given=options.source or None,
            workspace=options.workspace,
            refs_dir=refs_dir,
            recipe=known_family(inspection, options),
            offline=options.offline,
            is_bare=_is_bare(inspection, options),
        )
        source = _with_named_classes(source, inspection, options)
    with timed(seconds, "dependencies"):
        derived = dependencies.derive(inspection, inspection.identity, source, adapter=options.adapter)
        derived = _with_constants(_with_consents(derived, options), source)
        usable = catalog.runtime(derived.runtime).devices
        device = devices.fitted(device, usable, options.device, derived.runtime)
        fitting.refuse_idle_gpus(device, options.gpus)
        fitting.refuse_two_choices(device, options.gpus)
        derived = asked.with_stated(derived, wanted)
        wanted = asked.labelled(wanted, options, inspection.io_hints.task)
        choices = inputs.choose(
            inspection,
            inspection.io_hints,
            given=options.inputs,
            workspace=options.workspace,
            runtime=derived.runtime,
            source=source.root,
            labelled=wanted.dataset,
        )
        derived = _with_input_needs(derived, choices)
        derived = asked.with_needs(derived, wanted, options)
    with timed(seconds, "plan"):
        workspace = environments.detect(options.workspace)
        home = choose_home(options, workspace)
        if options.oci_runtime and home.box not in CONTAINERS:
            raise Usage(f"--runtime is for containers, and the box is {home.box}", hint="add `--box docker`")
        image, python = _base(options, home)
        spec = environments.plan(derived, workspace, box=home.box, device=device.accelerator, python=python)
        spec = replace(spec, base_image=image)
        missing = current_lacks(derived, home.workspace)
    lock, conda = None, None
    store = store or Store.default()
    if resolve and (home.packages != "current" or missing):
        with timed(seconds, "resolve"):
            progress.begin("resolve", f"{len(spec.requirements)} requirements")
            lock = environments.resolve(
                spec, store, offline=options.offline, refresh=options.refresh, progress=progress
            )
            if home.box == "pixi" and home.packages == "new":
                conda = conda_part(spec, home.workspace, store, options)
        progress.end("resolve", f"{len(lock.packages)} packages, lock {lock.sha256[:6]}", seconds["resolve"])
    prepared = Prepared(
        options, path, inspection, source, derived, home.workspace, home.box, home.reason, image, device, spec, lock,
        choices, missing, Plan(), seconds,
        asked.with_reference(wanted, options, lambda other: prepare(other, progress, resolve=resolve, store=store)),
        home.packages, conda,
    )  # fmt: skip
    return replace(prepared, plan=planning.describe(prepared, store))


def _with_named_classes(source: SourceTree, inspection: Inspection, options: RunOptions) -> SourceTree:
    """Name the classes that may be meant, where the source is there and nothing says which one builds the model."""
    decided = options.adapter is not None or source.recipe is not None or bool(source.classes)
    if decided or not source.root or not inspection.tensor_list:
        return source
    from dnnbox.sources import matching  # reads syntax trees: only where a source was given

    return matching.named(source, inspection)


def _is_bare(inspection: Inspection, options: RunOptions) -> bool:
    """Tell whether these are tensors by name, and nothing says what builds a model of them."""
    if options.adapter is not None or inspection.kind != "file" or not inspection.plain_weights:
        return False
    by_name = bool(inspection.tensor_list) and inspection.format in dependencies.STATE_DICT_FORMATS
    return by_name and not dependencies.builds_from_library(inspection.identity.best)


def known_family(inspection: Inspection, options: RunOptions) -> Recipe | None:
    """Return how a family of the catalogue is built, None where a library builds the model or the user does."""
    if options.adapter is not None:
        return None
    recipe = sources.recognise(inspection)
    wanted = recipe is not None and options.family.lower() in (recipe.family, recipe.title.lower())
    return recipe if wanted or not dependencies.builds_from_library(inspection.identity.best) else None


def _title(inspection: Inspection) -> str:
    best = inspection.identity.best
    name = f"{best.library} {best.architecture}".strip() if best else inspection.format
    return f"{visible(name, 60)}, {inspection.tensors.count} tensors, {inspection.verdict}"


def _refuse_unsafe(inspection: Inspection, options: RunOptions) -> None:
    if inspection.verdict == "dangerous" and "unsafe-pickle" not in options.allow:
        worst = next((f for f in inspection.findings if f.severity == "danger"), None)
        what = f"{visible(worst.where, 60)}: {visible(worst.text, 120)}" if worst else "it names calls that act"
        raise UnsafeCheckpoint(
            f"{visible(Path(inspection.path).name, 60)}: {what}; refused",
            hint="to run it all the same inside the box: `--allow unsafe-pickle`",
            phase="inspect",
        )
    if any(f.code == "remote-code" for f in inspection.findings) and "remote-code" not in options.allow:
        raise ConsentNeeded(
            f"{visible(Path(inspection.path).name, 60)} wants to run Python files of its own (auto_map in config.json)",
            hint="read them, then add `--allow remote-code`",
            phase="inspect",
        )


def _with_consents(derived: Dependencies, options: RunOptions) -> Dependencies:
    extra = {"allow_remote_code": True} if "remote-code" in options.allow else {}
    task = {"task": options.task} if options.task else {}
    return replace(derived, options={**derived.options, **extra, **task})


def _with_constants(derived: Dependencies, source: SourceTree) -> Dependencies:
    """Hand what the source does with pictures to the runtime: declared, with its lines; a choice is shown, not made."""
    if source.recipe is not None or not source.root or not source.files or "preprocess" in derived.options:
        return derived
    found = sources.constants_of(Path(source.root), source.files[0])
    said = tuple(
        Evidence(f"{name} is {item.value}", item.place, _choice(item), 0.3 if item.ambiguous else 0.7)
        for name, item in sorted(found.items())
    )
    sure = {name: item for name, item in found.items() if name in _PIPELINE and not item.ambiguous}
    if not {"mean", "std"} <= set(sure):
        return replace(derived, evidence=(*derived.evidence, *said))
    steps: dict[str, object] = {name: item.value for name, item in sure.items()}
    if isinstance(steps.get("size"), int):
        steps["size"] = [steps["size"], steps["size"]]
    steps |= {"status": "declared", "source": ", ".join(dict.fromkeys(item.place for item in sure.values()))}
    options = {**derived.options, "preprocess": steps}
    return replace(derived, options=options, evidence=(*derived.evidence, *said))


def _choice(item: sources.Constant) -> str:
    listed = ", ".join(f"{value} at {place}" for value, place in item.others)
    return f"ambiguous: also {listed}" if listed else "ambiguous: far from the entry script" if item.ambiguous else ""


def _with_input_needs(derived: Dependencies, choices: tuple[InputChoice, ...]) -> Dependencies:
    """Add what reads the chosen inputs and the model itself does not need: Pillow for pictures."""
    names = {requirement.name.lower() for requirement in derived.requirements}
    if "pillow" in names or all(choice.kind != "image" for choice in choices):
        return derived
    reason = Evidence("an input is a picture", "--input", "Pillow reads it")
    return replace(derived, requirements=(*derived.requirements, Requirement("pillow", "", "utility", (reason,))))


def conda_part(spec: EnvSpec, workspace: Workspace, store: Store, options: RunOptions) -> CondaSolution:
    """Return the part of a new pixi environment that conda channels provide."""
    from dnnbox.environments import prefixes  # only where one is wanted

    return prefixes.conda_part(spec, workspace, store, offline=options.offline, refresh=options.refresh)


def _base(options: RunOptions, home: Home) -> tuple[str, str | None]:
    """Return a container's base image and its Python, or the Python of the user's own environment."""
    if home.packages == "current" and home.workspace.current_python:
        return "", environments.python_version(Path(home.workspace.current_python))
    if home.box not in CONTAINERS:
        return "", None
    configured = home.workspace.settings.get("base-images")
    image = options.base_image or (str(configured.get("cpu", "")) if isinstance(configured, dict) else "")
    image = image or boxes.DEFAULT_IMAGE
    return image, boxes.image_python(home.box, image)
