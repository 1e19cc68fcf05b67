"""What the jobs answered → ``outputs/*.json`` → scripts, READMEs and reports. Also for a run that stopped half-way."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnnbox import codec, paces, reports, results, sources
from dnnbox.boxes.base import HARNESS_DIR, INPUTS
from dnnbox.events import Progress
from dnnbox.experiment import Experiment, utc_now
from dnnbox.files import write_atomic
from dnnbox.harness.protocol import EVENTS, RunRequest
from dnnbox.pipeline import fitting, further, mistakes
from dnnbox.pipeline.asked import DATASET, METRICS
from dnnbox.pipeline.execute import Execution
from dnnbox.pipeline.planning import sandbox_of
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.environment import EnvironmentRecord
from dnnbox.records.experiment import Artifact, Decision
from dnnbox.records.measurements import Stats, Verdict
from dnnbox.reports import readmes, scripts
from dnnbox.reports.outputs import load
from dnnbox.store import Store
from dnnbox.text import redact, visible


def begin(experiment: Experiment, prepared: Prepared, decision: Decision) -> None:
    """Save what was agreed, the stages that are over, and what they found."""
    decisions = [*_decisions(experiment), decision]
    experiment.save("decisions", {"schema": "dnnbox.decisions/1", "decisions": decisions})
    save_findings(experiment, prepared)
    experiment.note_stages(prepared.seconds)


def save_findings(experiment: Experiment, prepared: Prepared) -> None:
    """Save what is known of the checkpoint: each fact with its evidence, no host path among them."""
    inspection = replace(
        prepared.inspection, path=prepared.path.name, dependencies=prepared.dependencies.requirements, tensor_list=()
    )
    source = prepared.source
    experiment.save("inspection", {"schema": "dnnbox.inspection/1", **codec.to_json(inspection)})
    experiment.save("identity", inspection.identity)
    experiment.save("source", replace(source, root=_relative(experiment, source.root), url=redact(source.url)))
    experiment.save("dependencies", prepared.dependencies)
    if not prepared.options.endpoint:
        best = inspection.identity.best
        names = (best.architecture,) if best else ()
        experiment.save("published", sources.published(prepared.path, source.root, names))
    if prepared.lock:
        write_atomic(experiment.outputs / "requirements.lock", prepared.lock.text)


def _decisions(experiment: Experiment) -> list[Any]:
    """Return what was decided before the experiment was resumed."""
    try:
        known = json.loads((experiment.outputs / "decisions.json").read_text(encoding="utf-8"))["decisions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return known if isinstance(known, list) else []


def _relative(experiment: Experiment, root: str) -> str:
    """Return the source's place in the experiment, or its bare name where it lies outside."""
    path = Path(root)
    if not root:
        return ""
    return str(path.relative_to(experiment.root)) if path.is_relative_to(experiment.root) else path.name


def with_usual_pace(stats: Stats, execution: Execution) -> Stats:
    """Return the stats with the pace that this machine usually has at its best, for whoever compares runs."""
    pace = stats.noise.get("pace") or {}
    if not pace:
        return stats
    machine = next((o.result.machine for o in execution.outcomes if o.result and o.result.machine), {})
    usual_us = paces.usual(Store.default().root, paces.key_of(machine, pace["python"]), pace["best_us"])
    return replace(stats, noise={**stats.noise, "pace": {**pace, "usual_us": usual_us}})


