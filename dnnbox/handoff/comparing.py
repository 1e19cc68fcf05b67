"""Experiments side by side: the first is the one that the others are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dnnbox.handoff import spread
from dnnbox.handoff.experiments import Opened, hardware_class
from dnnbox.handoff.spread import Change


@dataclass(frozen=True)
class Compared:
    """One experiment. ``change`` is of the median latency against the first one, None where that says nothing."""

    experiment: str
    checkpoint: str
    folder: str
    box: str
    hardware: dict[str, str]
    status: str
    quality: str | None
    latency_p50_ms: float | None
    interval_ms: tuple[float, float] | None
    latency_p95_ms: float | None
    throughput_items_s: float | None
    cold_total_ms: float | None
    memory_mib: float | None
    change: Change | None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """What `dnnbox compare --json` prints."""

    experiments: tuple[Compared, ...]
    schema: str = "dnnbox.compare/1"


def compare(opened: Sequence[Opened]) -> Comparison:
    """Return every experiment with its figures and, within one hardware class, its change against the first."""
    first = opened[0]
    return Comparison(tuple(_compared(each, None if each is first else first) for each in opened))


def _compared(each: Opened, base: Opened | None) -> Compared:
    outputs = each.outputs
    stats = outputs.stats
    change, note = (None, "") if base is None else _change(each, base)
    point = next((t for t in stats.throughput if t.batch == stats.batch), None)
    return Compared(
        experiment=each.name,
        checkpoint=outputs.index.checkpoint,
        folder=each.root.name,
        box=outputs.index.box,
        hardware=hardware_class(each),
        status=outputs.index.status,
        quality=stats.quality,
        latency_p50_ms=stats.warm.latency_ms.p50,
        interval_ms=stats.warm.latency_ms.ci95,
        latency_p95_ms=stats.warm.latency_ms.p95,
        throughput_items_s=point.items_per_s if point else None,
        cold_total_ms=stats.cold.total_ms.p50,
        memory_mib=stats.memory.vram_peak_mib or stats.memory.host_peak_mib,
        change=change,
        note=note,
    )


def _change(each: Opened, base: Opened) -> tuple[Change | None, str]:
    mine, theirs = hardware_class(each), hardware_class(base)
    different = [name for name in mine if mine[name] != theirs[name]]
    if different:
        return None, f"another hardware class: {', '.join(different)}"
    sides = [spread.side(one.outputs.stats, one.outputs.samples, "latency_p50_ms") for one in (base, each)]
    if sides[0] is None or sides[1] is None:
        return None, "not measured"
    return spread.change(sides[0], sides[1]), ""
