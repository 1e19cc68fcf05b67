"""How fast the machine itself was, window by window: what a fixed loop took before and after each.

The kernel's counters do not see a neighbour on the other hardware thread of a core, another virtual machine on the same
host or a lowered clock; such a machine is slower for seconds or for minutes, and a comparison across runs takes it for
the model. The loop is slower then too, often by half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

SLOW = 1.15
"""A window is slow where the loop took this many times as long as at the best pace; else it moves by some 5 %."""

_CLOCK = 1.25
"""What a clock alone may come down from its best: seen is 1.18 (112 and 132 microseconds, for minutes each)."""

Window = tuple[float, float]
"""Microseconds of the loop, and the window's median latency in milliseconds."""


def windows(noise: Mapping[str, Any], total_ms: Sequence[float]) -> list[Window]:
    """Return the windows of one process; none where its figures do not fit its samples."""
    listed = noise.get("windows")
    found: list[Window] = []
    at = 0
    for window in listed if isinstance(listed, list) else ():
        if not isinstance(window, Mapping):
            return []
        pace, n = window.get("pace_ns"), window.get("iterations")
        if not isinstance(pace, int) or not isinstance(n, int) or pace <= 0 or not 0 < n <= len(total_ms) - at:
            return []
        found.append((round(pace / 1e3, 1), round(median(total_ms[at : at + n]), 6)))
        at += n
    return found


def best_limit(paces: Sequence[float], usual: Sequence[float] = ()) -> float:
    """Return the slowest pace that still is the best one: of the windows' lower quartile, the very best is a boost.

    ``usual``: paces known from earlier runs, in the same unit; a run that was slow throughout has no best pace of them.
    """
    return min(SLOW * sorted(paces)[len(paces) // 4], _CLOCK * min([*usual, *paces]))


def slow_share(paces: Iterable[float]) -> float | None:
    """Return which share of windows was slower than the best pace of them all."""
    known = list(paces)
    return sum(pace > best_limit(known) for pace in known) / len(known) if known else None
