"""Compares the tensors of a checkpoint with those of one architecture: what agrees, what does not, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dnnbox.identify import keys
from dnnbox.identify.keys import Pair, Shape


class Reshaped(NamedTuple):
    """A tensor that both have with another shape."""

    name: str
    expected: Shape
    found: Shape


class Comparison(NamedTuple):
    """Names are the architecture's. ``missing``: the checkpoint lacks them; ``unexpected``: only the checkpoint has."""

    same: int
    reshaped: tuple[Reshaped, ...]
    missing: tuple[Pair, ...]
    unexpected: tuple[Pair, ...]
    outside: int = 0  # tensors of the checkpoint that are not under the prefix
    head_found: int = 0  # tensors of the architecture's head that the checkpoint has, in whatever shape

    @property
    def body_missing(self) -> tuple[Pair, ...]:
        """What is missing and does not belong to the head."""
        return tuple(pair for pair in self.missing if not keys.is_head(pair[0]))

    def closeness(self, explained: frozenset[str] = frozenset()) -> float:
        """Return a figure in [0, 1] for ranking: heads weigh little, a wrong shape counts half.

        A wrong shape that an argument explains counts 0.9, so that an architecture that fits as it is goes before
        one that must be told its sizes; a head that was added where the default is none counts a little less.

        Tensors that do not belong to the head and are on one side only weigh in full; outside the prefix, 0.3.
        """
        head_missing = len(self.missing) - len(self.body_missing)
        head_extra = sum(keys.is_head(name) for name, _ in self.unexpected)
        body_extra = len(self.unexpected) - head_extra
        head_reshaped = sum(keys.is_head(r.name) for r in self.reshaped)
        told = sum(r.name in explained and not keys.is_head(r.name) for r in self.reshaped)
        added = sum(name in explained and keys.is_head(name) for name, _ in self.unexpected)
        good = self.same + 0.9 * (head_reshaped + told) + 0.5 * (len(self.reshaped) - head_reshaped - told)
        good += 0.88 * added
        whole = self.same + len(self.reshaped) + len(self.body_missing) + body_extra + added
        whole_with_heads = whole + 0.2 * (head_missing + head_extra - added) + 0.3 * self.outside
        return good / whole_with_heads if whole_with_heads else 0.0

    def share(self, explained: int, explained_missing: int = 0) -> float:
        """Return the share of tensors explained, of the checkpoint's and of those missing.

        A head that is missing as a whole is no loss, a part of it is.
        ``explained`` is the number of reshaped or unexpected tensors that constructor arguments account for,
        ``explained_missing`` of missing ones.
        """
        missing = max(0, len(self.missing if self.head_found else self.body_missing) - explained_missing)
        whole = self.same + len(self.reshaped) + len(self.unexpected) + self.outside + missing
        return round((self.same + explained) / whole, 4) if whole else 0.0


def compare(model: Sequence[Pair], checkpoint: Sequence[Pair], outside: int = 0) -> Comparison:
    """Compare an architecture's tensors with a checkpoint's, prefix already stripped."""
    expected, found = dict(model), dict(checkpoint)
    common = expected.keys() & found.keys()
    reshaped = tuple(
        Reshaped(name, expected[name], found[name])
        for name, _ in model
        if name in common and expected[name] != found[name]
    )
    return Comparison(
        same=len(common) - len(reshaped),
        reshaped=reshaped,
        missing=tuple(pair for pair in model if pair[0] not in common),
        unexpected=tuple(pair for pair in checkpoint if pair[0] not in common),
        outside=outside,
        head_found=sum(keys.is_head(name) for name in common),
    )