def collect(experiment: Experiment, prepared: Prepared, execution: Execution, *, failed: bool) -> Verdict:
    """Write every remaining file of ``outputs/`` and return the verdict; a missing figure is null with a reason."""
    options, first = prepared.options, execution.first
    verified = first if execution.verified else None
    stats = results.measure(
        further.measuring(execution.outcomes),
        plan="quick" if options.quick else "full",
        batch=options.batches[0],
        precision=prepared.plan.precision,
        threads=options.threads or None,
    )
    stats = with_usual_pace(stats, execution)
    contract = further.contract_of(prepared, execution)
    found = further.collected(prepared, execution)
    verdict = results.judge(
        stats,
        contract,
        options.targets,
        options.wants,
        failed=failed,
        quality=found.quality,
        training=found.training,
        has_own=options.metrics is not None,
    )
    answers = mistakes.kept(found.answers, prepared.asked.dataset, experiment.outputs)
    further.save(experiment, replace(found, answers=answers))
    experiment.save("stats", stats)
    reason = execution.profile_reason or ("the run stopped before it" if failed else "")
    profile = results.profile(execution.outcomes, stats, reason=reason, trace=execution.trace)
    experiment.save("profile", profile)
    experiment.save("samples", results.samples(execution.outcomes, batch=options.batches[0]))
    experiment.save("io_contract", contract)
    experiment.save("verdict", verdict)
    environment = environment_record(prepared, execution)
    experiment.save("environment", environment)
    (experiment.outputs / "failure.json").unlink(missing_ok=True)
    if execution.lock:  # after a fallback it is another one than was planned
        write_atomic(experiment.outputs / "requirements.lock", execution.lock.text)
    if failed and execution.outcomes:
        last = execution.outcomes[-1]
        name = f"{len(execution.outcomes):02d}-{last.job}"
        events, printed = experiment.outputs / "jobs" / name / EVENTS, experiment.logs / f"{name}.stdout.txt"
        log = f"logs/{name}.stderr.txt"
        experiment.save("failure", results.failure(last, log=log, events=events, printed=printed))
    artifacts = results.artifacts(experiment.root, inputs=execution.files, outcome=verified)
    _keep_pictures(experiment, artifacts)
    experiment.save(
        "artifacts",
        {"schema": "dnnbox.artifacts/1", "artifacts": artifacts, "mappings": results.mappings(artifacts, verified)},
    )
    request = execution.request or _asked(prepared)
    params = results.params(request, verified, targets=(*options.targets, *options.wants))
    experiment.save("params", params)
    experiment.update(identities=_identities(experiment.index.identities, execution, params, environment.machine))
    return verdict


def _keep_pictures(experiment: Experiment, artifacts: Sequence[Artifact]) -> None:
    """Copy the first input pictures into outputs/inputs/: reports show them, and are made from outputs/ alone."""
    shown = [a for a in artifacts if a.role == "input" and a.kind == "image" and a.size_bytes <= reports.PICTURE_BYTES]
    for artifact in shown[: reports.MOST_PICTURES]:
        target = experiment.outputs / artifact.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(experiment.root / artifact.path, target)


def _asked(prepared: Prepared) -> RunRequest:
    """Return the request that would have been made, for a run that never came to it."""
    return RunRequest(
        job="infer",
        runtime=prepared.dependencies.runtime,
        checkpoint=prepared.path.name,
        device=prepared.device.name,
        precision=prepared.plan.precision,
        batch_size=prepared.options.batches[0],
        seed=prepared.options.seed,
        options=dict(prepared.dependencies.options),
    )


def environment_record(prepared: Prepared, execution: Execution) -> EnvironmentRecord:
    """Return what the box was, from what the box and the engine say; without them, from the plan and the host."""
    first, lock = execution.first, execution.lock
    result = first.result if first else None
    packages = dict(result.packages) if result and result.packages else {}
    settings = dict(first.settings) if first else {}
    return EnvironmentRecord(
        box=prepared.box,
        reason=prepared.box_reason,
        sandbox=execution.sandbox or sandbox_of(prepared),
        python=result.python if result else prepared.spec.python,
        packages=packages or ({p.name: p.version for p in lock.packages} if lock else {}),
        conda_packages={p.name: p.version for p in prepared.conda.packages} if prepared.conda else {},
        lock_sha256=lock.sha256 if lock else "",
        lock_resolved_utc=lock.resolved_utc if lock else "",
        base_image=prepared.image,
        base_image_digest=str(settings.pop("image_digest", "")),
        engine=_mapping(settings.pop("engine", {})),
        machine=dict(result.machine) if result and result.machine else fitting.host(prepared),
        settings=settings,
        indexes=tuple(redact(url) for url in _indexes(prepared)),
        attempts=tuple(execution.attempts),
    )


def _indexes(prepared: Prepared) -> tuple[str, ...]:
    indexes = prepared.spec.indexes
    return tuple(url for url in (indexes.default, *indexes.extra, *sorted(set(indexes.pinned.values()))) if url)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"name": str(value)} if value else {}


def _identities(
    known: Mapping[str, str | None], execution: Execution, params: Mapping[str, Any], machine: Mapping[str, Any]
) -> dict[str, str | None]:
    """Complete the identities: equal ones mean that two experiments may be compared."""
    asked = {key: params[key] for key in ("runtime", "device", "precision", "batch", "seed", "threads", "options")}
    text = json.dumps(codec.to_json(asked), sort_keys=True)
    return {
        **known,
        "lock": f"sha256:{execution.lock.sha256}" if execution.lock else None,
        "parameters": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        "device_class": device_class(machine, str(params["device"])),
    }


