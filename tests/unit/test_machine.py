"""What the host knows of its machine is what the harness says of the same one."""

from __future__ import annotations

import os

import pytest

from dnnbox import machine
from dnnbox.harness import probe


def test_host__this_machine__is_what_the_harness_tells_of_it() -> None:
    told, found = machine.host(), probe.machine()

    for key in ("cpu", "architecture", "cores", "cores_available", "os", "kernel"):
        assert told[key] == found[key], key
    assert told["memory_bytes"] == pytest.approx(found["memory_bytes"], rel=0.02)
    assert told["told_by"] == "host"
    assert "told_by" not in found


def test_processor__nothing_tells_it__is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PROCESSOR", ())
    monkeypatch.setattr("platform.processor", lambda: "")

    assert machine.processor() == ""
    assert machine.host()["cpu"] is None


def test_cores_available__process_that_may_use_one__is_one() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert machine.cores_available() == 1
    finally:
        os.sched_setaffinity(0, before)
