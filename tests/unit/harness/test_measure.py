"""Warm-up and stop rule, driven by an artificial clock: no test here waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat
from typing import Any

import pytest

from dnnbox.harness import measure
from dnnbox.harness.noise import NoiseLog
from dnnbox.harness.protocol import MeasurePlan
from dnnbox.harness.quiet import Quiet

MS = 10**6


class World:
    """A clock that only moves when a stage runs; the stages take the milliseconds of ``costs`` in turn."""

    def __init__(self, *costs: Iterator[float]) -> None:
        self.time = 0
        self.calls = 0
        self.costs = costs
        self.noise = NoiseLog()
        self.quiet = Quiet(0)

    def now(self) -> int:
        return self.time

    def stages(self) -> list[measure.Stage]:
        names = ["model", "postprocess"]
        return [(name, self._stage(costs)) for name, costs in zip(names, self.costs, strict=False)]

    def _stage(self, costs: Iterator[float]) -> Callable[[Any], Any]:
        def act(value: Any) -> Any:
            self.calls += 1
            self.time += int(next(costs) * MS)
            return value

        return act

    def warm_up(self, **plan: float) -> measure.WarmUp:
        made = MeasurePlan(**plan)  # type: ignore[arg-type]
        return measure.warm_up(self.stages(), None, made, self.now, silent, self.quiet)

    def sample(self, **plan: float) -> measure.Timing:
        made = MeasurePlan(**plan)  # type: ignore[arg-type]
        return measure.sample(self.stages(), None, made, self.now, self.noise, silent, self.quiet)


def silent(done: int, total: int, text: str) -> None:
    """Show nothing."""


def falling(start: float, share: float) -> Iterator[float]:
    """Yield a cost that falls by a share each time."""
    while True:
        yield start
        start *= 1 - share


def test_warm_up__constant_cost__settles_after_three_windows() -> None:
    warm = World(repeat(5.0)).warm_up()
    assert (warm.settled, warm.n, warm.wall_ns) == (True, 150, 750 * MS)  # windows of 250 ms


def test_warm_up__slow_model__windows_have_ten_iterations() -> None:
    warm = World(repeat(100.0)).warm_up()
    assert (warm.settled, warm.n) == (True, 30)


def test_warm_up__first_calls_slow__they_do_not_count() -> None:
    warm = World(chain(repeat(400.0, 20), repeat(10.0))).warm_up()
    assert warm.settled
    assert warm.medians_ns[:2] == [400 * MS, 400 * MS]
    assert warm.medians_ns[-3:] == [10 * MS] * 3


def test_warm_up__steady_fall_within_agreement__goes_on() -> None:
    # Each window is 1.2 % faster than the one before: any three agree within 3 %, but the trend goes down.
    warm = World(falling(100.0, 0.0012)).warm_up(warmup_max_seconds=8)
    assert not warm.settled


def test_warm_up__never_stable__ends_at_the_cap() -> None:
    warm = World(cycle([10.0] * 25 + [30.0] * 10)).warm_up(warmup_max_seconds=5)
    assert not warm.settled
    assert 5_000 * MS <= warm.wall_ns <= 5_030 * MS


def test_warm_up__one_call_longer_than_the_cap__runs_once() -> None:
    assert World(repeat(60_000.0)).warm_up(warmup_max_seconds=30).n == 1


def test_sample__constant_cost__stops_at_the_minimum() -> None:
    timing = World(repeat(20.0), repeat(1.0)).sample(min_iterations=30, min_seconds=3)
    assert timing.interval_reached
    assert timing.columns == ["total", "model", "postprocess"]
    assert list(timing.samples[:3]) == [21 * MS, 20 * MS, 1 * MS]
    assert 3000 <= timing.n * 21 < 3300


def test_sample__two_modes__runs_to_the_cap_and_says_so() -> None:
    timing = World(cycle([10.0, 20.0])).sample(min_seconds=1, max_seconds=10)
    assert not timing.interval_reached
    assert "asked ±1.0 %" in timing.reason
    assert sum(timing.samples) >= 10_000 * MS


def test_sample__slow_model__cap_wins_over_minimum_count() -> None:
    timing = World(repeat(9_000.0)).sample(min_iterations=30, min_seconds=3, max_seconds=60)
    assert (timing.n, timing.interval_reached) == (7, False)


def test_sample__outliers__are_kept() -> None:
    timing = World(cycle([10.0] * 99 + [500.0])).sample(min_seconds=5)
    assert timing.interval_reached
    assert max(timing.samples) == 500 * MS


def test_sample__many_iterations__block_grows_without_loss() -> None:
    timing = World(repeat(0.1), repeat(0.01)).sample(min_seconds=2)
    assert timing.n > 2 * 4096
    assert set(timing.samples[0::3]) == {110_000}
    assert len(timing.samples) == 3 * timing.n


def test_sample__fast_model__stops_at_the_sample_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SAMPLE_LIMIT", 5000)
    assert World(repeat(0.01)).sample(min_seconds=30).n == 5000


def test_timer_cost__stepping_clock__is_one_step() -> None:
    ticks = iter(range(0, 10**9, 7))
    assert measure.timer_cost_ns(lambda: next(ticks)) == 7
