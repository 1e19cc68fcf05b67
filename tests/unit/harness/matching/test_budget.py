"""What a search may take: processor, clock and memory; what it answers when that is used up."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time
import types
import weakref
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dnnbox.harness import memory
from dnnbox.harness.matching import match_job, search
from dnnbox.harness.matching.budget import Budget
from dnnbox.harness.matching.building import TooLong, at_most
from dnnbox.harness.matching.room import Leftovers, bounded


@pytest.mark.parametrize("limits", [(0.05, 60.0), (60.0, 0.05)])
def test_at_most__processor_or_clock_is_used_up__stops(limits: tuple[float, float]) -> None:
    with pytest.raises(TooLong), at_most(*limits):
        sum(0 for _ in itertools.count())


def test_at_most__waiting_costs_no_processor__goes_on() -> None:
    with at_most(0.05, 60.0):
        time.sleep(0.1)


def test_budget__part_that_is_used_up__does_not_end_the_whole() -> None:
    budget = Budget(cpu_s=60.0, wall_s=600.0)

    with budget.part(-1.0):
        assert not budget.goes_on()
    assert budget.goes_on()
    assert not budget.ran_out


@pytest.mark.parametrize("limits", [{"cpu_s": -1.0}, {"wall_s": -1.0}], ids=["processor", "clock"])
def test_budget__used_up__ends_the_search_and_leaves_time_to_compare(limits: dict[str, float]) -> None:
    budget = Budget(**limits)

    assert not budget.goes_on()
    assert budget.ran_out
    if "cpu_s" in limits:
        budget.compare()
        assert budget.goes_on()


def test_budget__one_call__gets_no_more_than_is_left_on_the_clock() -> None:
    budget = Budget(wall_s=10.0)

    assert budget.seconds(60.0) <= 10.0
    assert budget.seconds(0.6) == pytest.approx(0.6)


def test_match_job__last_moment_does_not_end_the_process__the_search_still_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came = threading.Event()

    class Slow:
        tensors: ClassVar[dict[str, Any]] = {}

        def __init__(self, *_: Any) -> None:
            pass

        def run(self) -> None:
            assert came.wait(10.0)

        def answer(self) -> dict[str, Any]:
            return {"matches": []}

    monkeypatch.setattr(search, "Search", Slow)
    request = types.SimpleNamespace(work={"plan": {}, "seconds": 0.05}, sys_path=[], checkpoint="w.pt")
    context: Any = types.SimpleNamespace(request=request, fields={}, leave=lambda _: came.set(), enter=lambda _: None)

    match_job(context)

    assert context.fields["findings"] == {"match": {"matches": []}}


def test_each__one_that_takes_its_time__leaves_some_to_the_others() -> None:
    budget = Budget(cpu_s=10.0)

    left = [budget.cpu_left_s for _ in budget.each(["first", "second", "last"])]

    assert [round(seconds) for seconds in left] == [7, 7, 10]
    assert round(budget.cpu_left_s) == 10


@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_bounded__more_than_the_box_has__fails_like_any_other_call() -> None:
    room = 64 << 20

    with bounded(int((memory.status()["VmRSS"] + room) / 0.8)):
        with pytest.raises(MemoryError):
            bytearray(8 * room)
        assert len(bytearray(room // 8)) == room // 8

    assert len(bytearray(8 * room)) == 8 * room


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no count of memory")
def test_clear__a_large_object_in_a_cycle__is_gone_a_small_one_may_stay() -> None:
    class Held:
        def __init__(self, size: int) -> None:
            self.itself, self.data = self, b"x" * size

    gc.disable()
    try:
        leftovers = Leftovers()
        small = weakref.ref(Held(1 << 10))
        leftovers.clear()
        assert small() is not None
        large = weakref.ref(Held(512 << 20))
        leftovers.clear()
        assert large() is None
    finally:
        gc.enable()
