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


def test_slow_share__of_the_fastest() -> None:
    assert pace.slow_share([140, 150, 220, 145]) == 0.25
    assert pace.slow_share([]) is None
