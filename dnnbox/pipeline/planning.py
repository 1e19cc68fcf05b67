"""Prepared → Plan: what a person is shown before saying yes. Sentences here are dnnbox's own; names are sanitised."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dnnbox.experiment import default_root
from dnnbox.harness.protocol import MeasurePlan
from dnnbox.pipeline import fitting
from dnnbox.records.options import RunOptions
from dnnbox.records.plan import Plan
from dnnbox.store import Store
from dnnbox.text import redact, visible

if TYPE_CHECKING:
    from dnnbox.pipeline.prepare import Prepared

FULL = MeasurePlan()
QUICK = MeasurePlan(min_seconds=1.0, max_seconds=10.0, ci_half_width=0.05, warmup_max_seconds=5.0)


def process_counts(options: RunOptions) -> tuple[int, int]:
    """Return (cold-only processes, measuring processes); each measuring process is a cold start too."""
    least_cold, warm = (2, 1) if options.quick else (5, 3)
    warm = options.processes or warm
    return max(1, least_cold - warm), warm


def describe(prepared: Prepared, store: Store) -> Plan:
    """Return the plan of a prepared run."""
    options, lock = prepared.options, prepared.lock
    best = prepared.inspection.identity.best
    exists = lock is not None and environment_exists(prepared, store)
    return Plan(
        checkpoint=prepared.path.name,
        title=f"{best.library} {best.architecture}".strip() if best else prepared.inspection.format,
        runtime=prepared.dependencies.runtime,
        verdict=prepared.inspection.verdict,
        source=prepared.source,
        requirements=prepared.dependencies.requirements,
        packages=lock.packages if lock else (),
        lock_sha256=lock.sha256 if lock else "",
        lock_from_cache=lock.from_cache if lock else False,
        download_bytes=(0 if exists else lock.download_bytes) if lock else None,
        environment_exists=exists,
        box=prepared.box,
        box_reason=prepared.box_reason,
        sandbox=sandbox_of(prepared),
        python=prepared.spec.python,
        device=prepared.device.name,
        precision="fp32" if options.precision == "auto" else options.precision,
        batch=options.batches[0],
        network=tuple(_network(prepared, exists)),
        inputs=prepared.inputs,
        measure=_measure_text(options),
        writes_to=str(options.out or _relative(default_root(options.workspace, prepared.path.name), options.workspace)),
        will=tuple(_will(prepared, exists)),
        will_not=tuple(_will_not(prepared)),
        fit=fitting.checks(prepared, store, exists=exists),
        details={
            "image": prepared.image,
            "device_reason": prepared.device.reason,
            "torch": prepared.spec.indexes.reasons,
            "packages": prepared.packages,
            **({"conda": _conda(prepared)} if prepared.conda is not None else {}),
        },
    )


def _conda(prepared: Prepared) -> list[str]:
    assert prepared.conda is not None
    return [f"{package.name} {package.version} {package.build}" for package in prepared.conda.packages]


def environment_exists(prepared: Prepared, store: Store) -> bool:
    """Tell whether the locked environment is in the store already."""
    if prepared.packages == "feature":
        from dnnbox.environments import pixi

        return pixi.has_feature(prepared.workspace, pixi.feature_name(prepared.path.stem), prepared.spec)
    if prepared.lock is None or prepared.packages == "current":
        return not prepared.missing
    from dnnbox import boxes

    if prepared.conda is not None:
        from dnnbox.environments import prefixes

        return store.verified(prefixes.prefix_dir(prepared.lock, prepared.conda, store))
    if prepared.box == "venv":
        return store.verified(store.venv_dir(prepared.lock.sha256))
    return boxes.container_env_exists(prepared.spec, prepared.lock, store, prepared.image, prepared.box)


def sandbox_of(prepared: Prepared) -> str:
    """Return what keeps the model from the machine."""
    if prepared.box in ("docker", "podman"):
        return "container"
    return _sandbox_of_host()


@functools.cache
def _sandbox_of_host() -> str:
    """Return "bubblewrap", or "none" with the reason; tried once, because that starts processes."""
    from dnnbox.boxes import bubblewrap

    found = bubblewrap.find()
    return f"none: {found}" if isinstance(found, str) else "bubblewrap"


def _relative(path: Path, base: Path) -> Path:
    return path.relative_to(base) if path.is_relative_to(base) else path


def _measure_text(options: RunOptions) -> str:
    cold, warm = process_counts(options)
    plan = QUICK if options.quick else FULL
    starts = "cold starts from the disk" if options.drop_cache else "cold starts"
    return (
        f"{cold + warm} {starts}, {warm} warm process{'es' if warm > 1 else ''} of at least {plan.min_seconds:g} s "
        f"and {plan.min_iterations} inferences, memory {'and a profile ' if options.wants_profile else ''}apart"
        + (f"; each waits at most {options.wait_quiet_s:g} s for a quiet machine" if options.wait_quiet_s else "")
    )


def _network(prepared: Prepared, exists: bool) -> Iterator[str]:
    if prepared.source.origin == "git":
        yield f"git: {prepared.source.url}, one shallow clone"
    if not exists and _pixi_installs(prepared) and not prepared.options.offline:
        yield "pixi: the channels and the package index of your manifest, before the box is closed"
        return
    if not exists and prepared.conda is not None and not prepared.options.offline:
        channels = ", ".join(visible(redact(name), 80) for name in prepared.conda.channels)
        yield f"conda channels: {channels}, Python and what it needs"
    if not exists and prepared.lock is not None and not prepared.options.offline and prepared.lock.download_bytes:
        yield "package index: the packages above, before the box is closed"


def _pixi_installs(prepared: Prepared) -> bool:
    is_current = prepared.packages == "current" and prepared.workspace.managers[:1] == ("pixi",)
    return prepared.packages == "feature" or (is_current and bool(prepared.missing))


def _will(prepared: Prepared, exists: bool) -> Iterator[str]:
    count = len(prepared.lock.packages) if prepared.lock else len(prepared.missing)
    if prepared.packages == "current":
        if prepared.missing:
            yield _into_current(prepared)
        else:
            yield "use the current environment as it is"
    elif exists:
        yield f"use an environment that is here already, {count} packages, pinned by hash"
    elif prepared.packages == "feature":
        name = visible(Path(prepared.workspace.manifest).name, 40)
        yield f"add a feature and an environment for this model to {name}, and put it back if pixi cannot install it"
    elif prepared.conda is not None:
        yield (
            f"make a new pixi environment, {len(prepared.conda.packages)} conda packages and {count} from the index, "
            "pinned by hash, outside the workspace; its pixi.toml and pixi.lock go into the experiment"
        )
    else:
        yield f"make a new environment for this model, {count} packages, pinned by hash, outside the workspace"
    if prepared.inspection.verdict in ("needs-code", "dangerous"):
        names = ", ".join(visible(name, 60) for name in prepared.inspection.needs_code[:3])
        yield f"run code that the checkpoint names ({names}) inside the box"
    yield from prepared.asked.will()
    yield "write to the experiment folder only"


def _into_current(prepared: Prepared) -> str:
    count, managers = len(prepared.missing), prepared.workspace.managers
    if managers[:1] == ("pixi",):
        name = visible(Path(prepared.workspace.manifest).name, 40)
        return f"add {count} packages to {name} and let pixi install them, both put back if that fails"
    return f"install {count} packages into the current environment, rolled back if that fails"


def _will_not(prepared: Prepared) -> Iterator[str]:
    if prepared.packages == "new":
        yield "touch your Python or any file of the workspace"
    if not sandbox_of(prepared).startswith("none"):
        yield "let the model reach the network"
    if prepared.inspection.verdict in ("data-only", "no-code"):
        yield (
            "run code from the file (it holds none)"
            if prepared.inspection.verdict == "no-code"
            else "run code from the file"
        )
