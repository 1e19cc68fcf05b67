"""Which judge belongs to which goal; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any, Dict

from ..failures import Failure
from .base import Judge

JUDGES = {
    "classes": ".classes:Classes",
    "masks": ".masks:Masks",
    "pictures": ".pictures:Pictures",
    "boxes": ".boxes:Boxes",
    "transcripts": ".words:Words",
    "pairs": ".pairs:Pairs",
    "numbers": ".regression:Numbers",
    "own": ".base:Judge",
}
"""Goal -> ``module:class``."""


def choose(goal: str, runtime: Any, work: Dict[str, Any]) -> Judge:
    """Return the judge of a goal."""
    place = JUDGES.get(goal)
    if place is None:
        raise Failure("unsupported", "no metrics for the goal %r; known: %s" % (goal, ", ".join(sorted(JUDGES))))
    module, _, name = place.partition(":")
    judge: Judge = getattr(importlib.import_module(module, __package__), name)(runtime, work)
    return judge
