"""Targets and the decision."""

from __future__ import annotations

import pytest

from dnnbox.errors import Usage
from dnnbox.records.measurements import Cold, Contract, Memory, Statistics, Stats, Throughput, Warm
from dnnbox.results import METRICS, judge, parse

STATS = Stats(
    quality="quiet",
    warm=Warm(
        3, Statistics(p50=10.0, ci95=(9.8, 10.2), p90=12.0, p95=13.0, mean=10.4, n=400, intervals={"p95": (12.5, 14.0)})
    ),
    cold=Cold(5, {}, Statistics(p50=1200.0, n=5)),
    throughput=(Throughput(1, 98.0, 10.0, (97.0, 99.0)), Throughput(8, 200.0, 40.0)),
    memory=Memory(host_peak_mib=300.0),
    reasons={"warm.latency_ms.p99": "n too small: 400 of 460", "memory.vram_peak_mib": "no GPU was used"},
)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("latency_p50_ms<=11", "met"),
        ("latency_p50_ms<=10.1", "unknown"),
        ("latency_p50_ms<=9", "missed"),
        ("latency_p50_ms<9.7", "missed"),
        ("latency_p95_ms<=13.5", "unknown"),
        ("latency_p95_ms<=15", "met"),
        ("latency_p99_ms<=50", "unknown"),
        ("latency_mean_ms < 11", "met"),
        ("cold_total_ms<=1000", "missed"),
        ("throughput_items_s>=90", "met"),
        ("throughput_items_s>=98", "unknown"),
        ("throughput_best_items_s>=150", "met"),
        ("host_peak_mib<=512", "met"),
        ("host_peak_mib ≤ 2e2", "missed"),
        ("vram_peak_mib<=1", "unknown"),
    ],
)
def test_judge__one_target__has_its_status(target: str, status: str) -> None:
    found = judge(STATS, Contract(), [target]).targets[0]
    assert found.status == status
    assert found.delta is None or found.delta == pytest.approx((found.measured or 0) - found.target)


def test_judge__no_figure__says_why() -> None:
    assert judge(STATS, Contract(), ["latency_p99_ms<=50"]).targets[0].method == "not measured: n too small: 400 of 460"


@pytest.mark.parametrize(
    ("targets", "decision"),
    [
        ([], "unknown"),
        (["latency_p50_ms<=11", "host_peak_mib<=512"], "go"),
        (["latency_p50_ms<=11", "latency_p99_ms<=50"], "unknown"),
        (["latency_p99_ms<=50", "cold_total_ms<=1000"], "no-go"),
    ],
)
def test_judge__required_targets__decide(targets: list[str], decision: str) -> None:
    assert judge(STATS, Contract(), targets, ["cold_total_ms<=1"]).decision == decision


def test_judge__wanted_targets__never_decide() -> None:
    verdict = judge(STATS, Contract(), ["latency_p50_ms<=11"], ["cold_total_ms<=1"])
    assert (verdict.decision, verdict.targets[1].status, verdict.targets[1].required) == ("go", "missed", False)


def test_judge__failed_run__is_no_go() -> None:
    assert judge(Stats(), Contract(), ["latency_p50_ms<=11"], failed=True).decision == "no-go"


def test_judge__failed_check__is_no_go() -> None:
    contract = Contract(checks=({"name": "finite", "passed": False, "detail": "NaN"},))
    assert judge(STATS, contract, ["latency_p50_ms<=11"]).reasons == ("the check finite failed",)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("latency_p50<=1", "latency_p50_ms"),
        ("vram<=1", "vram_peak_mib"),
        ("speed=1", "METRIC<=NUMBER"),
        ("", "METRIC"),
        ("latency_p50_ms<=ten", "METRIC"),
    ],
)
def test_parse__nonsense__names_the_way_out(text: str, hint: str) -> None:
    with pytest.raises(Usage) as caught:
        parse(text)
    assert hint in caught.value.hint


def test_parse__every_metric__reads_back() -> None:
    assert {str(parse(f"{name}<=1.5")) for name in METRICS} == {f"{name}<=1.5" for name in METRICS}
