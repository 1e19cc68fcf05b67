"""Latency compared only where the machine itself was equally fast: the windows of both sides at the common best pace.

A neighbour on a core or on the host makes everything slower by half, for seconds or minutes, and no counter shows it.
Whole runs fall into such times. The pace that each window was measured at (:mod:`dnnbox.results.pace`) tells them.

Within the best pace a clock still drifts by a few percent over minutes, and the latency of a model that computes on the
processor drifts with it: runs of one model follow the mean pace one to one (benchmarks/gate.py, slope 1.0, r 0.75). So
the candidate's latencies are given as they would be at the baseline's pace.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean, mean, median, stdev
from typing import Any

from dnnbox.handoff import spread
from dnnbox.handoff.spread import Side
from dnnbox.records.measurements import Stats
from dnnbox.results.pace import Window, best_limit

LEAST_WINDOWS = 2
"""Of each side, at the common best pace: fewer are no basis for a comparison."""

_ENOUGH = 4
"""Processes of which the median is taken."""
_MEDIAN_TO_MEAN = math.sqrt(math.pi / 2)
"""How much further off the median of normal values is than their mean."""

LEAST_SCALE = 0.005
"""A smaller correction is applied and not told."""

_PRIOR = 0.015
"""Standard deviation between equal processes at their best pace, of their latency and of their pace, as a share
(benchmarks/results/gate.json)."""

_DRIFT = 0.02
"""Standard deviation of the difference between the paces of two runs on a quiet machine."""

_BETWEEN_RUNS = 0.005
"""What is left between equal runs an hour apart, at equal pace and however many processes they have."""


@dataclass(frozen=True)
class Paced:
    """Both sides at the best pace that they share, or None for both; ``drift`` is how much slower the other's was.

    ``drift`` is the ratio of the median paces, 1 for equal machines. ``scale`` is what the other side's latencies were
    multiplied with for its pace within the best one, ``basis`` says what was compared.
    """

    sides: tuple[Side, Side] | None
    drift: float
    scale: float
    basis: str


def at_equal_pace(base: Stats, other: Stats, *, on_cpu: bool = True) -> Paced | None:
    """Return what can be compared at equal pace, None where a side has no pace or another interpreter's.

    ``on_cpu``: the model computes on the processor whose pace it is; else its latencies do not follow that.
    """
    processes = [_processes(stats) for stats in (base, other)]
    if not all(processes) or _fact(base, "python") != _fact(other, "python"):
        return None
    paces = [[us for windows in side for us, _ in windows] for side in processes]
    usual = [float(known) for stats in (base, other) if (known := _fact(stats, "usual_us"))]
    limit = best_limit([us for side in paces for us in side], usual)
    kept = [[at_best for windows in side if (at_best := [w for w in windows if w[0] <= limit])] for side in processes]
    counts = [sum(map(len, side)) for side in kept]
    basis = " and ".join(f"{count} of {len(side)}" for count, side in zip(counts, paces, strict=True))
    basis += " windows at the machine's best pace"
    drift = median(paces[1]) / median(paces[0])
    if min(counts) < LEAST_WINDOWS:
        return Paced(None, drift, 1.0, basis)
    scale, error = _correction(*map(_mean_pace, kept)) if on_cpu else (1.0, 0.0)
    if abs(scale - 1) >= LEAST_SCALE:
        basis += f", latencies × {scale:.3f} for the difference left"
    return Paced((_side(kept[0]), _side(kept[1], scale, error)), drift, scale, basis)


def _mean_pace(processes: Sequence[Sequence[Window]]) -> Side:
    paces = [geometric_mean(us for us, _ in windows) for windows in processes]
    value = geometric_mean(paces)
    return spread.known_to(value, stdev(paces) / value if len(paces) > 1 else 0.0, len(paces), _PRIOR)


def _correction(base: Side, other: Side) -> tuple[float, float]:
    """Return what the latencies at the other pace are multiplied with, and its standard error as a share.

    Of a difference that the paces are too uncertain to tell from none, only the likely part is taken out: processes
    differ in their pace for reasons that the model does not share, beside neighbours most of all.
    """
    unknown = base.error**2 + other.error**2
    likely = _DRIFT**2 / (_DRIFT**2 + unknown)
    return float((base.value / other.value) ** likely), math.sqrt(likely * unknown)


def _fact(stats: Stats, name: str) -> Any:
    return (stats.noise.get("pace") or {}).get(name)


def _processes(stats: Stats) -> list[list[Window]]:
    listed = stats.noise.get("processes") or ()
    found = [process.get("pace") or () for process in listed if isinstance(process, Mapping)]
    return [[(float(us), float(ms)) for us, ms in windows] for windows in found if windows]


def _side(processes: Sequence[Sequence[Window]], scale: float = 1.0, error: float = 0.0) -> Side:
    """Return the middle of the processes: of each, the windows with their medians in milliseconds.

    A neighbour that came and went within a window makes it slower and leaves its pace as it was, so the median of a
    process's windows counts. ``scale``: what the latencies are multiplied with; ``error``: its standard error, a share.
    """
    side = _middle([median(ms for _, ms in windows) for windows in processes])
    return replace(side, value=scale * side.value, error=math.hypot(side.error, error, _BETWEEN_RUNS))


def _middle(medians: Sequence[float]) -> Side:
    """Return the processes' median, or the mean of so few that the median would waste one."""
    count = len(medians)
    value = mean(medians)
    deviation = stdev(medians) / value if count > 1 else 0.0
    if count < _ENOUGH:
        return spread.known_to(value, deviation, count, _PRIOR)
    side = spread.known_to(median(medians), min(spread.robust(medians), deviation), count, _PRIOR)
    return replace(side, error=_MEDIAN_TO_MEAN * side.error)
