"""What the evaluation in the box found becomes figures with 95 % intervals. The box's numbers are foreign data."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox import text
from dnnbox.records.evaluation import Agreement, LabelledSet, MetricFigure, Quality
from dnnbox.records.run import RunOutcome
from dnnbox.results import told

RESAMPLES = 1000
_Z = 1.959963984540054


def quality(
    outcome: RunOutcome | None, dataset: LabelledSet | None, agreement: Agreement | None, *, reason: str = ""
) -> Quality | None:
    """Return ``metrics.json``, or None where nothing of it was asked for."""
    if dataset is None and agreement is None:
        return None
    found = outcome.result.findings if outcome is not None and outcome.result is not None else {}
    reasons = {"figures": reason or "the evaluation was not made"} if dataset is not None and not found else {}
    return Quality(
        dataset=_facts(dataset) if dataset else {},
        goal=dataset.goal if dataset else "",
        n=int(told.real(found.get("n")) or 0),
        failed=int(told.real(found.get("failed")) or 0),
        failures=tuple(_plain(item) for item in _list(found.get("failures"))[:10] if isinstance(item, Mapping)),
        seconds=told.real(found.get("seconds")),
        figures=tuple(figure for item in _list(found.get("figures")) if (figure := _figure(item)) is not None),
        agreement=agreement,
        notes=tuple(
            text.visible(str(note), 300)
            for note in (
                *(dataset.notes if dataset else ()),
                *_list(found.get("notes")),
                *filter(None, [found.get("stopped")]),
            )
        ),
        reasons=reasons,
    )


def answers(outcome: RunOutcome | None) -> list[Any]:
    """Return what the model answered to each item."""
    found = outcome.result.findings if outcome is not None and outcome.result is not None else {}
    return [_plain(item) for item in _list(found.get("answers")) if isinstance(item, Mapping)]


def _facts(dataset: LabelledSet) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "form": dataset.form,
        "items": dataset.total,
        "used": len(dataset.rows),
        "classes": len(dataset.classes) or len(dataset.categories) or None,
        "sha256": dataset.sha256,
    }


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        text.visible(str(key), 60): text.visible(value, 400) if isinstance(value, str) else value
        for key, value in item.items()
        if value is None or isinstance(value, str | int | float | bool)
    }


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _figure(item: Any) -> MetricFigure | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        return None
    interval, method = _interval(item)
    hits = told.real(item.get("hits"))
    return MetricFigure(
        name=text.visible(item["name"], 60),
        value=told.real(item.get("value")),
        n=int(told.real(item.get("n")) or 0),
        interval=interval,
        interval_method=method,
        unit=text.visible(str(item.get("unit") or ""), 20),
        better=str(item.get("better")) if item.get("better") in ("higher", "lower") else "",
        definition=text.visible(str(item.get("definition") or ""), 300),
        method=text.visible(str(item.get("method") or ""), 300),
        library=text.visible(str(item.get("library") or ""), 60),
        hits=int(hits) if hits is not None else None,
    )


def _interval(item: Mapping[str, Any]) -> tuple[tuple[float, float] | None, str]:
    hits, n = told.real(item.get("hits")), told.real(item.get("n"))
    if hits is not None and n:
        return wilson(int(hits), int(n)), "Wilson's interval of a share"
    values = [number for one in _list(item.get("values")) if (number := told.real(one)) is not None]
    if len(values) > 1:
        return _drawn([(value, 1.0) for value in values]), f"{RESAMPLES} seeded bootstrap samples of the items"
    pairs = [_pair(one) for one in _list(item.get("pairs"))]
    usable = [pair for pair in pairs if pair is not None]
    if len(usable) > 1:
        return _drawn(usable), f"{RESAMPLES} seeded bootstrap samples of the items"
    given = _list(item.get("interval"))
    low, high = (told.real(given[0]), told.real(given[1])) if len(given) == 2 else (None, None)
    if low is not None and high is not None and low <= high:
        return (low, high), "seeded bootstrap samples of the items, drawn in the box"
    return None, "no interval: too few items, or the metric gives no value for each"


def _pair(one: Any) -> tuple[float, float] | None:
    if not isinstance(one, list) or len(one) != 2:
        return None
    top, bottom = told.real(one[0]), told.real(one[1])
    return (top, bottom) if top is not None and bottom is not None else None


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927): honest for few items and near 0 and 1."""
    share, z2 = hits / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def _drawn(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the 95 % interval of sum over sum, by drawing the items again."""
    rng, n = random.Random(0), len(pairs)  # noqa: S311 - a statistic, no secret
    found = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(pairs, k=n)
        bottom = math.fsum(low for _, low in drawn)
        found.append(math.fsum(top for top, _ in drawn) / bottom if bottom else 0.0)
    found.sort()
    return found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES)]
