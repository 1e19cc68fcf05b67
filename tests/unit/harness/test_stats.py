"""The statistics that decide when to stop."""

from __future__ import annotations

import math
import random

import pytest

from dnnbox.harness import stats


def test_median__odd_and_even__middle() -> None:
    assert (stats.median([3, 1, 2]), stats.median([4, 1, 2, 3])) == (2, 2.5)


def test_median_interval__many_samples__covers_the_true_median_95_of_100() -> None:
    rng = random.Random(1)
    hits = 0
    for _ in range(400):
        low, high = stats.median_interval(sorted(rng.lognormvariate(0, 1) for _ in range(100)))
        hits += low <= 1.0 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_half_width__too_few__infinite() -> None:
    assert stats.half_width([1.0] * 5) == math.inf
    assert stats.half_width([1.0] * 6) == 0


@pytest.mark.parametrize(
    ("medians", "settled"),
    [
        ([10, 10], False),
        ([10, 10, 10], True),
        ([10, 10.2, 10.1], True),
        ([10, 10.5, 10], False),
        ([10.25, 10.1, 10.0], False),
        ([10.05, 10.02, 10.0], True),
        ([10.0, 10.1, 10.25], True),
        ([50, 10, 10, 10], True),
    ],
)
def test_is_settled__last_three_medians__agree_without_falling(medians: list[float], settled: bool) -> None:
    assert stats.is_settled(medians) is settled
