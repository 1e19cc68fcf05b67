"""Waiting for a quiet machine, driven by an artificial clock: no test here waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, cycle, repeat
from typing import Any

import pytest

from dnnbox.harness import measure
from dnnbox.harness.noise import NoiseLog
from dnnbox.harness.protocol import MeasurePlan
from dnnbox.harness.quiet import Quiet

MS = 10**6
USUAL_NS, SLOW_NS = 110_000, 190_000


class Machine:
    """A clock, and a pace that follows a script in milliseconds of that clock: (from when on, pace)."""

    def __init__(self, *script: tuple[float, int]) -> None:
        self.time = 0
        self.script = script
        self.slept = 0

    def now(self) -> int:
        return self.time

    def pace(self) -> int:
        self.time += MS
        return next(pace for start, pace in reversed(self.script) if self.time >= start * MS)

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.time += int(seconds * 1e9)

    def quiet(self, seconds: float, usual_ns: int = USUAL_NS) -> Quiet:
        return Quiet(seconds, usual_ns, self.pace, self.now, self.sleep)

    def model(self, value: Any) -> Any:
        """Take five milliseconds at the usual pace, more at a slower one."""
        self.time += 5 * MS * next(p for start, p in reversed(self.script) if self.time >= start * MS) // USUAL_NS
        return value


def test_wait__quiet_machine__begins_after_a_few_looks() -> None:
    machine = Machine((0, USUAL_NS))
    quiet = machine.quiet(10)
    assert (quiet.wait(), machine.slept, quiet.lost_ns) == (USUAL_NS, 0, 5 * MS)


def test_wait__slow_for_a_while__begins_when_it_is_over() -> None:
    machine = Machine((0, SLOW_NS), (900, USUAL_NS))
    assert machine.quiet(10).wait() == USUAL_NS
    assert 900 * MS < machine.time < 1100 * MS


def test_wait__slow_for_good__gives_up_when_the_seconds_are_lost() -> None:
    machine = Machine((0, SLOW_NS))
    quiet = machine.quiet(2)
    assert quiet.wait() == 0
    assert 2_000 * MS <= quiet.lost_ns < 2_200 * MS
    assert not quiet.repeats(machine.time)  # from now on everything counts as it is
    assert quiet.record()["used_up"] == 1


def test_wait__usual_pace_not_known__the_best_seen_is_the_measure() -> None:
    machine = Machine((0, SLOW_NS), (500, USUAL_NS))
    quiet = machine.quiet(10, usual_ns=0)
    assert quiet.wait() == SLOW_NS  # nothing better was seen
    machine.time = 600 * MS
    assert quiet.wait() == USUAL_NS
    machine.script = ((0, SLOW_NS),)
    assert quiet.repeats(machine.time - 250 * MS)
    assert quiet.repeated == 1


def test_quiet__nothing_may_be_lost__nothing_is_looked_at() -> None:
    machine = Machine((0, SLOW_NS))
    quiet = machine.quiet(0)
    assert (quiet.wait(), quiet.repeats(0), quiet.record(), machine.time) == (0, False, {}, 0)


class Alone(NoiseLog):
    """A process that nobody disturbs: the machine that runs the tests has no say."""

    def end_window(self, iterations: int) -> float:
        super().end_window(iterations)
        return 0.0


def sampled(machine: Machine, quiet: Quiet, **plan: float) -> tuple[measure.Timing, NoiseLog]:
    noise = Alone()
    made = MeasurePlan(**plan)  # type: ignore[arg-type]
    stages = [("model", machine.model)]
    return measure.sample(stages, None, made, machine.now, noise, lambda *_: None, quiet), noise


def test_sample__a_slow_second_within__its_windows_are_taken_again() -> None:
    machine = Machine((0, USUAL_NS), (1_100, SLOW_NS), (2_100, USUAL_NS))
    quiet = machine.quiet(10)
    timing, noise = sampled(machine, quiet, min_seconds=3)
    assert set(timing.samples[0::2]) == {5 * MS}
    assert quiet.repeated == 1
    assert sum(window["iterations"] or 0 for window in noise.windows) == timing.n
    assert timing.n * 5 * MS >= 3_000 * MS  # what was lost does not count as measured
    assert quiet.record()["lost_ns"] > 900 * MS


def test_sample__never_quiet__is_measured_all_the_same() -> None:
    machine = Machine((0, SLOW_NS))
    timing, _ = sampled(machine, machine.quiet(2), min_seconds=3, max_seconds=5)
    assert timing.interval_reached
    assert timing.n >= 30


def flapping() -> Iterator[tuple[float, int]]:
    """Yield a neighbour that comes for 300 ms of every 700."""
    return zip(
        chain.from_iterable((700 * i, 700 * i + 400) for i in range(100)), cycle((USUAL_NS, SLOW_NS)), strict=False
    )


def test_warm_up__a_neighbour_that_comes_and_goes__settles_between() -> None:
    machine = Machine(*flapping())
    quiet = machine.quiet(60)
    plan = MeasurePlan()
    warm = measure.warm_up([("model", machine.model)], None, plan, machine.now, lambda *_: None, quiet)
    assert warm.settled
    assert warm.medians_ns == [5 * MS] * 3
    assert warm.wall_ns < machine.time - quiet.lost_ns + MS


@pytest.mark.parametrize("seconds", [0, 5])
def test_sample__model_without_neighbours__same_samples(seconds: float) -> None:
    machine = Machine((0, USUAL_NS))
    timing, _ = sampled(machine, machine.quiet(seconds), min_seconds=2)
    assert list(timing.samples[0::2]) == list(repeat(5 * MS, timing.n))


def test_repeats__others_used_the_cpus__although_the_pace_is_usual() -> None:
    machine = Machine((0, USUAL_NS))
    quiet = machine.quiet(10)
    machine.time = 300 * MS
    assert not quiet.repeats(50 * MS, foreign=0.1)
    assert quiet.repeats(50 * MS, foreign=0.4)
    assert quiet.lost_ns >= 250 * MS
