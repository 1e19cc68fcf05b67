"""Figures that a box told: taken where they are what they should be, else left out."""

from __future__ import annotations

import math
from typing import Any


def whole(value: Any) -> int | None:
    """Return a count of at least one, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def real(value: Any) -> float | None:
    """Return a finite number, None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None
