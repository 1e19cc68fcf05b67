"""What a report says of a run that waited for a quiet machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from dnnbox.records.measurements import Stats
from dnnbox.reports.noise_panel import waited


def told(noise: dict[str, Any]) -> str:
    return waited(cast("Any", SimpleNamespace(stats=Stats(noise=noise)))).plain().replace("\u00a0", " ")


@pytest.mark.parametrize(("used_up", "rest"), [(0, ""), (2, " That was not enough for 2 processes: the rest was")])
def test_waited__seconds_and_windows__are_told_and_whether_they_were_enough(used_up: int, rest: str) -> None:
    text = told({"waited": {"seconds": 4.3, "repeated_windows": 7, "used_up_processes": used_up}})

    assert text.startswith("Timing waited for the machine's usual speed: 4.30 s went to waiting, and 7 windows")
    assert ("That was not enough" in text) == bool(used_up)
    assert rest in text


def test_waited__nothing_was_awaited__nothing_is_said() -> None:
    assert told({}) == ""
