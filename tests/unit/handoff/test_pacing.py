"""Runs are compared where the machine was equally fast: a slow hour is no slower model, and hides none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnnbox.handoff import pacing
from dnnbox.handoff.gating import gate
from dnnbox.records.measurements import Statistics, Stats
from tests.unit.handoff.made import QUIET, opened, slower

FAST, SLOW = 140.0, 220.0


def at(
    *windows: tuple[float, float], usual_us: float = FAST, python: str = "cpython 3.11", share: float = 0.0
) -> Stats:
    """A run of one process with these windows; its whole figures are those of a machine that was slow."""
    noise = {
        "processes": [{"pace": [list(window) for window in windows]}],
        "pace": {"best_us": min(us for us, _ in windows), "usual_us": usual_us, "python": python},
    }
    stats = slower(QUIET, share)
    return replace(stats, noise=noise, warm=replace(stats.warm, processes=1, per_process_p50_ms=()))


CALM = at((FAST, 10.0), (FAST + 3, 10.05), (FAST - 2, 9.98))


def test_gate__whole_run_on_a_slower_machine__unknown_not_regression() -> None:
    slow_hour = at((SLOW, 12.5), (SLOW + 9, 12.8), (SLOW - 4, 12.4), share=0.25)

    answer = gate(opened(slow_hour), opened(CALM))

    assert answer.code == 4
    assert "the machine itself was 57 % slower" in next(r.reason for r in answer.rules if r.status == "unknown")


def test_gate__far_more_than_the_machine_explains__regression_all_the_same() -> None:
    slow_hour = at((SLOW, 32.0), (SLOW, 33.0), share=2.2)
    assert gate(opened(slow_hour), opened(CALM)).code == 3


@pytest.mark.parametrize(("ms", "code"), [(10.02, 0), (11.0, 3)])
def test_gate__a_part_at_the_best_pace__that_part_decides(ms: float, code: int) -> None:
    mixed = at((SLOW, 13.0), (FAST, ms), (FAST + 2, ms * 1.003), (SLOW, 13.4), share=0.3)

    answer = gate(opened(mixed), opened(CALM))

    assert answer.code == code
    rule = next(r for r in answer.rules if r.metric == "latency_p50_ms")
    assert rule.basis == "3 of 3 and 2 of 4 windows at the machine's best pace"
    assert rule.value == pytest.approx(ms, rel=0.01)


def test_gate__regression_that_a_slow_baseline_hides_in_its_stages__names_no_stage() -> None:
    def with_model(stats: Stats, ms: float) -> Stats:
        return replace(stats, warm=replace(stats.warm, stages_ms={"model": Statistics(p50=ms)}))

    baseline = with_model(at((SLOW, 14.0), (FAST, 10.0), (FAST, 10.02), (SLOW, 14.2), (SLOW, 14.2), share=0.4), 14.0)
    candidate = with_model(at((FAST, 11.0), (FAST, 11.02), (FAST, 11.01), share=0.1), 11.0)

    rule = next(r for r in gate(opened(candidate), opened(baseline)).rules if r.metric == "latency_p50_ms")

    assert (rule.status, rule.reason) == ("missed", "")


def test_gate__both_in_a_slow_hour__known_by_what_the_machine_usually_does() -> None:
    one, other = at((SLOW, 12.0), (SLOW, 12.1), share=0.2), at((SLOW, 13.5), (SLOW, 13.4), share=0.2)

    paced = pacing.at_equal_pace(one, other)

    assert paced is not None
    assert paced.sides is None
    assert gate(opened(other), opened(one)).code != 3


def test_at_equal_pace__another_interpreter_or_no_pace__not_compared() -> None:
    assert pacing.at_equal_pace(CALM, at((90.0, 10.0), python="cpython 3.14")) is None
    assert pacing.at_equal_pace(CALM, QUIET) is None


def of_processes(*processes: tuple[float, float], **changes: object) -> Stats:
    """A run of several processes, each with three windows at this pace and of this latency."""
    stats = at((FAST, 10.0))
    listed = [{"pace": [[us, ms], [us + 1, ms * 1.001], [us - 1, ms * 0.999]]} for us, ms in processes]
    return replace(stats, noise={**stats.noise, "processes": listed}, **changes)  # type: ignore[arg-type]


def test_gate__clock_a_little_lower__is_no_slower_model() -> None:
    base = of_processes(*[(FAST, 10.0 + k / 50) for k in range(5)])
    drifted = of_processes(*[(1.06 * FAST, 10.6 + k / 50) for k in range(5)])

    rule = next(r for r in gate(opened(drifted), opened(base)).rules if r.metric == "latency_p50_ms")

    assert rule.status == "met"
    assert rule.change is not None
    assert abs(rule.change.share) < 0.01
    assert rule.basis.endswith("latencies × 0.949 for the difference left")


def test_at_equal_pace__one_boosted_window__does_not_leave_the_others_out() -> None:
    base = at((FAST, 10.0), (FAST + 2, 10.1), (FAST, 10.0), (0.85 * FAST, 8.5), usual_us=0.9 * FAST)

    paced = pacing.at_equal_pace(base, CALM)

    assert paced is not None
    assert paced.basis.startswith("4 of 4 and 3 of 3 windows")


def test_gate__clock_a_little_higher__makes_no_regression_on_its_own() -> None:
    """A model bound by memory does not follow the clock."""
    base = of_processes(*[(FAST, 10.0 + k / 50) for k in range(5)])
    boosted = of_processes(*[(0.9 * FAST, 10.0 + k / 50) for k in range(5)])

    assert gate(opened(boosted), opened(base)).code == 0


def test_at_equal_pace__model_on_a_gpu__latencies_do_not_follow_the_processor() -> None:
    sides = of_processes((FAST, 10.0), (FAST, 10.1)), of_processes((1.1 * FAST, 10.0), (1.1 * FAST, 10.1))

    followed, own = (paced.scale for on in (True, False) if (paced := pacing.at_equal_pace(*sides, on_cpu=on)))

    assert 1 / 1.1 < followed < 0.95
    assert own == 1.0


def test_at_equal_pace__paces_that_differ_within_a_run__hardly_correct_and_widen_the_interval() -> None:
    known = of_processes(*[(FAST, 10.0)] * 5), of_processes(*[(1.05 * FAST, 10.5)] * 5)
    unknown = known[0], of_processes(*[(share * FAST, 10.5) for share in (1.0, 1.1, 1.0, 1.14, 1.01)])

    sure, unsure = (pacing.at_equal_pace(*sides) for sides in (known, unknown))

    assert sure is not None
    assert unsure is not None
    assert sure.scale < unsure.scale < 1
    assert sure.sides is not None
    assert unsure.sides is not None
    assert unsure.sides[1].error > sure.sides[1].error


@pytest.mark.parametrize(("reason", "code"), [("the processes differ from each other", 3), ("it warms up for ever", 4)])
def test_gate__unstable__judged_at_equal_pace_where_only_the_processes_differ(reason: str, code: int) -> None:
    checks = [{"text": "the processes differ from each other", "ok": False}]
    base = of_processes(*[(FAST, 10.0 + k / 5) for k in range(5)])
    base = replace(base, quality="unstable", noise={**base.noise, "checks": checks, "reasons": [reason]})
    other = of_processes(*[(FAST, 13.0 + k / 5) for k in range(5)])

    assert gate(opened(other), opened(base)).code == code
