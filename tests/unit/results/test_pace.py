"""The pace of each window, beside the latency that was measured in it."""

from __future__ import annotations

import pytest

from dnnbox.results import pace


def window(us: float, iterations: int) -> dict[str, object]:
    return {"pace_ns": int(us * 1e3), "iterations": iterations}


def test_windows__two__median_of_each_beside_its_pace() -> None:
    noise = {"windows": [window(140, 3), window(220, 2)]}
    assert pace.windows(noise, [1.0, 9.0, 2.0, 3.0, 5.0]) == [(140.0, 2.0), (220.0, 4.0)]


@pytest.mark.parametrize(
    "windows",
    [None, "x", [window(140, 6)], [window(0, 2)], [{"iterations": 2}], [window(140, 0)], ["x"], [{"pace_ns": "1"}]],
)
def test_windows__figures_that_do_not_fit__none(windows: object) -> None:
    assert pace.windows({"windows": windows}, [1.0] * 5) == []


@pytest.mark.parametrize(
    ("paces", "share"),
    [
        ([140, 150, 220, 145], 0.25),
        ([112, *[132] * 9], 0.0),  # one window in a boost of the clock
        ([*[112] * 3, *[190] * 7], 0.7),  # a neighbour for most of the time
        ([112, *[190] * 9], 0.9),
    ],
)
def test_slow_share__slower_than_the_best_pace(paces: list[float], share: float) -> None:
    assert pace.slow_share(paces) == share


def test_slow_share__no_pace__none() -> None:
    assert pace.slow_share([]) is None


def test_best_limit__usual_pace_known__bound_by_it() -> None:
    assert pace.best_limit([190.0] * 8, [112.0]) == 140.0
