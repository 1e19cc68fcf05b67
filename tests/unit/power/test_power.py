"""Energy from counters and from power, over the window that the box names; sources that cannot be read."""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from dnnbox import power


def zone(root: Path, name: str, kind: str, microjoules: int) -> Path:
    """Write one zone of the kernel's powercap tree."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    return folder


def test_joules_between__part_of_a_series__is_interpolated() -> None:
    series = power.Series("gpu", "energy counter", [(0, 0.0, None), (100, 10.0, None), (200, 40.0, None)])
    assert series.joules_between(50, 150) == pytest.approx(20.0)
    assert series.joules_between(50, 250) is None  # nobody looked for so long
    assert series.joules_between(150, 150) is None


def test_source__counter_that_wraps__is_unwrapped() -> None:
    told = iter([0.0, 90.0, 99.0, 4.0])
    source = power.Source("package-0", lambda: (next(told), None), wraps_at=100.0)
    for _ in range(3):
        source.take()
    assert [joules for _, joules, _ in source.series.points] == [0.0, 9.0, 14.0]
    assert source.series.counter == "energy counter"


def test_source__only_power_is_told__is_summed_up_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 10**9)
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(clock))
    watts = iter([100.0, 100.0, 200.0, 200.0])
    source = power.Source("gpu", lambda: (None, next(watts)))
    for _ in range(3):
        source.take()
    monkeypatch.undo()
    assert [joules for _, joules, _ in source.series.points] == [0.0, 150.0, 350.0]  # a second between two looks
    assert source.series.counter == "power, summed up over time"


def test_cpu_sources__powercap_tree__reads_packages_only(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 1)
    reasons: list[str] = []
    (source,) = power._cpu_sources(reasons, tmp_path)
    source.take()
    (package / "energy_uj").write_text("7500000\n")
    source.take()
    assert source.series.name == "package-0"
    assert source.series.points[-1][1] == pytest.approx(2.5)
    assert reasons == []


def test_cpu_sources__no_tree_or_not_readable__says_why(tmp_path: Path) -> None:
    reasons: list[str] = []
    assert power._cpu_sources(reasons, tmp_path / "none") == []
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (folder / "energy_uj").unlink()
    assert power._cpu_sources(reasons, tmp_path) == []
    assert [reason.partition(" ")[0] for reason in reasons] == ["this", "the"]
    assert "root only" in reasons[1]


def test_amd_source__hwmon__is_read_in_microwatts(tmp_path: Path) -> None:
    place = tmp_path / "card0" / "device" / "hwmon" / "hwmon3"
    place.mkdir(parents=True)
    (place / "power1_average").write_text("87000000\n")
    reasons: list[str] = []
    (source,) = power._amd_source("cuda", "no NVML", reasons, tmp_path)
    source.take()
    time.sleep(0.01)
    source.take()
    source.take()
    first, *_, last = source.series.points
    assert last[2] == 87.0
    assert last[1] > first[1]
    assert power._amd_source("cuda:1", "no NVML", reasons, tmp_path) == []
    assert reasons == ["no NVML"]


def test_sampler__gpu_beside_a_job__covers_its_window(nvml_library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "POWERCAP", Path("/nowhere"))
    monkeypatch.setattr(power, "PERIOD_S", 0.01)
    counter = itertools.count(1_000, 500)  # millijoules
    nvml_library.facts["nvmlDeviceGetTotalEnergyConsumption"] = lambda: next(counter)
    nvml_library.processes = [(7, 1 << 20)]
    with power.sampler("cuda") as sampler:
        assert isinstance(sampler, power.Sampler)
        idle = sampler.idle(0.02)
        sampler.start()
        nvml_library.processes = [(7, 1 << 20), (8, 3 << 30)]
        start = time.monotonic_ns()
        time.sleep(0.1)
        end = time.monotonic_ns()
        time.sleep(0.03)
        sampler.stop()
        record = sampler.record({"start_ns": start, "end_ns": end}, idle)
    facts = record["sources"]["gpu"]
    assert facts["joules"] > 0
    assert facts["watts"] == pytest.approx(facts["joules"] / ((end - start) / 1e9), rel=1e-3)
    assert facts["idle_watts"] > 0
    gpu = record["gpu"]
    assert (gpu["process_vram_bytes"], gpu["foreign_processes"]) == (3 << 30, 1)
    assert (gpu["sm_clock_mhz"], gpu["highest_sm_clock_mhz"]) == ([1755, 1755, 1755], 1980)
    assert (gpu["reasons"], gpu["temperature_c"], gpu["uuid"]) == (["power cap"], 61, "GPU-aaaa")


def test_sampler__another_program_begins_meanwhile__is_not_counted_as_the_job(
    nvml_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "POWERCAP", Path("/nowhere"))
    with subprocess.Popen(["sleep", "60"]) as child, power.sampler("cuda") as sampler:
        assert isinstance(sampler, power.Sampler)
        sampler.start()
        nvml_library.processes = [(child.pid, 3 << 30), (1, 5 << 30)]
        sampler.stop()
        child.kill()
        gpu = sampler.record(None, {})["gpu"]
    assert (gpu["process_vram_bytes"], gpu["foreign_processes"]) == (3 << 30, 1)


def test_sampler__window_of_nonsense__has_no_figure(nvml_library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "POWERCAP", Path("/nowhere"))
    with power.sampler("cuda") as sampler:
        assert isinstance(sampler, power.Sampler)
        sampler.start()
        sampler.stop()
        for window in (None, {}, {"start_ns": "a", "end_ns": 3}, {"start_ns": 5, "end_ns": 1}):
            assert sampler.record(window, {})["sources"] == {}


def test_sampler__nothing_to_read__says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "POWERCAP", Path("/nowhere"))
    with power.sampler("cpu") as sampler:
        assert sampler == "this machine shows no energy counters of its processor (RAPL)"
    with power.sampler("mps") as sampler:
        assert isinstance(sampler, str)
        assert "macOS" in sampler
