"""Latency compared only where the machine itself was equally fast: the windows of both sides at the common best pace.

A neighbour on a core or on the host makes everything slower by half, for seconds or minutes, and no counter shows it.
Whole runs fall into such times. The pace that each window was measured at (:mod:`dnnbox.results.pace`) tells them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev
from typing import Any

from dnnbox.handoff import spread
from dnnbox.handoff.spread import Side
from dnnbox.records.measurements import Stats
from dnnbox.results.pace import SLOW, Window

LEAST_WINDOWS = 2
"""Of each side, at the common best pace: fewer are no basis for a comparison."""

_PRIOR = 0.012
"""Standard deviation between equal processes at their best pace, as a share (benchmarks/results/gate.json)."""


@dataclass(frozen=True)
class Paced:
    """Both sides at the best pace that they share, or None for both; ``drift`` is how much slower the other's was.

    ``drift`` is the ratio of the median paces, 1 for equal machines. ``basis`` says what was compared.
    """

    sides: tuple[Side, Side] | None
    drift: float
    basis: str


def at_equal_pace(base: Stats, other: Stats) -> Paced | None:
    """Return what can be compared at equal pace, None where a side has no pace or another interpreter's."""
    processes = [_processes(stats) for stats in (base, other)]
    if not all(processes) or _fact(base, "python") != _fact(other, "python"):
        return None
    paces = [[us for windows in side for us, _ in windows] for side in processes]
    usual = [float(known) for stats in (base, other) if (known := _fact(stats, "usual_us"))]
    limit = SLOW * min([*usual, *(min(side) for side in paces)])
    kept = [[[ms for us, ms in windows if us <= limit] for windows in side] for side in processes]
    counts = [sum(map(len, side)) for side in kept]
    basis = " and ".join(f"{count} of {len(side)}" for count, side in zip(counts, paces, strict=True))
    drift = median(paces[1]) / median(paces[0])
    sides = (_side(kept[0]), _side(kept[1])) if min(counts) >= LEAST_WINDOWS else None
    return Paced(sides, drift, f"{basis} windows at the machine's best pace")


def _fact(stats: Stats, name: str) -> Any:
    return (stats.noise.get("pace") or {}).get(name)


def _processes(stats: Stats) -> list[list[Window]]:
    listed = stats.noise.get("processes") or ()
    found = [process.get("pace") or () for process in listed if isinstance(process, Mapping)]
    return [[(float(us), float(ms)) for us, ms in windows] for windows in found if windows]


def _side(processes: Sequence[Sequence[float]]) -> Side:
    """Return the median of the windows' medians; ``processes`` holds those of each process, in milliseconds."""
    medians = [median(windows) for windows in processes if windows]
    everything = [ms for windows in processes for ms in windows]
    value = median(everything)
    between = stdev(medians) / value if len(medians) > 1 else 0.0
    side = spread.known_to(value, between, len(medians), _PRIOR)
    within = spread.robust(everything) / math.sqrt(len(everything))
    return Side(value, math.hypot(side.error, within), side.freedom)
