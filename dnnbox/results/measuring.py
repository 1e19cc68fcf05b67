"""RunOutcomes to Stats: the cold ladder, warm latency, stages, throughput and memory, each with its definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Literal

from dnnbox.harness.protocol import RunResult
from dnnbox.records.measurements import Memory, Statistics, Stats, Warm
from dnnbox.records.run import RunOutcome
from dnnbox.results import definitions, energy, noise, statistics, throughput, told, variants
from dnnbox.results.cold import cold
from dnnbox.results.generation import generation
from dnnbox.results.samples import ProcessSamples, document, read_all

_TELLING = ("measure", "cold", "infer", "generate", "memory", "profile", "probe")
"""The jobs, those first whose word on what really was counts most."""
_MIB = 1 << 20


def measure(
    outcomes: Sequence[RunOutcome],
    *,
    plan: Literal["full", "quick"] = "full",
    batch: int = 1,
    precision: str = "",
    threads: int | None = None,
) -> Stats:
    """Return every figure that the outcomes support; each one that they do not has its reason.

    ``batch`` is the one whose latency is reported; measure jobs of other batches give throughput only. ``precision``
    and ``threads`` are what was asked: what the box says it really used wins.

    Raises:
        BadOutput: the raw samples are missing or malformed.
    """
    good = [o for o in outcomes if o.result is not None and o.result.error is None]
    by_batch = _by_batch([o for o in good if o.job == "measure" and not variants.name_of(o)], batch)
    timed = by_batch.get(batch, [])
    processes = read_all(timed)
    warm, warm_reasons = _warm(processes, timed)
    started, cold_reasons = cold([o for o in good if o.job == "cold"] + timed)
    made, generation_reasons = generation(outcomes)
    used, energy_reasons = energy.energy([o for o in good if o.job == "memory"])
    memory, memory_reasons = _memory([o for o in good if o.job == "memory"], _results(good))
    verdict, noise_facts = noise.judge(timed, processes) if processes else (None, {})
    effective = _effective(good)
    points, throughput_reasons = throughput.points(by_batch, batch)
    best, best_reasons = throughput.best(points)
    stats = Stats(
        quality=verdict,
        precision=str(effective.get("precision") or precision),
        threads=told.whole(effective.get("threads")) or threads or None,
        batch=batch,
        cold=started,
        warm=warm,
        throughput=points,
        throughput_best=best,
        variants=variants.variants(outcomes, warm.latency_ms),
        generation=made,
        memory=memory,
        energy=used,
        noise=noise_facts,
        reasons={
            **warm_reasons, **cold_reasons, **memory_reasons, **throughput_reasons, **best_reasons,
            **generation_reasons, **energy_reasons, **_refused(outcomes, batch),
        },
    )  # fmt: skip
    missing = {"quality": "nothing was timed"} if verdict is None else {}
    if stats.threads is None:
        missing["threads"] = "this runtime does not tell how many it uses" if effective else "no process told it"
    stats = replace(stats, reasons={**stats.reasons, **missing})
    return replace(stats, shares=_shares(stats), definitions=definitions.of(stats, plan, processes, effective))


def samples(outcomes: Sequence[RunOutcome], *, batch: int = 1) -> dict[str, Any]:
    """Return ``outputs/samples.json``: the thinned raw samples that the figures are drawn from, and the memory."""
    taken = [o.result.memory for o in outcomes if o.job == "memory" and o.result is not None and o.result.memory]
    measured = [
        o
        for o in outcomes
        if o.job == "measure" and not variants.name_of(o) and o.result is not None and o.result.error is None
    ]
    return document(read_all(_by_batch(measured, batch).get(batch, [])), taken[-1] if taken else {})


def _results(outcomes: Sequence[RunOutcome]) -> list[RunResult]:
    return [outcome.result for outcome in outcomes if outcome.result is not None]


def _effective(outcomes: Sequence[RunOutcome]) -> Mapping[str, Any]:
    """Return what really was, from a measuring process where there is one."""
    ranked = sorted(outcomes, key=lambda o: _TELLING.index(o.job))
    return next((o.result.effective for o in ranked if o.result and o.result.effective), {})


def _refused(outcomes: Sequence[RunOutcome], batch: int) -> dict[str, str]:
    """Return why a batch of the sweep has no figure."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        size = outcome.settings.get("batch_size")
        failed = outcome.result is None or outcome.result.error is not None
        if outcome.job == "measure" and isinstance(size, int) and size != batch and failed:
            error = outcome.result.error if outcome.result else None
            found[f"throughput.batch_{size}"] = error.detail[:300] if error else "the process did not survive it"
    return found


