"""Noise, memory and the machine, against what this Linux says."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest

from dnnbox.harness import memory, noise, probe

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_difference__counter_unknown_or_reset__none_or_zero() -> None:
    assert noise.difference({"a": 1, "b": None, "c": 9}, {"a": 4, "b": 5, "c": 2}) == {"a": 3, "b": None, "c": 0}


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
