"""The little statistics that a measuring loop needs to know when to stop; summaries for reports are the host's."""

from __future__ import annotations

import math
from typing import List, Sequence, Tuple

Z_95 = 1.959963984540054
AGREEMENT = 0.03
TREND = 0.01


def median(values: Sequence[float]) -> float:
    """Return the median of a sequence that is not empty."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def median_interval(ordered: Sequence[float]) -> Tuple[float, float]:
    """Return the 95 % confidence interval of the median of *sorted* values by order statistics.

    Source: the binomial distribution of the rank, normal approximation; for few values it is the whole range.
    """
    n = len(ordered)
    reach = Z_95 * math.sqrt(n) / 2
    low = max(0, math.floor(n / 2 - reach))
    high = min(n - 1, math.ceil(n / 2 + reach))
    return ordered[low], ordered[high]


def half_width(values: Sequence[float]) -> float:
    """Return half the interval's width as a share of the median; infinite below six values."""
    if len(values) < 6:
        return math.inf
    ordered = sorted(values)
    low, high = median_interval(ordered)
    return (high - low) / 2 / max(median(ordered), 1)


def is_settled(medians: List[float]) -> bool:
    """Say whether the last three window medians agree and do not fall steadily."""
    if len(medians) < 3:
        return False
    first, second, third = medians[-3:]
    if max(first, second, third) > min(first, second, third) * (1 + AGREEMENT):
        return False
    return not (first > second > third and first - third > TREND * third)
