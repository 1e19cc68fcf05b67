"""Embeddings: does the cosine of two vectors follow how alike two items are said to be."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Sequence

from ..failures import Failure
from .base import Answered, Figure, Judge, numbers, resampled, tensors


class Pairs(Judge):
    """Each item has an ``other``, and a number that says how alike the two are."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.cosines: List[float] = []
        self.wanted: List[float] = []

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        one = vector(answered.outputs, answered.place)
        other = vector(answered.other, answered.place)
        self.cosines.append(cosine(one, other))
        self.wanted.append(float(answered.row["label"]))
        entry = {"item": answered.name, "label": self.wanted[-1], "answer": round(self.cosines[-1], 6)}
        self.answers.append(entry)

    def figures(self) -> List[Figure]:
        """Return Spearman's and Pearson's correlation; for labels 0 and 1 the area under the ROC curve."""
        n = len(self.wanted)
        named: List[Any] = [
            ("spearman", spearman, "correlation of the ranks of cosine and label"),
            ("pearson", pearson, "linear correlation of cosine and label"),
        ]
        if set(self.wanted) == {0.0, 1.0}:
            named.append(("roc_auc", area, "chance that a pair labelled 1 has a larger cosine than one labelled 0"))
        found = []
        for name, function, definition in named:

            def of(drawn: Sequence[int], function: Any = function) -> float:
                return float(function([self.cosines[i] for i in drawn], [self.wanted[i] for i in drawn]))

            figure: Figure = {"name": name, "value": of(range(n)), "n": n, "better": "higher", "library": "dnnbox"}
            figure.update(definition=definition, method="cosine of the two vectors", interval=resampled(n, of))
            found.append(figure)
        mean = sum(self.cosines) / n
        figure = {"name": "cosine", "value": mean, "n": n, "values": self.cosines, "better": "", "library": "dnnbox"}
        found.append(dict(figure, definition="cosine of the two vectors, averaged", method="over all pairs"))
        return found


def vector(outputs: Any, place: int) -> List[float]:
    """Return an item's vector: its row of the output of rank 2, or the mean over the tokens of one of rank 3."""
    every = tensors(outputs)
    for value in every:
        if len(value.shape) == 2:
            return numbers(value[place])
    for value in every:
        if len(value.shape) == 3:
            return numbers(value[place].mean(0))
    raise Failure("unsupported", "no output is a vector for each item", "evaluate")


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors; 0 for one without length."""
    length = math.sqrt(math.fsum(a * a for a in one)) * math.sqrt(math.fsum(b * b for b in other))
    return math.fsum(a * b for a, b in zip(one, other)) / length if length else 0.0


def pearson(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the linear correlation; NaN where one side does not vary."""
    middle, centre = sum(one) / len(one), sum(other) / len(other)
    spread = math.sqrt(sum((a - middle) ** 2 for a in one) * sum((b - centre) ** 2 for b in other))
    return sum((a - middle) * (b - centre) for a, b in zip(one, other)) / spread if spread else math.nan


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the correlation of ranks, ties at their mean rank."""
    return pearson(ranks(one), ranks(other))


def ranks(values: Sequence[float]) -> List[float]:
    """Return the rank of each value from 1, ties at their mean."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            found[place] = (start + end) / 2 + 1
        start = end + 1
    return found


def area(scores: Sequence[float], wanted: Sequence[float]) -> float:
    """Return the area under the ROC curve; NaN where one class is missing."""
    ranked = ranks(scores)
    ones = [rank for rank, label in zip(ranked, wanted) if label == 1]
    zeros = len(wanted) - len(ones)
    if not ones or not zeros:
        return math.nan
    return (sum(ones) - len(ones) * (len(ones) + 1) / 2) / (len(ones) * zeros)
