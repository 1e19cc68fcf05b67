"""How figures are written, by the rules of the design."""

from __future__ import annotations

import pytest

from dnnbox.reports import numbers as n


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("ms", "interval", "shown"),
    [
        (14.6123, (14.5, 14.7), "14.6 ms"),
        (293.4, None, "293 ms"),
        (7840.0, None, "7.84 s"),
        (84_120.0, None, "84.1 s"),
        (252_300.0, None, "252 s"),
        (0.0421, None, "42.1 µs"),
        (81.9, (79.6, 86.3), "81.9 ms"),
        (81.94, (60.0, 99.0), "82 ms"),
        (1.8342, None, "1.83 ms"),
        (None, None, "–"),
    ],
)
def test_duration__rules_of_the_design__hold(
    ms: float | None, interval: tuple[float, float] | None, shown: str
) -> None:
    assert _plain(n.duration(ms, interval)) == shown


def test_interval__has_the_decimals_of_its_value() -> None:
    assert _plain(n.duration_interval(14.61, (14.52, 14.74))) == "14.5–14.7 ms"
    assert _plain(n.duration_interval(2512.0, (2400.0, 2630.0))) == "2.40–2.63 s"


@pytest.mark.parametrize(
    ("function", "value", "shown"),
    [
        (n.memory, 1341.4, "1.31 GiB"),
        (n.memory, 45.2, "45 MiB"),
        (n.memory, 24 * 1024.0, "24.0 GiB"),
        (n.size, 168_000_000, "168 MB"),
        (n.size, 412, "412 bytes"),
        (n.size, 0, "0 bytes"),
        (n.parameters, 42_000_000, "42.0 M"),
        (n.parameters, 7412, "7 412"),
        (n.percent, 0.783, "78 %"),
        (n.percent, 0.0071, "0.7 %"),
        (n.percent_cell, 0.4123, "41.2 %"),
        (n.seconds, 0.711, "0.71 s"),
        (n.seconds, 252.0, "252 s"),
        (n.rate, 1234.0, "1 234"),
        (n.plain, -0.5, "−0.5"),
        (n.half_width, 0.0004, "within ± 0.1 %"),
        (n.half_width, 0.0071, "± 0.7 %"),
        (n.memory, None, "–"),
    ],
)
def test_numbers__each_kind__has_its_unit_and_digits(function, value: float | None, shown: str) -> None:  # type: ignore[no-untyped-def]
    assert _plain(function(value)) == shown


def test_duration_like__difference__has_the_unit_of_what_it_came_from() -> None:
    assert _plain(n.duration_like(-512.0, 2512.0)) == "−0.51 s"
    assert _plain(n.duration_like(49.36, 0.640)) == "49.4 ms"


def test_units__stand_behind_a_non_breaking_space() -> None:
    for shown in (n.duration(14.6), n.memory(1341.0), n.percent(0.5), n.size(168e6), n.count(1000)):
        assert " " not in shown
        assert "\u00a0" in shown
