"""Warm latency: warm up until stable, then time single iterations until the median is known well enough.

An iteration is a chain of stages; one timestamp is taken between two stages and stored only after the last one.
The module knows no model and no clock of its own, so that an artificial clock can drive it.
"""

from __future__ import annotations

import gc
from array import array
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

from . import stats
from .noise import NoiseLog
from .protocol import MeasurePlan
from .quiet import Quiet

WINDOW_NS = 250 * 10**6
SAMPLE_LIMIT = 10**6
GROWTH = 1.1
CALIBRATION_PAIRS = 2000
GC_PRESSURE = 500000

Clock = Callable[[], int]
Stage = Tuple[str, Callable[[Any], Any]]
Show = Callable[[int, int, str], None]


class WarmUp(NamedTuple):
    """How warming up went; ``medians_ns`` are those of its windows in order."""

    n: int
    wall_ns: int
    settled: bool
    medians_ns: List[float]


class Timing(NamedTuple):
    """Raw samples, row after row: total, then one column per stage, in nanoseconds."""

    columns: List[str]
    samples: Any  # array("q")
    n: int
    interval_reached: bool
    reason: str


def timer_cost_ns(now: Clock) -> int:
    """Return the median cost of one timestamp pair."""
    pairs: List[float] = []
    for _ in range(CALIBRATION_PAIRS):
        start = now()
        pairs.append(now() - start)
    return int(stats.median(pairs))


def run_once(functions: Sequence[Callable[[Any], Any]], value: Any, stamps: List[int], now: Clock) -> None:
    """Run one iteration; ``stamps`` gets the time before the first and after each stage."""
    stamps[0] = now()
    position = 1
    for function in functions:
        value = function(value)
        stamps[position] = now()
        position += 1


def warm_up(stages: Sequence[Stage], start: Any, plan: MeasurePlan, now: Clock, show: Show, quiet: Quiet) -> WarmUp:
    """Run windows until three medians agree or the plan's time is over; at least one iteration."""
    functions = [function for _, function in stages]
    stamps = [0] * (len(functions) + 1)
    began = now() - quiet.lost_ns
    medians: List[float] = []
    total = 0
    while True:
        durations: List[float] = []
        quiet.wait()
        deadline = began + int(plan.warmup_max_seconds * 1e9) + quiet.lost_ns
        opened = now()
        while True:
            run_once(functions, start, stamps, now)
            durations.append(stamps[-1] - stamps[0])
            if stamps[-1] >= deadline or _is_full(len(durations), stamps[-1] - opened, plan):
                break
        total += len(durations)
        if quiet.repeats(opened):
            continue
        medians.append(stats.median(durations))
        show(total, 0, "%.3f ms" % (medians[-1] / 1e6))
        if stats.is_settled(medians):
            return WarmUp(total, now() - began - quiet.lost_ns, True, medians)
        if now() >= deadline:
            return WarmUp(total, now() - began - quiet.lost_ns, False, medians)


def _is_full(iterations: int, elapsed_ns: int, plan: MeasurePlan) -> bool:
    return iterations >= plan.window_iterations and elapsed_ns >= WINDOW_NS


def sample(
    stages: Sequence[Stage], start: Any, plan: MeasurePlan, now: Clock, noise: NoiseLog, show: Show, quiet: Quiet
) -> Timing:
    """Time iterations until the plan is met or its cap is reached; the cap wins over the minimum counts.

    Time that is lost to waiting for a quiet machine, or to windows that are taken again for it, does not count.
    """
    recorder = _Recorder([name for name, _ in stages])
    functions = [function for _, function in stages]
    began = now() - quiet.lost_ns
    checked = 0
    while True:
        noise.start_window(quiet.wait())
        rows, opened = recorder.n, now()
        deadline = began + quiet.lost_ns + int(plan.max_seconds * 1e9)
        last = _window(functions, start, recorder, now, deadline, plan)
        foreign = noise.end_window(recorder.n - rows)
        elapsed_s = (last - began - quiet.lost_ns) / 1e9
        _relieve_gc()
        if quiet.repeats(opened, foreign):
            recorder.n = rows
            noise.forget_window()
            continue
        show(recorder.n, plan.min_iterations, "%.1f s of at most %.0f s" % (elapsed_s, plan.max_seconds))
        if _minimum_met(recorder.n, elapsed_s, plan) and recorder.n >= checked * GROWTH:
            checked = recorder.n
            if stats.half_width(recorder.totals()) <= plan.ci_half_width:
                return recorder.timing(True, "")
        if last >= deadline or recorder.n >= SAMPLE_LIMIT:
            return _at_the_cap(recorder, plan, elapsed_s)


def _window(
    functions: Sequence[Callable[[Any], Any]],
    start: Any,
    recorder: "_Recorder",
    now: Clock,
    deadline: int,
    plan: MeasurePlan,
) -> int:
    stamps = recorder.stamps
    opened = now()
    first = recorder.n
    while True:
        run_once(functions, start, stamps, now)
        recorder.keep()
        last = stamps[-1]
        if last >= deadline or recorder.n >= SAMPLE_LIMIT or _is_full(recorder.n - first, last - opened, plan):
            return last


def _minimum_met(n: int, elapsed_s: float, plan: MeasurePlan) -> bool:
    return n >= plan.min_iterations and elapsed_s >= plan.min_seconds


def _at_the_cap(recorder: "_Recorder", plan: MeasurePlan, elapsed_s: float) -> Timing:
    width = stats.half_width(recorder.totals())
    if _minimum_met(recorder.n, elapsed_s, plan) and width <= plan.ci_half_width:
        return recorder.timing(True, "")
    reached = "±%.1f %%" % (100 * width) if width < 10 else "unknown"
    text = "after %d iterations in %.1f s the interval of the median is %s (asked ±%.1f %%, at least %d iterations)"
    values = (recorder.n, elapsed_s, reached, 100 * plan.ci_half_width, plan.min_iterations)
    return recorder.timing(False, text % values)


def _relieve_gc() -> None:
    # The collector is off while timing; a model that makes many cycles is relieved between windows.
    if gc.get_count()[0] > GC_PRESSURE:
        gc.collect()


class _Recorder:
    """Holds the samples in one preallocated block that doubles between iterations when it is full."""

    def __init__(self, stage_names: Sequence[str]) -> None:
        self.columns = ["total"] + list(stage_names)
        self.stamps = [0] * len(self.columns)
        self.n = 0
        self._block = array("q", bytes(8 * len(self.columns) * 4096))

    def keep(self) -> None:
        """Store the durations of the stamps just taken."""
        width = len(self.columns)
        place = self.n * width
        if place + width > len(self._block):
            self._block.extend(array("q", bytes(8 * len(self._block))))
        stamps, block = self.stamps, self._block
        block[place] = stamps[-1] - stamps[0]
        for index in range(1, width):
            block[place + index] = stamps[index] - stamps[index - 1]
        self.n += 1

    def totals(self) -> Sequence[float]:
        """Return the first column."""
        width = len(self.columns)
        return self._block[: self.n * width : width]

    def timing(self, interval_reached: bool, reason: str) -> Timing:
        """Return the record of what was sampled."""
        return Timing(self.columns, self._block[: self.n * len(self.columns)], self.n, interval_reached, reason)
