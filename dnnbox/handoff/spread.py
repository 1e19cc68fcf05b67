"""How far a figure may be off. The noise of a comparison is that of both its sides.

A run's own interval says how well *that process* is known, not what the next one would show. So the spread between
processes decides, and where a run had few of them it leans on what a machine of its kind usually shows: the prior,
a standard deviation that counts as ``_PRIOR_WEIGHT`` degrees of freedom (benchmarks/results/gate.json measures it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, median, stdev
from typing import Any, Literal

from dnnbox.records.measurements import Stats

LEVEL = 0.99
"""Two-sided: one comparison of equals in two hundred is called slower."""

BLIND = 0.10
"""A comparison that could not have seen a slowdown of this share is no reason to call anything unchanged."""

_PRIOR_WEIGHT = 4
_Z_95 = NormalDist().inv_cdf(0.975)
_BLOCKS = 12
_SIGMA_PER_MAD = 1.4826
_CONTENDED = 8.0
"""Runs beside others differ from each other by about this many times as much as runs on a quiet machine."""


@dataclass(frozen=True)
class Side:
    """One figure: ``error`` is the standard error as a share of ``value``; ``freedom`` counts degrees of freedom."""

    value: float
    error: float
    freedom: int


@dataclass(frozen=True)
class Change:
    """``share`` is (other − base) / base; ``interval`` holds it with the chance ``LEVEL``; ``noise`` is its half."""

    share: float
    interval: tuple[float, float]
    noise: float


Figure = Literal["latency_p50_ms", "latency_min_ms", "cold_total_ms", "host_peak_mib", "vram_peak_mib"]

_PRIORS: dict[str, float] = {
    "latency_p50_ms": 0.01,
    "latency_min_ms": 0.015,
    "cold_total_ms": 0.05,
    "host_peak_mib": 0.02,
    "vram_peak_mib": 0.02,
}


def side(stats: Stats, samples: Mapping[str, Any], figure: Figure) -> Side | None:
    """Return a figure with its standard error, or None where there is none."""
    if figure == "latency_p50_ms":
        return _latency(stats, samples)
    if (
        figure == "latency_min_ms"
    ):  # neighbours hardly touch the fastest request, so its spread is that of a quiet machine
        fastest = stats.warm.latency_ms.min
        return known_to(fastest, 0.0, max(stats.warm.processes, 1), _PRIORS[figure]) if fastest else None
    if figure == "cold_total_ms":
        total = stats.cold.total_ms
        if total.p50 is None or total.p50 <= 0:
            return None
        spread = _SIGMA_PER_MAD * (total.mad or 0.0) / total.p50
        return known_to(total.p50, spread, max(total.n, 1), _prior(stats, figure))
    value = stats.memory.host_peak_mib if figure == "host_peak_mib" else stats.memory.vram_peak_mib
    return None if not value or value <= 0 else known_to(value, 0.0, 1, _PRIORS[figure])


def _prior(stats: Stats, figure: Figure) -> float:
    return _PRIORS[figure] * (1.0 if stats.quality == "quiet" else _CONTENDED)


def _latency(stats: Stats, samples: Mapping[str, Any]) -> Side | None:
    latency, medians = stats.warm.latency_ms, stats.warm.per_process_p50_ms
    if latency.p50 is None or latency.p50 <= 0:
        return None
    between = stdev(medians) / latency.p50 if len(medians) > 1 else 0.0
    whole = known_to(latency.p50, between, max(len(medians), 1), _prior(stats, "latency_p50_ms"))
    if stats.quality != "quiet":  # whoever ran beside it ran beside all its processes: they are no independent tries
        whole = replace(whole, error=whole.error * math.sqrt(max(len(medians), 1)))
    # What moves within a process moves at least as much between processes.
    moving = within(samples) / math.sqrt(max(len(medians), 1))
    own = (latency.ci95[1] - latency.ci95[0]) / 2 / _Z_95 / latency.p50 if latency.ci95 and len(medians) == 1 else 0.0
    return Side(whole.value, math.hypot(max(whole.error, moving), own), whole.freedom)


def known_to(value: float, spread: float, count: int, prior: float) -> Side:
    """Return a figure of ``count`` processes that differ by ``spread``, a share; ``prior`` is what is usual."""
    freedom = _PRIOR_WEIGHT + count - 1
    pooled = math.sqrt((_PRIOR_WEIGHT * prior**2 + (count - 1) * spread**2) / freedom)
    return Side(value, pooled / math.sqrt(count), freedom)


def within(samples: Mapping[str, Any]) -> float:
    """Return how much the median moves within a process: the robust spread of a dozen blocks, as a share."""
    found = [_moving(process.get("latency_ms", ())) for process in samples.get("processes", ())]
    return max(found, default=0.0)


def _moving(bins: Sequence[Sequence[float]]) -> float:
    size = len(bins) // _BLOCKS
    if size < 1:
        return 0.0
    middles = [float(triple[1]) for triple in bins]
    return robust([median(middles[at : at + size]) for at in range(0, size * _BLOCKS, size)])


def robust(values: Sequence[float]) -> float:
    """Return the standard deviation that the median absolute deviation stands for, as a share of the median."""
    centre = median(values)
    return _SIGMA_PER_MAD * median(abs(value - centre) for value in values) / centre if centre > 0 else 0.0


def change(base: Side, other: Side) -> Change:
    """Return how ``other`` differs from ``base``; the interval is of the ratio, so it is not symmetric."""
    reach = student((1 + LEVEL) / 2, base.freedom + other.freedom)
    noise = reach * math.hypot(base.error, other.error)
    ratio = other.value / base.value
    return Change(ratio - 1, (ratio * math.exp(-noise) - 1, ratio * math.exp(noise) - 1), noise)


def student(chance: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution by Fisher's expansion around the normal one (freedom ≥ 4)."""
    z, n = NormalDist().inv_cdf(chance), float(freedom)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, 1))