def _by_batch(measured: Sequence[RunOutcome], batch: int) -> dict[int, list[RunOutcome]]:
    """Group measure jobs by batch size; the host's own note of it wins over the items that the box counted."""

    def size(outcome: RunOutcome) -> int:
        noted = outcome.settings.get("batch_size", outcome.settings.get("batch"))
        if isinstance(noted, int):
            return noted
        return outcome.result.samples.items_per_iteration if outcome.result and outcome.result.samples else batch

    groups = {key: list(group) for key, group in groupby(sorted(measured, key=size), key=size)}
    if batch not in groups and len(groups) == 1:  # a model whose own batch differs from what was asked
        groups = {batch: next(iter(groups.values()))}
    return groups


def _warm(processes: Sequence[ProcessSamples], timed: Sequence[RunOutcome]) -> tuple[Warm, dict[str, str]]:
    if not processes:
        return Warm(), dict.fromkeys(("warm.latency_ms", "warm.device_ms"), "nothing was measured")
    by_device, device_reasons = _device_times(timed)
    pooled = [ms for process in processes for ms in process.total_ms]
    medians = tuple(statistics.percentile(sorted(p.total_ms), 0.5) for p in processes)
    whole = statistics.summarise(pooled)
    latency = _widened(whole, medians)
    names = [name for name in processes[0].facts.columns[1:] if all(name in p.columns for p in processes)]
    columns = {name: [ms for p in processes for ms in p.columns[name]] for name in names}
    # Where an iteration is one stage, its samples are the whole's.
    stages = {name: whole if taken == pooled else statistics.summarise(taken) for name, taken in columns.items()}
    shown = [change for p in processes if (change := statistics.drift(p.total_ms)) is not None]
    warm = Warm(
        len(processes),
        latency,
        stages,
        medians,
        _drift_text(shown, len(processes)),
        statistics.modes(pooled),
        by_device,
    )
    return warm, {**_tail_reasons("warm.latency_ms", latency), **device_reasons}


def _device_times(timed: Sequence[RunOutcome]) -> tuple[Statistics, dict[str, str]]:
    """Return the model alone by the device's clock, where it has one that the runtime lets us read."""
    taken = [o.result.device_times.get("events_ns") for o in timed if o.result is not None]
    values = [ns / 1e6 for found in taken if isinstance(found, list) for ns in found if isinstance(ns, int) and ns > 0]
    if values:
        return statistics.summarise(values), {}
    on_cpu = all(str(r.effective.get("device", "cpu")) == "cpu" for r in _results(timed))
    return Statistics(), {
        "warm.device_ms": "no GPU was used" if on_cpu else "this runtime does not show the device's clock"
    }


def _widened(latency: Statistics, medians: Sequence[float]) -> Statistics:
    """Stretch the interval to the single processes' medians: iterations of one process are not independent."""
    if latency.ci95 is None:
        return latency
    return replace(latency, ci95=(min(latency.ci95[0], *medians), max(latency.ci95[1], *medians)))


