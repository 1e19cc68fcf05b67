"""What would have to change for a target to be met, or to be judged at all: in items, in milliseconds, in samples."""

from __future__ import annotations

import math

from dnnbox.records.evaluation import MetricFigure
from dnnbox.records.measurements import Target
from dnnbox.results.quality import wilson

_MOST_ITEMS = 10_000_000
_UNITS = {"_ms": " ms", "_mib": " MiB", "items_s": " items/s", "tokens_s": " tokens/s", "_j_per_item": " J"}


def needed(target: Target, relation: str, figure: MetricFigure | None) -> str:
    """Return one phrase; "" for a target that is met."""
    if target.status == "met" or target.measured is None:
        return "" if target.status == "met" else "a measured value"
    wants_less = relation.startswith("<")
    if target.status == "unknown":
        return _to_judge(target, figure)
    if figure is not None and figure.hits is not None and not wants_less:
        more = math.ceil(target.target * figure.n - 1e-9) - figure.hits
        return f"{more} more of {figure.n} right, and more than that for the interval to clear the limit"
    gap = abs(target.measured - target.target)
    share = f" ({100 * gap / abs(target.measured):.0f} % of the figure)" if target.measured else ""
    return f"{gap:.3g}{_unit(target, figure)} {'less' if wants_less else 'more'}{share}"


def _unit(target: Target, figure: MetricFigure | None) -> str:
    if figure is not None:
        return f" {figure.unit}" if figure.unit else ""
    return next((unit for end, unit in _UNITS.items() if target.metric.endswith(end)), "")


def _to_judge(target: Target, figure: MetricFigure | None) -> str:
    """Return how many items would settle it if the figure stayed as it is."""
    if figure is None or not figure.n:
        return "a narrower interval: more samples, or a quieter machine"
    if figure.hits is None:
        return f"a narrower interval: more than {figure.n} items"
    n = figure.n
    share = figure.hits / n
    if math.isclose(share, target.target):
        return "another model or another limit: the figure lies on the limit itself"
    while n < _MOST_ITEMS:
        n = math.ceil(n * 1.1) + 1
        low, high = wilson(round(share * n), n)
        if not low <= target.target <= high:
            return f"about {n} items with the same share of right answers, instead of {figure.n}"
    return f"far more than {figure.n} items"
