"""Which class a state dict belongs to: how much of its tree of names each class explains, down through its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dnnbox.sources.matching.classes import Attribute, Classes, ClassInfo, Kind, external_attributes, lineage
from dnnbox.sources.matching.external import CONTAINERS, LEAF_KEYS
from dnnbox.sources.matching.views import View

_DEEPEST = 6
_MOST_CHOICES, _MOST_PARTS = 8, 3
_OF_PATTERN, _ANY = 0.6, 0.35  # a name that is put together of pieces some of which are known; any name at all
_NO_NAME = "no_name_that_code_has"
_SHARE_OF_KEYS = 0.5  # the rest of a score is the share of the first names, whatever lies below them


class Names:
    """A tree of names: ``a.b.weight`` is a leaf below ``b`` below ``a``."""

    def __init__(self) -> None:
        self.children: dict[str, Names] = {}
        self.leaves = 1

    @classmethod
    def of(cls, keys: Iterable[str]) -> Names:
        """Return the tree of dotted keys."""
        root = cls()
        for key in keys:
            node = root
            for part in key.split("."):
                node = node.children.setdefault(part, Names())
        root.count()
        return root

    def count(self) -> int:
        """Count the leaves below, and keep the number."""
        self.leaves = sum(child.count() for child in self.children.values()) if self.children else 1
        return self.leaves


@dataclass(frozen=True)
class Ranked:
    """A class with the share of the names that it explains, 0 to 1."""

    info: ClassInfo
    score: float


@dataclass
class _Held:
    """What a class holds, its bases included."""

    attributes: dict[str, Attribute]
    patterns: list[re.Pattern[str]]
    is_sequence: bool
    wanted: tuple[str, ...] = field(default=())  # set always, and leaves keys


class Ranking:
    """Ranks the classes of a tree for trees of names; what a class holds is read once."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._held: dict[ClassInfo, _Held] = {}
        self._known: dict[tuple[ClassInfo, int], float] = {}

    def rank(self, keys: Iterable[str]) -> list[Ranked]:
        """Return every class that explains anything, best first; what is built somewhere goes before what is not."""
        names = Names.of(keys)
        self._known.clear()
        ranked = [Ranked(info, round(self.explained(info, names, 0), 4)) for info in self.classes.modules()]
        found = [each for each in ranked if each.score > 0]
        return sorted(found, key=lambda each: (-each.score, -min(each.info.calls, 3), each.info.ref))

    def explained(self, info: ClassInfo, names: Names, depth: int) -> float:
        """Return the share of ``names`` that a class explains."""
        key = (info, id(names))
        if key not in self._known:
            self._known[key] = 0.0  # a class that holds itself must not run in circles
            self._known[key] = self._explained(info, names, depth)
        return self._known[key]

    def _explained(self, info: ClassInfo, names: Names, depth: int) -> float:
        if not names.children:
            return 0.0
        held = self._held.get(info) or self._held.setdefault(info, self._holds(info))
        by_leaf = by_name = total = 0.0
        for name, below in names.children.items():
            share = self._share(info, held, name, below, depth)
            by_leaf += below.leaves * share
            by_name += share
            total += below.leaves
        score = _SHARE_OF_KEYS * by_leaf / total + (1 - _SHARE_OF_KEYS) * by_name / len(names.children)
        absent = sum(name not in names.children for name in held.wanted)
        return score * (1 - 0.6 * absent / len(held.wanted)) if held.wanted else score

    def _share(self, info: ClassInfo, held: _Held, name: str, below: Names, depth: int) -> float:
        attribute = held.attributes.get(name)
        if attribute is not None:
            return max((self._of_kind(info, kind, below, depth) for kind in attribute.kinds), default=0.0)
        if any(pattern.fullmatch(name) for pattern in held.patterns):
            return _OF_PATTERN if any(p.fullmatch(name) and not p.fullmatch(_NO_NAME) for p in held.patterns) else _ANY
        return 0.4 if held.is_sequence and name.isdigit() else 0.0

    def _of_kind(self, info: ClassInfo, kind: Kind, below: Names, depth: int) -> float:
        parts = below.children
        if kind.form == "class":
            return self._of_classes(info, kind.names, [below], depth) if parts else 0.0
        if kind.form == "leaf":
            return 1.0 if parts and set(parts) & LEAF_KEYS else 0.1
        if kind.form == "parameter":
            return 0.1 if parts else 1.0
        if kind.form == "sequence":
            return self._of_sequence(info, kind.names, below, depth) if parts else 0.0
        return {"unknown": 0.6, "argument": 0.55, "nothing": 0.05}.get(kind.form, 0.0)

    def _of_classes(self, info: ClassInfo, names: Sequence[str], below: Sequence[Names], depth: int) -> float:
        """Return how well the best of the named classes explains what lies below, on average."""
        if depth >= _DEEPEST:
            return 0.5
        found = [other for name in names for other in self.classes.resolve(name, info.module)][:_MOST_CHOICES]
        trees = [tree for tree in below if tree.children]
        if not trees:
            return 0.3
        best = [max((self.explained(other, tree, depth + 1) for other in found), default=0.0) for tree in trees]
        return 0.3 + 0.7 * sum(best) / len(best)

    def _of_sequence(self, info: ClassInfo, items: Sequence[str], below: Names, depth: int) -> float:
        """Return how well a sequence explains its items: torch's layers, and parts of the classes that it is of."""
        numbered = all(part.isdigit() for part in below.children)
        if not numbered:
            return 0.6 if items else 0.2
        children = list(below.children.values())
        parts = [child for child in children if not set(child.children) & LEAF_KEYS]
        if not parts or not items:
            return 0.7 if bool(parts) == bool(items) else 0.6
        best = self._of_classes(info, items, parts[:_MOST_PARTS], depth)
        return max(0.5, 0.7 + 0.3 * best if best > 0.5 else best)

    def _holds(self, info: ClassInfo) -> _Held:
        line = list(lineage(info, self.classes))
        attributes = {name: Attribute({Kind("unknown")}) for name in external_attributes(line, self.classes)}
        patterns: list[re.Pattern[str]] = []
        for each in reversed(line):
            attributes.update(each.attributes)
            patterns += [re.compile(text) for text in each.patterns]
        wanted = tuple(name for name, attribute in attributes.items() if _always_shows(attribute))
        is_sequence = any(each.module.original(base) in CONTAINERS for each in line for base in each.bases)
        return _Held(attributes, patterns, is_sequence, wanted)


def _always_shows(attribute: Attribute) -> bool:
    forms = {kind.form for kind in attribute.kinds}
    return not attribute.optional and bool(forms & {"class", "leaf", "parameter", "sequence"})


def best_views(ranking: Ranking, views: Sequence[View], most: int) -> list[tuple[str, Ranked]]:
    """Return the best classes over several readings of the same state dict, as (view, class).

    A view that leaves keys out must explain more to be as good: scores are shares of all keys.
    """
    found = [
        (view.name, Ranked(each.info, round(each.score * (0.4 + 0.6 * view.share), 4)))
        for view in views
        for each in ranking.rank(view.keys)[:most]
    ]
    return sorted(found, key=lambda pair: -pair[1].score)[:most]