def device_class(machine: Mapping[str, Any], device: str) -> str | None:
    """Return what two runs must share to be compared: the GPU and its driver, or the CPU and its cores."""
    if not machine:
        return None
    if device != "cpu":
        told = machine.get("gpu")
        gpus = [str(gpu.get("name", "")) for gpu in told if isinstance(gpu, Mapping)] if isinstance(told, list) else []
        names = ", ".join(filter(None, gpus)) or "unknown GPU"
        return visible(f"{names}, driver {machine.get('driver') or 'unknown'}", 200)
    return visible(f"{machine.get('cpu', 'unknown CPU')}, {machine.get('cores', '?')} cores", 200)


def report(experiment: Experiment, prepared: Prepared, execution: Execution, progress: Progress) -> None:
    """Write the scripts that rerun each step, the READMEs and both reports."""
    progress.begin("report")
    start = time.monotonic()
    with experiment.stage("report"):
        if execution.request is not None and not prepared.options.endpoint:
            _scripts(experiment, prepared, execution)
        outputs = load(experiment.root)
        readmes.update(experiment.root, _changes(experiment, execution), when=utc_now(), outputs=outputs)
        reports.render(experiment.root, outputs=outputs)
    progress.end("report", "reports/experiment-report.html", time.monotonic() - start)


def _scripts(experiment: Experiment, prepared: Prepared, execution: Execution) -> None:
    """Copy the harness and the requests that were run, with placeholders for every path."""
    request = execution.request
    assert request is not None
    jobs = ["probe", "infer", "cold", "measure", "memory", "profile"]
    jobs += ["generate"] if any(outcome.job == "generate" for outcome in execution.outcomes) else []
    checkpoint = prepared.path.name
    places = {request.checkpoint: "@checkpoint", f"{INPUTS}": "@experiment/inputs"}
    if request.sys_path:
        inside = _relative(experiment, prepared.source.root)
        places[request.sys_path[0]] = f"@experiment/{inside}" if inside.startswith("refs/") else "@source"
    if adapter := request.options.get("adapter"):
        assert prepared.options.adapter is not None
        _copied_beside(prepared.options.adapter, experiment.root / "scripts" / "adapter.py")
        places[str(adapter)] = "@experiment/scripts/adapter.py"
    further_jobs = {job: found for job, found in execution.further.items() if job in scripts.FURTHER}
    places |= _judged_places(experiment, prepared)
    for item in request.inputs:
        places[item.path] = f"@experiment/inputs/{Path(item.path).name}"
    scripts.write(
        experiment.root,
        {**{job: replace(request, job=job) for job in jobs}, **further_jobs},
        checkpoint=checkpoint,
        sha256=(prepared.inspection.sha256 or "") if prepared.inspection.kind == "file" else "",
        places=places,
        harness=HARNESS_DIR,
    )


def _judged_places(experiment: Experiment, prepared: Prepared) -> dict[str, str]:
    """Return where the labelled data and the user's metrics lie; the metrics are copied, the data are the user's."""
    dataset, metrics, places = prepared.asked.dataset, prepared.asked.metrics, {}
    if dataset is not None:
        places = {DATASET: "@dataset", str(Path(dataset.root).resolve()): "@dataset"}
    if metrics is not None:
        shutil.copyfile(metrics, experiment.root / "scripts" / "metrics.py")
        for place in (f"{METRICS}/{metrics.name}", str(metrics.resolve())):
            places[place] = "@experiment/scripts/metrics.py"
    return places


def _changes(experiment: Experiment, execution: Execution) -> dict[str, str]:
    """Return one sentence per folder that this run changed."""
    jobs = ", ".join(outcome.job for outcome in execution.outcomes) or "no job"
    given = sum(choice.origin != "synthesised" for choice, _ in execution.files)
    return {
        "": f"run ended with status {experiment.index.status}",
        "inputs": f"{given} files copied" if given else "inputs made up by the box, seeded",
        "outputs": f"results of {jobs}",
        "logs": f"output of {jobs}",
        "scripts": "scripts for the requests of this run",
        "reports": "rendered from outputs/",
    }


def _copied_beside(adapter: Path, target: Path) -> None:
    """Copy the adapter that ran, unless it was written there in the first place."""
    if adapter.resolve() != target.resolve():
        shutil.copyfile(adapter, target)
