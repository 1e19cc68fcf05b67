"""Windows only while the machine is as fast as it usually is: wait before one, take it again where it was not.

Only a fixed loop is looked at, and what others used of the CPUs, never a latency: what is kept is no choice among the
figures.
"""

from __future__ import annotations

import time
from bisect import insort
from typing import Callable, Dict, List

from .noise import pace_ns

SLOW = 1.25
"""The loop takes half as long again beside a neighbour, and more; as clocks go up and down, some 18 % longer."""
FOREIGN = 0.15
"""Others had so much of the CPUs in a window: it would be called disturbed (results/noise.py)."""
STEADY = 5
"""Times in a row that the loop keeps its pace before a window begins."""
PAUSE_S = 0.05
AWAKE_NS = 20 * 10**6
"""A processor that slept runs at half its pace for the first eight milliseconds."""


class Quiet:
    """Waits for the machine's usual pace, and says which windows were not so, until ``seconds`` are lost in all.

    ``usual_ns`` is the pace that the host knows from earlier runs; 0: the lower quartile of what is seen here, because
    the best is a rare boost. With ``seconds`` 0 nothing is looked at.
    """

    def __init__(
        self,
        seconds: float,
        usual_ns: int = 0,
        pace: Callable[[], int] = pace_ns,
        now: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lost_ns = 0
        self.repeated = 0
        self._limit_ns = int(seconds * 1e9)
        self._usual_ns = usual_ns
        self._seen: List[int] = []
        self._pace, self._now, self._sleep = pace, now, sleep

    def wait(self) -> int:
        """Return the machine's pace in nanoseconds when it keeps the usual one; 0 where none was awaited."""
        start = self._now()
        pace = 0
        while self.lost_ns + self._now() - start < self._limit_ns:
            pace = self._steady()
            if pace:
                break
            self._sleep(PAUSE_S)
            self._wake()
        self.lost_ns += self._now() - start if self._limit_ns else 0
        return pace

    def repeats(self, since_ns: int, foreign: float = 0.0) -> bool:
        """Say whether the window that began then is to be taken again: its time is lost.

        ``foreign`` is the share of the CPUs that others used in it.
        """
        if self.lost_ns >= self._limit_ns or (self._is_usual(self._pace()) and foreign <= FOREIGN):
            return False
        self.lost_ns += self._now() - since_ns
        self.repeated += 1
        return True

    def record(self) -> Dict[str, int]:
        """Return what was lost, for the record of the noise; empty where nothing was awaited.

        ``used_up``: nothing more could be lost, so the rest was measured as it was.
        """
        if not self._limit_ns:
            return {}
        return {"lost_ns": self.lost_ns, "repeated": self.repeated, "used_up": int(self.lost_ns >= self._limit_ns)}

    def _steady(self) -> int:
        paces = [self._pace() for _ in range(STEADY)]
        return max(paces) if all([self._is_usual(pace) for pace in paces]) else 0

    def _is_usual(self, pace: int) -> bool:
        insort(self._seen, pace)
        return pace <= SLOW * (self._usual_ns or self._seen[len(self._seen) // 4])

    def _wake(self) -> None:
        end = self._now() + AWAKE_NS
        while self._now() < end:
            self._pace()
