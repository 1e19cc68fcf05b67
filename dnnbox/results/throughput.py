"""Items per second at each batch, the best of them, and where more in a batch stops to pay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.measurements import Throughput
from dnnbox.records.run import RunOutcome
from dnnbox.results import statistics
from dnnbox.results.samples import ProcessSamples, read_all

ENOUGH = 0.95
"""The smallest batch with this part of the best rate is where throughput saturates."""


def points(
    by_batch: Mapping[int, Sequence[RunOutcome]], reported: int
) -> tuple[tuple[Throughput, ...], dict[str, str]]:
    """Return one figure per batch; a batch that the given input does not have is left out with the reason."""
    found: list[Throughput] = []
    reasons: dict[str, str] = {}
    for batch, outcomes in sorted(by_batch.items()):
        processes = read_all(outcomes)
        items = max((p.facts.items_per_iteration for p in processes), default=0)
        if batch != reported and items not in (0, batch):
            reasons[f"throughput.batch_{batch}"] = f"the given input has {items} items, whatever batch is asked"
        elif processes:
            found.append(_point(batch, processes, outcomes))
    if any(point.interval is None for point in found):
        reasons["throughput.interval"] = "one process measured this batch, so there is no slowest and no fastest"
    return tuple(found), reasons


def _point(batch: int, processes: Sequence[ProcessSamples], outcomes: Sequence[RunOutcome]) -> Throughput:
    windows = [found for outcome in outcomes if (found := _windows(outcome))[0]]
    if windows:  # a device that was let run ahead, waited for once a window
        each = max(1, *(p.facts.items_per_iteration for p in processes))
        items, seconds = [calls * each for calls, _ in windows], [ns / 1e9 for _, ns in windows]
    else:
        items = [p.facts.n * max(1, p.facts.items_per_iteration) for p in processes]
        seconds = [sum(p.total_ms) / 1e3 for p in processes]
    rates = [i / s for i, s in zip(items, seconds, strict=True) if s > 0]
    pooled = sorted(ms for p in processes for ms in p.total_ms)
    return Throughput(
        batch=batch,
        items_per_s=sum(items) / sum(seconds) if sum(seconds) > 0 else 0.0,
        latency_p50_ms=statistics.percentile(pooled, 0.5),
        interval=(min(rates), max(rates)) if len(rates) > 1 else None,
        synchronised="each window" if windows else "each call",
    )


def _windows(outcome: RunOutcome) -> tuple[int, int]:
    """Return (calls, nanoseconds) over the windows of one process, in which the device was waited for once each."""
    listed = outcome.result.device_times.get("windows") if outcome.result is not None else None
    pairs = [p for p in listed if isinstance(p, list) and len(p) == 2] if isinstance(listed, list) else []
    good = [(calls, ns) for calls, ns in pairs if isinstance(calls, int) and isinstance(ns, int) and ns > 0]
    return sum(calls for calls, _ in good), sum(ns for _, ns in good)


def best(found: Sequence[Throughput]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the best batch, its gain over the smallest one, and the batch from which on more does not pay.

    Where the largest batch is clearly the best one, saturation was not reached: null with the reason.
    """
    if len(found) < 2:
        return {}, {}
    top = max(found, key=lambda point: point.items_per_s)
    enough = next(point.batch for point in found if point.items_per_s >= ENOUGH * top.items_per_s)
    smallest, largest = found[0], found[-1]
    facts: dict[str, Any] = {
        "batch": top.batch,
        "items_per_s": top.items_per_s,
        "gain": round(top.items_per_s / smallest.items_per_s, 3) if smallest.items_per_s else None,
        "saturates_at": enough if enough != largest.batch else None,
    }
    if facts["saturates_at"] is not None:
        return facts, {}
    return facts, {
        "throughput_best.saturates_at": f"throughput still grows at the largest batch tried, {largest.batch}"
    }
