"""Numbers about samples: order statistics, spread, drift and modes. Pure; knows nothing of runs or files.

A percentile is given only when, with 99 % probability, at least one sample lies beyond it: p90 from 44 samples,
p95 from 90, p99 from 460. Intervals of percentiles are order statistics: no distribution is assumed.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from statistics import NormalDist, fmean, median

from dnnbox.records.measurements import Statistics

MIN_SAMPLES = {"p90": 44, "p95": 90, "p99": 460}
_SHARES = {"p90": 0.90, "p95": 0.95, "p99": 0.99}
_EXACT_UP_TO = 400  # samples; beyond, the binomial is normal to three digits
_OUTLIER_SIGMAS = 10.0
_SIGMA_PER_MAD = 1.4826  # of a normal distribution
_DRIFT_SHARE = 0.02
_DRIFT_BINS = 60
_MODE_SHARE = 0.10
_MODE_DISTANCE = 0.05

Interval = tuple[float, float]


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the percentile of sorted samples, interpolated between neighbours."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def percentile_interval(ordered: Sequence[float], share: float, level: float = 0.95) -> Interval | None:
    """Return the order-statistic interval of a percentile, or None when there are too few samples for ``level``."""
    n = len(ordered)
    ranks = _exact_ranks(n, share, level) if n <= _EXACT_UP_TO else _normal_ranks(n, share, level)
    return None if ranks is None else (ordered[ranks[0]], ordered[ranks[1]])


def _exact_ranks(n: int, share: float, level: float) -> tuple[int, int] | None:
    """Return the zero-based ranks around a percentile with equal tails, or None when all samples are not enough."""
    chances = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    at_most = list(accumulate(chances))  # at_most[k] = P(at most k samples lie under the percentile)
    tail = (1 - level) / 2
    low = max(bisect_right(at_most, tail) - 1, 0)
    high = min(bisect_left(at_most, 1 - tail), n - 1)
    return (low, high) if at_most[high] - at_most[low] >= level - 1e-9 else None


def _normal_ranks(n: int, share: float, level: float) -> tuple[int, int]:
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(n * share * (1 - share))
    return max(0, math.floor(n * share - half) - 1), min(n - 1, math.ceil(n * share + half))


def deviation(ordered: Sequence[float], centre: float) -> float:
    """Return the median absolute deviation from ``centre``, as it is (not scaled to a sigma)."""
    return median(abs(value - centre) for value in ordered)


def summarise(samples: Sequence[float]) -> Statistics:
    """Return the summary of raw samples in milliseconds; nothing is dropped, outliers are counted."""
    if not samples:
        return Statistics()
    ordered = sorted(samples)
    n, centre = len(ordered), median(ordered)
    mad = deviation(ordered, centre)
    reach = _OUTLIER_SIGMAS * _SIGMA_PER_MAD * mad
    outliers = bisect_left(ordered, centre - reach) + n - bisect_right(ordered, centre + reach) if reach > 0 else 0
    tails = {name: percentile(ordered, share) for name, share in _SHARES.items() if n >= MIN_SAMPLES[name]}
    return Statistics(
        p50=centre,
        ci95=percentile_interval(ordered, 0.5),
        min=ordered[0],
        p90=tails.get("p90"),
        p95=tails.get("p95"),
        p99=tails.get("p99"),
        mean=fmean(ordered),
        mad=mad,
        n=n,
        outliers=outliers,
        intervals=_intervals(ordered, tails),
    )


def _intervals(ordered: Sequence[float], tails: dict[str, float]) -> dict[str, Interval]:
    found = {name: percentile_interval(ordered, _SHARES[name]) for name in tails}
    if len(ordered) >= 30:
        mean = fmean(ordered)
        half = 1.96 * _spread(ordered, mean) / math.sqrt(len(ordered))
        found["mean"] = (mean - half, mean + half)
    return {name: interval for name, interval in found.items() if interval is not None}


def _spread(samples: Sequence[float], mean: float) -> float:
    """Return the sample standard deviation. The library's own works in fractions, 20 times slower for no digit here."""
    return math.sqrt(math.fsum((value - mean) ** 2 for value in samples) / (len(samples) - 1))


def drift(samples: Sequence[float]) -> float | None:
    """Return the change over the run as a share of the median, or None when no trend is shown.

    The slope is the median of the slopes between bin medians (Theil and Sen), so that single slow iterations do not
    count; the last third must differ from the first in the same direction by at least half of it, and beyond the
    intervals of both.
    """
    if len(samples) < 30:
        return None
    size = max(1, len(samples) // _DRIFT_BINS)
    bins = [median(samples[i : i + size]) for i in range(0, len(samples) - size + 1, size)]
    slopes = [(bins[j] - bins[i]) / (j - i) for i in range(len(bins)) for j in range(i + 1, len(bins))]
    whole = median(samples)
    change = median(slopes) * (len(bins) - 1) / whole
    third = len(samples) // 3
    first, last = sorted(samples[:third]), sorted(samples[-third:])
    step = (percentile(last, 0.5) - percentile(first, 0.5)) / whole
    is_apart = _are_apart(percentile_interval(first, 0.5), percentile_interval(last, 0.5))
    shown = abs(change) > _DRIFT_SHARE and step * change > 0 and abs(step) > abs(change) / 2 and is_apart
    return change if shown else None


def _are_apart(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and (one[1] < other[0] or other[1] < one[0])


def modes(samples: Sequence[float]) -> tuple[float, ...]:
    """Return the medians of two modes, or () when the samples have one.

    Two modes: the split with the greatest variance between its sides leaves a tenth of the samples on each, the medians
    are 5 % apart, and the middle between them is nearly empty.
    """
    ordered = sorted(samples)
    n = len(ordered)
    if n < 30:
        return ()
    cut = _best_split(ordered)
    if min(cut, n - cut) < _MODE_SHARE * n:
        return ()
    low, high = median(ordered[:cut]), median(ordered[cut:])
    if low <= 0 or (high - low) / low < _MODE_DISTANCE:
        return ()
    width = (high - low) / 4
    near_low, middle, near_high = (_count(ordered, at, width) for at in (low, (low + high) / 2, high))
    return (low, high) if middle < 0.25 * min(near_low, near_high) else ()


def _best_split(ordered: Sequence[float]) -> int:
    total, running, best, where = math.fsum(ordered), 0.0, -1.0, 0
    n = len(ordered)
    for cut in range(1, n):
        running += ordered[cut - 1]
        gap = running / cut - (total - running) / (n - cut)
        between = cut * (n - cut) * gap * gap
        if between > best:
            best, where = between, cut
    return where


def _count(ordered: Sequence[float], centre: float, width: float) -> int:
    return bisect_right(ordered, centre + width / 2) - bisect_left(ordered, centre - width / 2)