def _drift_text(changes: Sequence[float], processes: int) -> str:
    if not changes:
        return ""
    worst = max(changes, key=abs)
    direction = "rises" if worst > 0 else "falls"
    said = f"{direction} by {100 * abs(worst):.0f} % within a process"
    return f"{said}, in {len(changes)} of {processes} processes" if processes > 1 else said


def _tail_reasons(name: str, summary: Statistics) -> dict[str, str]:
    found = {
        f"{name}.{tail}": f"n too small: {summary.n} of {needed}"
        for tail, needed in statistics.MIN_SAMPLES.items()
        if getattr(summary, tail) is None
    }
    if summary.ci95 is None:
        found[f"{name}.ci95"] = f"n too small: {summary.n} of 6"
    return found


_MEMORY = {
    "host_peak_mib": "host_peak_bytes",
    "host_after_load_mib": "host_after_load_bytes",
    "vram_peak_mib": "vram_peak_bytes",
    "vram_allocated_peak_mib": "vram_allocated_peak_bytes",
    "vram_process_peak_mib": "vram_process_peak_bytes",
    "vram_device_used_mib": "vram_device_used_bytes",
    "cgroup_peak_mib": "cgroup_peak_bytes",
}
_MISSING = {
    "vram_allocated_peak_mib": "this runtime's allocator does not tell",
    "vram_process_peak_mib": "the driver does not tell what one process holds",
    "vram_device_used_mib": "this runtime does not tell what the whole device holds",
    "cgroup_peak_mib": "the box is no control group of its own that it may read",
}


def _memory(measured: Sequence[RunOutcome], everything: Sequence[RunResult]) -> tuple[Memory, dict[str, str]]:
    outcome = next((o for o in measured if o.result and o.result.memory), None)
    figures: dict[str, Any] = dict(outcome.result.memory) if outcome and outcome.result else {}
    figures.pop("vram_process_peak_bytes", None)  # the driver's word, so the host's to bring
    if outcome is not None:
        figures |= energy.process_memory(outcome)
        charged = outcome.settings.get("memory_peak_bytes")  # the host sees the group from outside
        if isinstance(charged, int):
            figures["cgroup_peak_bytes"] = charged
    memory = Memory(**{name: _mib(figures, key) for name, key in _MEMORY.items()})
    on_gpu = any(
        str(result.effective.get("device", "cpu")).startswith(("cuda", "rocm", "mps")) for result in everything
    )
    missing = "this system does not tell" if figures else "the memory pass did not run"
    reasons = {}
    for name in (name for name in _MEMORY if getattr(memory, name) is None):
        why = _MISSING.get(name, missing) if figures else missing
        is_vram = name.startswith("vram") and not on_gpu and bool(everything)
        reasons[f"memory.{name}"] = "no GPU was used" if is_vram else why
    return memory, reasons


def _mib(figures: Mapping[str, Any], key: str) -> float | None:
    value = figures.get(key)
    return round(value / _MIB, 3) if isinstance(value, int | float) and value > 0 else None


def _shares(stats: Stats) -> dict[str, float]:
    """Return the parts of a whole that the reports print, so that each of them stands in stats.json."""
    found: dict[str, float] = {}
    parts = {name: stage.p50 for name, stage in stats.warm.stages_ms.items() if stage.p50 is not None}
    if (whole := stats.warm.latency_ms.p50) and parts:
        found |= {f"warm.{name}": part / whole for name, part in parts.items()}
    ladder = {name: stage.p50 for name, stage in stats.cold.stages_ms.items() if stage.p50 is not None}
    if (whole := stats.cold.total_ms.p50) and ladder:
        found |= {f"cold.{name}": part / whole for name, part in ladder.items()}
    if stats.warm.latency_ms.ci95 and stats.warm.latency_ms.p50:
        low, high = stats.warm.latency_ms.ci95
        found["warm.ci_half_width"] = (high - low) / 2 / stats.warm.latency_ms.p50
    return {name: round(share, 6) for name, share in found.items()}
