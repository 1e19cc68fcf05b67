"""What reading a source may take, in time of the processor, and what was left out because of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 60.0


class Clock:
    """Counts down. What is done first is what is likeliest to matter, so that what is left out matters least."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._start, self._seconds = time.process_time(), seconds
        self._ends: list[float] = []
        self.cut: list[str] = []

    def goes_on(self) -> bool:
        """Tell whether there is time left, of the whole and of each part that was begun."""
        return time.process_time() < min([self._start + self._seconds, *self._ends])

    @contextmanager
    def until(self, share: float) -> Iterator[None]:
        """End what happens inside when that share of the whole is used up."""
        with self._part(self._start + share * self._seconds):
            yield

    @contextmanager
    def share(self, share: float) -> Iterator[None]:
        """Give what happens inside at most that share of what is left."""
        now = time.process_time()
        with self._part(now + share * max(0.0, min([self._start + self._seconds, *self._ends]) - now)):
            yield

    @contextmanager
    def _part(self, end: float) -> Iterator[None]:
        self._ends.append(end)
        try:
            yield
        finally:
            self._ends.pop()
