"""What a judge is: it sees every answered item, and says at the end how good the answers were."""

from __future__ import annotations

import math
import os
import random
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .. import trees

Figure = Dict[str, Any]
"""``name value n better definition method library`` and what the interval comes from, one of: ``hits`` (a share of
``n``), ``values`` (their mean), ``pairs`` (sum over sum), or ``interval`` itself."""

RESAMPLES = 400
RESAMPLING_S = 10.0


class Answered(NamedTuple):
    """One item and the model's answer: ``outputs`` are those of its whole batch, ``place`` is the item's row."""

    row: Dict[str, Any]
    outputs: Any
    place: int
    size: int
    decoded: Optional[Dict[str, Any]] = None
    other: Any = None

    @property
    def name(self) -> str:
        """What the item is called in a list of answers."""
        return os.path.basename(self.row["path"]) if "path" in self.row else str(self.row.get("text", ""))[:80]


class Judge:
    """Collects answers; ``answers`` is the list of what was said of each item."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        self.runtime, self.work = runtime, work
        self.notes: List[str] = []
        self.answers: List[Dict[str, Any]] = []

    def add(self, answered: Answered) -> None:
        """Take one answer."""

    def figures(self) -> List[Figure]:
        """Return the figures of all answers."""
        return []

    def note(self, text: str) -> None:
        """Keep a remark, once."""
        if text not in self.notes:
            self.notes.append(text)


def tensors(outputs: Any) -> List[Any]:
    """Return the tensors of a call's outputs, in order, as the library's own objects."""
    found: List[Any] = []

    def take(value: Any) -> Any:
        found.append(value)
        return value

    plain = dict(outputs.items()) if hasattr(outputs, "items") else outputs
    trees.convert(list(plain) if isinstance(plain, tuple) else plain, take)
    return found


def rows_of_rank(outputs: Any, rank: int) -> Any:
    """Return the first output of that rank, or None."""
    return next((value for value in tensors(outputs) if len(value.shape) == rank), None)


def numbers(value: Any) -> List[float]:
    """Return the flat numbers of a tensor of any library."""
    array = trees.to_array(value)
    return [] if array is None else [float(number) for number in array.values()]


def resampled(count: int, figure: Callable[[Sequence[int]], float]) -> Optional[List[float]]:
    """Return the 95 % interval of a figure over items, by drawing items with replacement; None where that is too slow.

    The draws are seeded. ``figure`` takes the places of the drawn items.
    """
    if count < 2:
        return None
    rng = random.Random(0)
    found: List[float] = []
    start = time.monotonic()
    for _ in range(RESAMPLES):
        found.append(figure([rng.randrange(count) for _ in range(count)]))
        if time.monotonic() - start > RESAMPLING_S:
            break
    usable = sorted(value for value in found if math.isfinite(value))
    if len(usable) < 100:
        return None
    return [usable[int(0.025 * len(usable))], usable[min(len(usable) - 1, int(0.975 * len(usable)))]]
