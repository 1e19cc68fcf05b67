"""What a search may cost: processor time for trying, wall time for all of it, and a part of it kept for comparing.

What failed builds leave is collected where it holds memory. Processor time makes the answer the same on a busy machine;
wall time makes sure that there is an answer at all before the job is stopped from outside. Standard library only.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Iterator, List, Optional, Sequence, Tuple, TypeVar

from .room import Leftovers

CPU_SECONDS = 90.0
WALL_SECONDS = 540.0
_SEARCH_SHARE = 0.62  # of the wall time; the rest is for running what fits
_COMPARE_SHARE = 0.9
_COMPARE_CPU_SECONDS = 60.0
_SHARE_OF_ONE = 0.7  # of what is left to run several things

Item = TypeVar("Item")


class Budget:
    """Counts down; ``part`` sets a nearer end for one piece of work, and pieces may lie in each other."""

    def __init__(self, cpu_s: float = CPU_SECONDS, wall_s: float = WALL_SECONDS) -> None:
        self._started = time.monotonic()
        self._wall_s = wall_s
        self._cpu_end = time.process_time() + cpu_s
        self._wall_end = self._started + wall_s * _SEARCH_SHARE
        self._parts: List[float] = []
        self._enough: Optional[float] = None
        self.ran_out = False
        self.make_room = Leftovers().clear

    @property
    def cpu_left_s(self) -> float:
        """Processor seconds until the nearest end."""
        ends = [self._cpu_end] + self._parts + ([] if self._enough is None else [self._enough])
        return min(ends) - time.process_time()

    @property
    def wall_left_s(self) -> float:
        """Seconds on the clock until this phase has to end."""
        return self._wall_end - time.monotonic()

    def goes_on(self) -> bool:
        """Tell whether there is time left; remembers when the whole of it, not only a part, is used up."""
        if self.wall_left_s <= 0 or time.process_time() >= self._cpu_end:
            self.ran_out = True
            return False
        return self.cpu_left_s > 0

    def seconds(self, most: float) -> float:
        """Return what one call may take on the clock: ``most``, and no more than is left."""
        return max(0.5, min(most, self.wall_left_s))

    @contextmanager
    def part(self, cpu_s: float) -> Iterator[None]:
        """Give what happens inside at most ``cpu_s``."""
        self._parts.append(time.process_time() + cpu_s)
        try:
            yield
        finally:
            self._parts.pop()

    def each(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield things that are to be run, each with a part of what is left, so that one which takes none of the inputs
        leaves time to those after it."""
        for place, item in enumerate(items):
            with self.part(self.cpu_left_s * (_SHARE_OF_ONE if place + 1 < len(items) else 1.0)):
                yield item

    def found(self, cpu_s: float) -> None:
        """Say, once, that something was found: ``cpu_s`` more are enough to see whether there is something else."""
        if self._enough is None:
            self._enough = time.process_time() + cpu_s

    def more(self, cpu_s: float) -> None:
        """Give at least ``cpu_s`` from now on, whatever was used up before."""
        self._enough = None
        self._cpu_end = max(self._cpu_end, time.process_time() + cpu_s)

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Leave the processor time of imports out: they are the same whatever is searched. The clock goes on."""
        start = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - start
            self._cpu_end += spent
            self._parts = [end + spent for end in self._parts]
            self._enough = None if self._enough is None else self._enough + spent

    def compare(self) -> None:
        """Begin the last phase, which has time of its own."""
        self._parts, self._enough = [], None
        self._cpu_end = time.process_time() + _COMPARE_CPU_SECONDS
        self._wall_end = self._started + self._wall_s * _COMPARE_SHARE

    def spent(self) -> Tuple[float, float]:
        """Return (processor seconds of this process, seconds on the clock since the search began)."""
        return round(time.process_time(), 2), round(time.monotonic() - self._started, 2)
