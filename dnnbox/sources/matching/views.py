"""The readings of a state dict: as it is, without a wrapper's prefix, or one part of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dnnbox.records.inspection import Inspection
from dnnbox.sources.matching.external import LEAF_KEYS

WRAPPERS = ("module", "_orig_mod", "_forward_module")
"""What DistributedDataParallel, torch.compile and Fabric put before every name."""

_SMALLEST_PART = 0.25
_MOST_PARTS = 4


@dataclass(frozen=True)
class View:
    """Keys as a class would name them. ``prefix`` is what was cut off; keys without it are left out."""

    name: str
    prefix: str
    keys: tuple[str, ...]
    left_out: int = 0

    @property
    def share(self) -> float:
        """Which part of all keys it stands for."""
        return len(self.keys) / (len(self.keys) + self.left_out or 1)

    def as_json(self) -> dict[str, Any]:
        """Return it for the box, which reads the keys itself."""
        return {"name": self.name, "prefix": self.prefix, "count": len(self.keys), "left_out": self.left_out}


def views_of(inspection: Inspection) -> tuple[View, ...]:
    """Return the views, the likeliest first."""
    return of_keys([tensor.name for tensor in inspection.tensor_list])


def of_keys(keys: Sequence[str]) -> tuple[View, ...]:
    """Return the views of a list of keys: common wrappers are always cut off, other first names are offered."""
    prefix, rest = "", list(keys)
    while rest and (wrapper := next((w for w in WRAPPERS if all(k.startswith(f"{w}.") for k in rest)), "")):
        prefix += f"{wrapper}."
        rest = [key[len(wrapper) + 1 :] for key in rest]
    views = [View("whole", prefix, tuple(rest))]
    first = Counter(key.partition(".")[0] for key in rest if "." in key)
    parts = {name: _part(rest, name) for name, _ in first.most_common(_MOST_PARTS)}
    for name in sorted(parts, key=lambda name: (-first[name], "ema" not in name.lower(), list(first).index(name))):
        if len(parts[name]) >= max(2, _SMALLEST_PART * len(rest)) and not name.isdigit():
            # An average beside what it is an average of: the one stands for both.
            copies = sum(len(other) for each, other in parts.items() if each != name and set(other) == set(parts[name]))
            left_out = len(rest) - len(parts[name]) - copies
            views.append(View(name, f"{prefix}{name}.", parts[name], left_out))
    return tuple(views)


def words_of(inspection: Inspection) -> frozenset[str]:
    """Return the pieces of the tensors' names that a source has to spell out."""
    parts = {part for tensor in inspection.tensor_list for part in tensor.name.split(".")}
    return frozenset(part for part in parts if part.isidentifier() and part not in LEAF_KEYS)


def _part(keys: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(key[len(name) + 1 :] for key in keys if key.startswith(f"{name}."))
