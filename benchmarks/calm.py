"""Which processor is the quieter one just now: for benchmarks on a host with neighbours.

A neighbour on the other hardware thread of a core makes everything there slower by half for seconds or minutes, and no
counter shows it; a fixed loop does. Only the loop is looked at, never what is measured.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dnnbox.harness.noise import pace_ns

LOOKS = 10
AWAKE_S = 0.02
"""A processor that slept runs at half its pace for the first eight milliseconds."""


def calmest() -> int:
    """Return the processor where the loop is the fastest over a fifth of a second each."""
    return min(sorted(os.sched_getaffinity(0)), key=_median_pace_ns)


def _median_pace_ns(cpu: int) -> float:
    with on_processor(cpu):
        return statistics.median(awake_pace_ns() for _ in range(LOOKS))


@contextmanager
def on_processor(cpu: int) -> Iterator[None]:
    """Run the block, and what it starts, on one processor."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def awake_pace_ns() -> float:
    """Return the pace of a processor that has been working, as it has before each window of a measurement."""
    end = time.monotonic() + AWAKE_S
    while time.monotonic() < end:
        pace_ns()
    return pace_ns()
