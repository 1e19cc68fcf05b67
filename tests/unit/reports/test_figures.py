"""Figures: inside their frame, labels that do not collide, values in the label that is read out."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from dnnbox.reports import figures
from dnnbox.reports.canvas import WIDTHS, Size, text_width, ticks_between
from dnnbox.reports.latency_figure import LatencySeries, latency, spread

TEXT = re.compile(r'<text x="([\d.-]+)" y="([\d.-]+)"(?: class="([^"]*)")?(?: text-anchor="(\w+)")?>([^<]*)</text>')
SIZES: tuple[Size, ...] = ("s", "m")


def _boxes(svg: str) -> list[tuple[float, float, float, float, str]]:
    boxes = []
    for x, y, css, anchor, words in TEXT.findall(svg):
        width = text_width(words.replace("&lt;", "<"), 11.5 if "tk" in css else 12)
        left = float(x) - (width if anchor == "end" else width / 2 if anchor == "middle" else 0)
        boxes.append((left, float(y) - 9, left + width, float(y) + 2, words))
    return boxes


def _collisions(svg: str) -> list[tuple[str, str]]:
    boxes = _boxes(svg)
    return [
        (a[4], b[4])
        for i, a in enumerate(boxes)
        for b in boxes[i + 1 :]
        if a[0] < b[2] - 2 and b[0] < a[2] - 2 and a[1] < b[3] - 1 and b[1] < a[3] - 1
    ]


COLD = {
    "usual": (68.5, 1960.0, 288.0, 212.0),
    "fast": (12.0, 80.0, 3.0, 1.5),
    "slow load": (60.0, 2200.0, 41_000.0, 900.0),
    "all alike": (500.0, 500.0, 500.0, 500.0),
    "tiny": (0.4, 0.2, 0.1, 0.05),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("limit", [None, 0.5, 0.98, 1.0, 1.03, 1.6])
@pytest.mark.parametrize("name", COLD)
def test_waterfall__any_stages_and_limit__fits_and_does_not_collide(name: str, limit: float | None, size: Size) -> None:
    names = ("Start process", "Import packages", "Load weights", "First inference")
    bars = [figures.Bar(n, ms) for n, ms in zip(names, COLD[name], strict=True)]
    total = sum(COLD[name])
    svg = figures.waterfall(bars, total, None if limit is None else total * limit, missed=True)(size).svg()
    assert _collisions(svg) == []
    assert all(left >= -1 and right <= WIDTHS[size] + 2 for left, _, right, _, _ in _boxes(svg))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "values", [(0.49, 7.4, 0.25), (6.8, 74.9, 0.1), (900.0, 2.0, 1500.0), (0.0001, 0.0002, 0.0001)]
)
def test_stages__any_values__fit_and_do_not_collide(values: tuple[float, float, float], size: Size) -> None:
    bars = [figures.Bar(n, ms, 0.5, "f1") for n, ms in zip(("Preprocess", "Model", "Postprocess"), values, strict=True)]
    svg = figures.stages(bars, sum(values))(size).svg()
    assert _collisions(svg) == []
    assert "Model" in re.findall(r'aria-label="([^"]*)"', svg)[0]


@pytest.mark.parametrize("size", ["s", "m", "l"])
@pytest.mark.parametrize("limit", [None, 1.0, 7.8, 8.2, 8.5, 20.0])
def test_latency__close_percentiles__are_moved_apart(limit: float | None, size: Size) -> None:
    series = LatencySeries(
        processes=[[[8.0, 8.1, 8.2]] * 300] * 3,
        counts=[3, 40, 300, 200, 20, 1],
        low_ms=7.9,
        step_ms=0.1,
        beyond=3,
        lines=(("p50", 8.12), ("p90", 8.14), ("p95", 8.15)),
        interval=(8.11, 8.13),
        limit=None if limit is None else ("p95 ≤ 8 ms", limit),
        total_n=900,
    )
    svg = latency(series)(size).svg()
    assert _collisions(svg) == []
    if limit == 20.0:  # beyond the axis
        assert "↑ p95 ≤ 8 ms" in svg
    assert all(right <= WIDTHS[size] + 2 for _, _, right, _, _ in _boxes(svg))


def test_spread__close_labels__keep_their_order_and_distance() -> None:
    places = spread([100, 101, 99, 200], 15, 0, 300)
    assert places[2] < places[0] < places[1] < places[3]
    ordered = sorted(places)
    assert all(b - a >= 14.9 for a, b in pairwise(ordered))


@pytest.mark.parametrize(
    "points",
    [
        [(1, 8.1, 122.0), (8, 44.6, 179.0), (32, 139.0, 230.0)],
        [(1, 0.01, 99_000.0), (2, 5000.0, 0.4)],
        [(4, 1.0, 1.0), (8, 1.0, 1.0)],
        [(1, 0.64, 823.0), (8, 2.81, 2656.0), (32, 11.4, 2433.0)],
    ],
)
def test_batches__any_points__do_not_collide(points: list[tuple[int, float, float]]) -> None:
    for size in SIZES:
        assert _collisions(figures.batches(points)(size).svg()) == []


def test_batches__line_that_falls_to_its_end__has_the_label_below() -> None:
    svg = figures.batches([(1, 1.0, 900.0), (8, 2.0, 2656.0), (32, 4.0, 2433.0)])("m").svg()
    heights = {words: float(y) for y, words in re.findall(r'<text x="[^"]*" y="([^"]*)"[^>]*>([^<]*)</text>', svg)}
    last = re.findall(r'cy="([^"]*)"', svg)[-1]
    assert heights["2\u00a0433"] > float(last)
    assert heights["4.00"] < float(re.findall(r'cy="([^"]*)"', svg)[2])


@pytest.mark.parametrize(("low", "high"), [(0, 2.55), (0, 0.003), (7.9, 8.4), (0, 84_000), (5, 5), (0, 1)])
def test_ticks__any_range__cover_it_with_few_round_steps(low: float, high: float) -> None:
    ticks = ticks_between(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high * 0.999999
    assert 2 <= len(ticks) <= 8
