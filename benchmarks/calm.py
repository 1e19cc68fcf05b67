"""A processor that keeps its pace: where a benchmark that asks for a quiet machine runs on a host with neighbours.

A neighbour on the other hardware thread of a core makes everything there slower by half for seconds or minutes, and no
counter shows it; a fixed loop does. Only the loop is looked at, never what is measured.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dnnbox.harness.noise import pace_ns

CALM = 1.25
"""The loop takes at most so many times as long, or as short, as usual: with a neighbour it is 1.5 and more."""
CALMS = 10
"""Times in a row, a fiftieth of a second each, that the loop keeps its pace."""
WAIT_S = 600
PACES = 200
AWAKE_S = 0.02
"""A processor that slept runs at half its pace for the first eight milliseconds."""
QUIET_S = 3600
"""How long is waited for a machine whose usual pace is near its best: beside a steady neighbour nothing is quiet."""


class Calm:
    """Knows the usual pace of this machine, and waits for it."""

    def __init__(self) -> None:
        start = time.monotonic()
        self.pace_ns = quiet_pace_ns()
        self.waited_s = time.monotonic() - start

    def wait(self) -> int:
        """Wait until a processor keeps the usual pace, at most ten minutes; return which one."""
        start = time.monotonic()
        cpus = itertools.cycle(sorted(os.sched_getaffinity(0)))
        while not self._keeps_pace(cpu := next(cpus)) and time.monotonic() - start < WAIT_S:
            time.sleep(0.1)
        self.waited_s += time.monotonic() - start
        return cpu

    def is_calm(self, paces_ns: Sequence[float]) -> bool:
        """Say whether all of these are about the usual pace."""
        return self.pace_ns / CALM <= min(paces_ns) and max(paces_ns) <= CALM * self.pace_ns

    def _keeps_pace(self, cpu: int) -> bool:
        with on_processor(cpu):
            return all(self.is_calm([awake_pace_ns()]) for _ in range(CALMS))


def calmest() -> int:
    """Return the processor where the loop is the fastest over a fifth of a second each."""
    return min(sorted(os.sched_getaffinity(0)), key=_median_pace_ns)


def _median_pace_ns(cpu: int) -> float:
    with on_processor(cpu):
        return statistics.median(awake_pace_ns() for _ in range(CALMS))


@contextmanager
def on_processor(cpu: int) -> Iterator[None]:
    """Run the block, and what it starts, on one processor."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def quiet_pace_ns() -> float:
    """Return the usual pace of a machine that is at its best for most of half a minute; wait for that.

    Raises:
        SystemExit: it was not so within an hour.
    """
    start = time.monotonic()
    while time.monotonic() - start < QUIET_S:
        usual, best = usual_and_best_ns()
        if usual <= CALM * best:
            return usual
        told = f"the machine is not quiet: its usual pace is {usual / best:.2f} of its best; waiting"
        print(told, file=sys.stderr, flush=True)
        time.sleep(30)
    raise SystemExit("the machine is not quiet")


def usual_and_best_ns() -> tuple[float, float]:
    """Return the lower quartile of half a minute's paces, and the third best: the very best is a rare boost."""
    paces = []
    for _ in range(PACES):
        paces.append(awake_pace_ns())
        time.sleep(0.13)
    return statistics.quantiles(paces, n=4)[0], sorted(paces)[2]


def awake_pace_ns() -> float:
    """Return the pace of a processor that has been working, as it has before each window of a measurement."""
    end = time.monotonic() + AWAKE_S
    while time.monotonic() < end:
        pace_ns()
    return pace_ns()
