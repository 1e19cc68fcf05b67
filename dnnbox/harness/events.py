"""Progress for the host's display: one JSON line an event, never more often than ten a second."""

from __future__ import annotations

import json
import os
import time
from types import TracebackType
from typing import Optional, Type

from .protocol import EVENTS, Event, encode

INTERVAL_S = 0.1


class Progress:
    """Appends to ``events.jsonl``. A new stage is always written; counts within a stage are thinned."""

    def __init__(self, run_dir: str) -> None:
        self._file = open(os.path.join(run_dir, EVENTS), "a", encoding="utf-8", buffering=1)
        self._stage = ""
        self._written = float("-inf")

    def __enter__(self) -> "Progress":  # noqa: PYI034 - typing.Self is not in Python 3.7
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._file.close()

    def show(self, stage: str, done: int = 0, total: int = 0, text: str = "") -> None:
        """Say where the job is; cheap enough to call between windows, not meant for inside a timed loop."""
        now = time.monotonic()
        if stage == self._stage and now - self._written < INTERVAL_S:
            return
        self._stage, self._written = stage, now
        self._file.write(json.dumps(encode(Event(stage, done, total, text))) + "\n")
