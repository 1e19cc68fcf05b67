"""What the host notes around a job, and that it never looks while a latency is measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dnnbox import nvml, power
from dnnbox.harness.protocol import RunRequest, RunResult
from dnnbox.pipeline import watching
from dnnbox.pipeline.watching import Places, watched
from dnnbox.records.run import RunOutcome


def job(name: str, **changes: Any) -> RunRequest:
    return RunRequest(name, "onnxruntime", "m.onnx", **changes)


def answered(request: RunRequest, **result: Any) -> RunOutcome:
    return RunOutcome(request.job, RunResult(request.job, "3.11", **result), 0, 0, 1.0, settings={"kept": True})


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its page cache")
def test_watched__cold_job__notes_the_page_cache(tmp_path: Path) -> None:
    weights = tmp_path / "w.bin"
    with weights.open("wb") as file:
        file.write(os.urandom(4 << 20))
        os.fsync(file.fileno())
    settings = watched(answered, job("cold"), Places([weights], tmp_path)).settings
    assert settings["kept"] is True
    assert settings["page_cache"] == {"dropped": False, "checkpoint_share": 1.0}

    settings = watched(answered, job("cold"), Places([weights], tmp_path, drop_cache=True)).settings
    assert settings["page_cache"]["dropped"] is True
    assert settings["page_cache"]["checkpoint_share"] <= 1.0
    assert isinstance(settings["page_cache"]["environment_share"], float)


def test_watched__measure_on_a_gpu__looks_before_and_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks: list[str] = []

    class Gpu(nvml.Gpu):
        def __init__(self) -> None:
            self.uuid = "GPU-x"

        def read(self) -> nvml.Reading:
            looks.append("look")
            return nvml.Reading(throttled_power_ns=100 * len(looks), throttled_thermal_ns=0, processes={5: 1})

    class Opened:
        def __enter__(self) -> Gpu:
            return Gpu()

        def __exit__(self, *_: object) -> None: ...

    def run(request: RunRequest) -> RunOutcome:
        looks.append("job")
        return answered(request)

    monkeypatch.setattr(watching.nvml, "opened", lambda device, uuid: Opened())
    state = watched(run, job("measure"), Places([], None, "cuda")).settings["gpu_state"]
    assert looks == ["look", "job", "look"]
    assert (state["throttled_power_ns"], state["foreign_processes"]) == (200, 1)


def test_watched__memory_without_counters__says_why_and_asks_for_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "POWERCAP", Path("/nowhere"))
    asked: list[RunRequest] = []

    def run(request: RunRequest) -> RunOutcome:
        asked.append(request)
        return answered(request)

    outcome = watched(run, job("memory"), Places([], None))
    assert asked[0].plan.energy_seconds == 0
    assert "RAPL" in outcome.settings["power"]["reason"]


def test_watched__memory_with_a_counter__asks_for_a_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    for name, text in (("name", "package-0"), ("energy_uj", "1000"), ("max_energy_range_uj", "1000000")):
        (zone / name).write_text(text)
    monkeypatch.setattr(power, "POWERCAP", tmp_path)
    monkeypatch.setattr(power, "IDLE_S", 0.01)
    asked: list[RunRequest] = []

    def run(request: RunRequest) -> RunOutcome:
        import time

        asked.append(request)
        start = time.monotonic_ns()
        (zone / "energy_uj").write_text("6000")
        time.sleep(0.15)
        window = {"start_ns": start, "end_ns": time.monotonic_ns(), "calls": 5, "items_per_call": 1}
        return answered(request, memory={"energy_window": window})

    found = watched(run, job("memory"), Places([], None)).settings["power"]
    assert asked[0].plan.energy_seconds == watching.ENERGY_S
    assert found["sources"]["package-0"]["counter"] == "energy counter"
    assert found["sources"]["package-0"]["joules"] >= 0


def test_watched__inference__is_left_alone() -> None:
    assert watched(answered, job("infer"), Places([], None)).settings == {"kept": True}
