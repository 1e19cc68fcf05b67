"""``doctor --bench``: a real short measurement, and what its figures are taken for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.cli import doctor_bench
from dnnbox.cli.doctor_bench import Bench
from dnnbox.harness.protocol import MeasurePlan
from dnnbox.records.measurements import Stats

GOOD = Bench("quiet", 0.8, 0.002, 0.004, 0.004, 1.05, 90, 3)


def lines(found: Bench, stats: Stats | None = None) -> dict[str, tuple[str, str]]:
    return {check.name: (check.status, check.detail) for check in doctor_bench._checks(found, stats or Stats())}


def test_bench__this_machine__is_measured_by_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = MeasurePlan(min_iterations=90, min_seconds=0.1, max_seconds=0.6, warmup_max_seconds=0.3)
    monkeypatch.setattr(doctor_bench, "PLAN", plan)
    monkeypatch.setattr(doctor_bench, "PROCESSES", 2)
    found, checks = doctor_bench.bench()
    assert found.processes == 2
    assert found.quality in ("quiet", "contended", "unstable")
    assert found.p50_ms is not None
    assert found.resolution_share is not None
    assert found.resolution_share >= (found.process_spread_share or 0)
    assert {"Quiet", "Resolution", "Timer"} <= {check.name for check in checks}
    assert all(check.fix for check in checks if check.status == "warning")


def test_checks__quiet_machine__is_fine() -> None:
    told = lines(GOOD)
    assert {status for status, _ in told.values()} == {"ok"}
    assert "more than 0.4" in told["Resolution"][1]


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (replace(GOOD, quality="contended", reasons=("others used the CPUs",)), "Quiet"),
        (replace(GOOD, quality="contended"), "Resolution"),
        (replace(GOOD, resolution_share=0.03), "Resolution"),
        (replace(GOOD, resolution_share=0.3), "Resolution"),
        (replace(GOOD, p95_over_p50=2.0), "Tail"),
        (replace(GOOD, timer_ns=9000), "Timer"),
    ],
)
def test_checks__machine_that_bends_figures__warns(found: Bench, name: str) -> None:
    assert lines(found)[name][0] == "warning"


def test_checks__drift__is_named() -> None:
    stats = Stats()
    drifting = replace(stats, warm=replace(stats.warm, drift="rises by 7 % within a process"))
    assert lines(GOOD, drifting)["Steadiness"] == ("warning", "rises by 7 % within a process")


def test_machine__settings_of_the_kernel__are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpu, quota = tmp_path / "cpu", tmp_path / "cpu.max"
    (cpu / "cpu0" / "cpufreq").mkdir(parents=True)
    (cpu / "cpu0" / "cpufreq" / "scaling_governor").write_text("powersave\n")
    (cpu / "smt").mkdir()
    (cpu / "smt" / "active").write_text("1\n")
    quota.write_text("50000 100000\n")
    monkeypatch.setattr(doctor_bench, "_CPU", cpu)
    monkeypatch.setattr(doctor_bench, "_QUOTA", quota)
    found = {check.name: check.status for check in doctor_bench._machine()}
    assert found == {"CPU clock": "warning", "Hardware threads": "ok", "CPU quota": "warning"}
    quota.write_text("max 100000\n")
    (cpu / "cpu0" / "cpufreq" / "scaling_governor").write_text("performance\n")
    assert {check.name: check.status for check in doctor_bench._machine()}["CPU clock"] == "ok"
