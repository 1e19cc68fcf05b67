"""Classification: is the right class the best one, or among the five best; F1 over classes; what is taken for what."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..failures import Failure
from .base import Answered, Figure, Judge, numbers, resampled, rows_of_rank

TOP = 5


class Classes(Judge):
    """Takes the model's scores, or an adapter's decoded ``top`` list."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.truth: List[int] = []
        self.guesses: List[List[int]] = []
        self.places: Optional[Dict[str, int]] = None
        self.names: List[str] = []
        self.width = 0

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        order, chance = self._order(answered)
        if self.places is None:
            self.places = self._match(list(self.work.get("classes") or []), self.runtime.class_names(), self.width)
        label = str(answered.row["label"])
        self.truth.append(self.places[label])
        self.guesses.append(order)
        entry: Dict[str, Any] = {"item": answered.name, "label": label, "answer": self._name(order[0])}
        entry["right"] = order[0] == self.places[label]
        if chance is not None:
            entry["score"] = round(chance, 6)
        self.answers.append(entry)

    def _order(self, answered: Answered) -> Tuple[List[int], Optional[float]]:
        """Return the classes from the most to the least likely (the first ones at least), and the best's score."""
        top = (answered.decoded or {}).get("top")
        value = rows_of_rank(answered.outputs, 2)
        if self.runtime.must_explain and isinstance(top, list) and top:
            self.width = max([self.width] + [int(entry["class"]) + 1 for entry in top])
            return [int(entry["class"]) for entry in top], top[0].get("probability")
        if value is None:
            raise Failure("unsupported", "no output has the shape [batch, classes]", "evaluate")
        row = numbers(value[answered.place])
        self.width = len(row)
        if len(row) == 1:
            return ([1, 0] if row[0] > (0.5 if 0 <= row[0] <= 1 else 0.0) else [0, 1]), row[0]
        order = sorted(range(len(row)), key=lambda place: -row[place])
        return order[: max(TOP, 1)], row[order[0]]

    def _match(self, labels: Sequence[str], model: Sequence[str], width: int) -> Dict[str, int]:
        """Return the model's class for each label of the dataset, by name, by number, or by order."""
        by_name: Dict[str, int] = {}
        for place, name in enumerate(model):
            for word in [name] + str(name).split(","):
                by_name.setdefault(_plain(word), place)
        if by_name and all(_plain(label) in by_name for label in labels):
            self.names = list(model)
            self.note("labels of the dataset are matched with the model's class names")
            return {label: by_name[_plain(label)] for label in labels}
        if all(re.fullmatch(r"\d{1,6}", label) for label in labels) and all(int(label) < width for label in labels):
            self.names = list(model)
            self.note("labels of the dataset are class numbers")
            return {label: int(label) for label in labels}
        if len(labels) == width or (width == 1 and len(labels) == 2):
            self.names = list(labels)
            self.note("labels are matched by alphabetical order with the model's outputs: assumed")
            return {label: place for place, label in enumerate(labels)}
        unknown = [label for label in labels if _plain(label) not in by_name][:3]
        text = "labels %s of the dataset are none of the model's %d classes: name folders by class number or class name"
        raise Failure("unsupported", text % (", ".join(unknown), width), "evaluate")

    def _name(self, place: int) -> str:
        return self.names[place] if place < len(self.names) else str(place)

    def figures(self) -> List[Figure]:
        """Return top-1, top-5, and the macro averages."""
        n = len(self.truth)
        hits = sum(order[0] == right for order, right in zip(self.guesses, self.truth))
        found = [_share("top1", hits, n, "share of items whose best class is the right one")]
        if self.width > TOP:
            among = sum(right in order[:TOP] for order, right in zip(self.guesses, self.truth))
            found.append(_share("top5", among, n, "share of items whose right class is among the five best"))
        best = [order[0] for order in self.guesses]
        for name, place in (("precision_macro", 0), ("recall_macro", 1), ("f1_macro", 2)):
            found.append(self._macro(name, best, place))
        return found

    def _macro(self, name: str, best: Sequence[int], place: int) -> Figure:
        truth = self.truth

        def of(drawn: Sequence[int]) -> float:
            return macro([truth[i] for i in drawn], [best[i] for i in drawn])[place]

        words = ("precision", "recall", "F1")[place]
        return {
            "name": name,
            "value": of(range(len(truth))),
            "n": len(truth),
            "better": "higher",
            "definition": "%s of each class that occurs as label or answer, averaged with equal weight" % words,
            "method": "from the best class of each item",
            "library": "dnnbox",
            "interval": resampled(len(truth), of),
        }


def macro(truth: Sequence[int], guesses: Sequence[int]) -> Tuple[float, float, float]:
    """Return macro precision, recall and F1 over the classes that occur; an empty ratio counts as 0."""
    right: Dict[int, int] = {}
    given: Dict[int, int] = {}
    wanted: Dict[int, int] = {}
    for one, other in zip(truth, guesses):
        wanted[one] = wanted.get(one, 0) + 1
        given[other] = given.get(other, 0) + 1
        if one == other:
            right[one] = right.get(one, 0) + 1
    classes = set(wanted) | set(given)
    sums = [0.0, 0.0, 0.0]
    for name in classes:
        hits = right.get(name, 0)
        sums[0] += hits / given[name] if name in given else 0.0
        sums[1] += hits / wanted[name] if name in wanted else 0.0
        sums[2] += 2 * hits / (given.get(name, 0) + wanted.get(name, 0))
    count = max(1, len(classes))
    return sums[0] / count, sums[1] / count, sums[2] / count


def _share(name: str, hits: int, n: int, definition: str) -> Figure:
    return {
        "name": name,
        "value": hits / n,
        "n": n,
        "hits": hits,
        "better": "higher",
        "definition": definition,
        "method": "from the scores of each item",
        "library": "dnnbox",
    }


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", str(word).lower())
