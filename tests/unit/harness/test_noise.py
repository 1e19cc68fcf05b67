"""Noise, memory and the machine, against what this Linux says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dnnbox.harness import memory, noise, probe
from dnnbox.harness.protocol import MeasurePlan
from dnnbox.records.run import RunOutcome
from dnnbox.results.noise import judge
from tests.unit.harness import box
from tests.unit.harness.conftest import MakeRequest

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_difference__counter_unknown_or_reset__none_or_zero() -> None:
    found = noise.difference({"a": 1, "b": None, "c": 9}, {"a": 4, "b": 5, "c": 2})
    assert found == {"a": 3, "b": None, "c": 0, "foreign_us": None}


def test_difference__busy_cpus__what_is_not_ours_is_foreign() -> None:
    before = {"busy_us": 1_000_000, "cpu_ns": 500_000_000}
    after = {"busy_us": 1_400_000, "cpu_ns": 800_000_000}
    assert noise.difference(before, after)["foreign_us"] == 100_000


@linux
def test_own_cpu__a_child_that_works__counts_as_ours() -> None:
    before = noise.own_cpu_ns()
    code = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    assert noise.own_cpu_ns() - before > 290_000_000


@linux
def test_measure_job__spinner_on_the_same_cpus__is_flagged(tmp_path: Path, adapter_request: MakeRequest) -> None:
    spinners = [subprocess.Popen([sys.executable, "-I", "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    plan = MeasurePlan(min_seconds=0.6, max_seconds=2.0, ci_half_width=0.5, warmup_max_seconds=1.0)
    try:
        ran = box.run(sys.executable, tmp_path / "run", adapter_request(job="measure", plan=plan))
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
    outcome = RunOutcome("measure", ran.answer, 0, 0, 1.0)
    quality, facts = judge([outcome], [])
    assert quality == "contended", facts
    assert "other processes used the same CPUs" in facts["reasons"]


@linux
def test_noise_log__waiting_threads__are_counted() -> None:
    log = noise.NoiseLog()
    log.start_window()
    stop = time.monotonic() + 0.3
    workers = [threading.Thread(target=_spin, args=(stop,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(0.15)
    log.end_window(7)  # while they live: a thread that ended takes its counters with it
    for worker in workers:
        worker.join()
    record = log.record()
    assert record["windows"][0]["iterations"] == 7
    assert record["run_delay_ns"] >= 0
    assert 0 < record["windows"][0]["pace_ns"] < 10**9
    assert record["pace_python"].startswith(sys.implementation.name)
    assert record["wall_ns"] >= 150 * 10**6
    json.dumps(record, allow_nan=False)


def _spin(stop: float) -> None:
    while time.monotonic() < stop:
        pass


@linux
def test_memory_log__phases__peak_is_of_its_phase() -> None:
    log = memory.MemoryLog()
    ballast = bytearray(48 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    log.end_phase("load")
    del ballast
    log.end_phase("run")
    figures = log.record()
    assert figures["load_peak_bytes"] - figures["start_rss_bytes"] > 44 << 20
    assert figures["host_peak_bytes"] == max(figures["load_peak_bytes"], figures["run_peak_bytes"])


def test_machine__this_one__has_the_basics() -> None:
    info = probe.machine()
    assert info["cores_available"] >= 1
    assert info["memory_bytes"] > 1 << 28
    assert info["cpu"]
    json.dumps(info, allow_nan=False)


def test_packages__this_environment__normalised_names() -> None:
    found = probe.packages()
    assert found["pytest"] == pytest.__version__
    assert all(name == name.lower() and "_" not in name for name in found)
