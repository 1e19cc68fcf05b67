"""Numbers against numbers: how far the model's only number is from the right one."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Sequence

from ..failures import Failure
from .base import Answered, Figure, Judge, numbers, resampled, tensors


class Numbers(Judge):
    """Takes the first output that holds one number for each item."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.misses: List[float] = []

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        for value in tensors(answered.outputs):
            row = numbers(value[answered.place]) if len(value.shape) > 0 else []
            if len(row) == 1:
                wanted = float(answered.row["label"])
                self.misses.append(row[0] - wanted)
                self.answers.append({"item": answered.name, "label": wanted, "answer": row[0]})
                return
        raise Failure("unsupported", "no output is one number for each item", "evaluate")

    def figures(self) -> List[Figure]:
        """Return the mean absolute and the root mean squared error."""
        misses, n = self.misses, len(self.misses)

        def root(drawn: Sequence[int]) -> float:
            return math.sqrt(sum(misses[place] ** 2 for place in drawn) / n)

        spread = resampled(n, root)
        sizes = [abs(miss) for miss in misses]
        common = {"n": n, "better": "lower", "library": "dnnbox", "method": "output minus label"}
        return [
            dict(common, name="mae", value=sum(sizes) / n, values=sizes, definition="mean absolute error"),
            dict(
                common,
                name="rmse",
                value=root(range(n)),
                interval=spread,
                definition="root mean squared error",
            ),
        ]
