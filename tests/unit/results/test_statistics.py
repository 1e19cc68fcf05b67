"""Order statistics against simulation and against cases worked by hand."""

from __future__ import annotations

import random

import pytest

from dnnbox.results import statistics


def test_summarise__empty__knows_nothing() -> None:
    summary = statistics.summarise([])
    assert (summary.n, summary.p50, summary.ci95) == (0, None, None)


def test_summarise__five_samples__has_no_interval_and_no_tail() -> None:
    summary = statistics.summarise([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (summary.p50, summary.min, summary.mad, summary.n) == (3.0, 1.0, 1.0, 5)
    assert (summary.ci95, summary.p90, summary.p95, summary.p99) == (None, None, None, None)


def test_percentile_interval__six_samples__is_their_range() -> None:
    assert statistics.percentile_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5) == (1.0, 6.0)


@pytest.mark.parametrize(
    ("n", "tails"),
    [
        (43, ()),
        (44, ("p90",)),
        (89, ("p90",)),
        (90, ("p90", "p95")),
        (459, ("p90", "p95")),
        (460, ("p90", "p95", "p99")),
    ],
)
def test_summarise__tails__appear_with_enough_samples(n: int, tails: tuple[str, ...]) -> None:
    summary = statistics.summarise([float(i) for i in range(n)])
    assert tuple(name for name in ("p90", "p95", "p99") if getattr(summary, name) is not None) == tails
    assert set(tails) <= set(summary.intervals) | set()


@pytest.mark.parametrize("n", [6, 7, 12, 31, 100, 400, 401, 1200])
def test_percentile_interval__normal_samples__covers_the_median_95_times_in_100(n: int) -> None:
    chance = random.Random(n)
    trials, hits = 400, 0
    for _ in range(trials):
        low, high = statistics.percentile_interval(sorted(chance.gauss(0, 1) for _ in range(n)), 0.5) or (1, 0)
        hits += low <= 0 <= high
    assert hits / trials > 0.93


def test_summarise__outliers__are_counted_and_kept() -> None:
    samples = [10.0 + 0.01 * (i % 7) for i in range(100)] + [50.0, 60.0]
    summary = statistics.summarise(samples)
    assert (summary.outliers, summary.n) == (2, 102)


def test_drift__steady_samples__is_none() -> None:
    chance = random.Random(3)
    assert statistics.drift([chance.gauss(10, 0.3) for _ in range(600)]) is None


def test_drift__rising_samples__is_found_with_its_size() -> None:
    chance = random.Random(3)
    change = statistics.drift([chance.gauss(10, 0.3) * (1 + 0.1 * i / 600) for i in range(600)])
    assert change == pytest.approx(0.095, abs=0.02)


def test_drift__one_slow_patch__is_not_drift() -> None:
    samples = [10.0 + 0.001 * (i % 5) for i in range(300)]
    samples[140:150] = [30.0] * 10
    assert statistics.drift(samples) is None


def test_modes__two_clusters__are_both_named() -> None:
    chance = random.Random(4)
    samples = [chance.gauss(10, 0.1) for _ in range(150)] + [chance.gauss(14, 0.2) for _ in range(60)]
    assert statistics.modes(samples) == pytest.approx((10, 14), abs=0.1)


@pytest.mark.parametrize("kind", ["normal", "lognormal", "uniform", "constant"])
def test_modes__one_cluster__has_none(kind: str) -> None:
    chance = random.Random(5)
    draw = {
        "normal": lambda: chance.gauss(10, 0.5),
        "lognormal": lambda: 10 * chance.lognormvariate(0, 0.4),
        "uniform": lambda: chance.uniform(9, 12),
        "constant": lambda: 10.0,
    }[kind]
    assert statistics.modes([draw() for _ in range(500)]) == ()
