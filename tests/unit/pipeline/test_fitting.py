"""What of the machine a run is held against, and what the host tells of it where the box could not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dnnbox import machine
from dnnbox.devices import Device
from dnnbox.errors import GpuUnavailable, Usage
from dnnbox.machine import Gpu
from dnnbox.pipeline.fitting import chosen, facts, host, refuse_idle_gpus, refuse_two_choices
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.options import RunOptions
from dnnbox.store import Store

GPUS = tuple(Gpu(f"card {number}", (9, 0), 1, 2, uuid=f"GPU-{number}ab") for number in range(3))


def prepared(box: str, device: Device, cpus: str = "", gpus: str = "") -> Prepared:
    options = RunOptions("w.pt", Path(), cpus=cpus, gpus=gpus, memory_bytes=1 << 30)
    return cast("Prepared", SimpleNamespace(box=box, device=device, options=options))


@pytest.mark.parametrize(
    ("device", "named", "numbers"),
    [
        ("cuda", "", [0, 1, 2]),
        ("cuda:1", "", [1]),
        ("cuda", "all", [0, 1, 2]),
        ("cuda", "2", [0, 1]),
        ("cuda", "device=2,0", [0, 2]),
        ("cuda", "device=GPU-1ab", [1]),
    ],
)
def test_chosen__device_and_gpus__only_those_that_are_used(device: str, named: str, numbers: list[int]) -> None:
    assert chosen(GPUS, device, named) == tuple(GPUS[number] for number in numbers)


@pytest.mark.parametrize(
    ("box", "device", "gpus", "numbers"),
    [
        ("docker", "cuda", "", [0]),
        ("docker", "cuda:1", "", [1]),
        ("docker", "cuda", "all", [0, 1, 2]),
        ("venv", "cuda", "", [0, 1, 2]),
    ],
)
def test_facts__box__only_the_gpus_that_it_sees_are_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, box: str, device: str, gpus: str, numbers: list[int]
) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: ((13, 0), GPUS))
    monkeypatch.setattr("dnnbox.boxes.unenforceable", lambda *_: ())

    found = facts(prepared(box, Device(device, "cuda", "asked for"), gpus=gpus), Store(tmp_path))

    assert found.gpus == tuple(GPUS[number] for number in numbers)


@pytest.mark.parametrize(
    ("device", "gpus", "said"),
    [
        ("cuda:7", "", "asked for: GPU 7; on this machine: 0 (card 0), 1 (card 1), 2 (card 2)"),
        ("cuda", "device=1,4,GPU-9", "asked for: GPU 4, GPU-9;"),
        ("cuda", "8", "asked for: 8 GPUs;"),
    ],
)
def test_facts__gpu_that_is_not_here__is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, gpus: str, said: str
) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: ((13, 0), GPUS))

    with pytest.raises(GpuUnavailable, match=re.escape(said)) as caught:
        facts(prepared("venv", Device(device, "cuda", "asked for"), gpus=gpus), Store(tmp_path))

    assert caught.value.phase == "plan"


@pytest.mark.parametrize("gpus", ["device=MIG-2ab", "device=0:1", "3", "all"])
def test_facts__slices_and_all_that_are_here__are_not_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gpus: str
) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: ((13, 0), GPUS))

    assert facts(prepared("venv", Device("cuda", "cuda", "asked for"), gpus=gpus), Store(tmp_path)).gpus == GPUS


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (Device("cpu", "cpu", "no NVIDIA driver on this machine"), "no NVIDIA driver"),
        (Device("cpu", "cpu", "asked for"), "the device is cpu"),
        (Device("mps", "mps", "mps is there"), "mps"),
    ],
)
def test_refuse_idle_gpus__run_without_a_gpu__is_gpu_unavailable(device: Device, said: str) -> None:
    with pytest.raises(GpuUnavailable, match=f"--gpus all was asked for.*{said}") as caught:
        refuse_idle_gpus(device, "all")

    assert caught.value.hint == "leave `--gpus` out"


def test_refuse_idle_gpus__run_on_a_gpu_or_none_named__goes_on() -> None:
    refuse_idle_gpus(Device("cuda:1", "cuda", "asked for"), "device=1")
    refuse_idle_gpus(Device("cuda", "rocm", "asked for"), "all")
    refuse_idle_gpus(Device("cpu", "cpu", "asked for"), "")


def test_refuse_idle_gpus__not_readable__is_usage() -> None:
    with pytest.raises(Usage, match="--gpus"):
        refuse_idle_gpus(Device("cpu", "cpu", "asked for"), "first")


def test_host__box_on_this_machine__has_its_system_and_the_cores_of_this_process() -> None:
    told = host(prepared("venv", Device("cpu", "cpu", "asked for")))

    assert told == machine.host()
    assert told["cores_available"] == len(os.sched_getaffinity(0))


def test_host__container__claims_neither_its_cores_nor_its_system() -> None:
    told = host(prepared("docker", Device("cpu", "cpu", "asked for")))

    assert (told["cores_available"], told["os"]) == (None, "Linux")
    assert told["kernel"] == os.uname().release


def test_host__processors_given__are_counted() -> None:
    first = min(os.sched_getaffinity(0))

    assert host(prepared("docker", Device("cpu", "cpu", "asked for"), str(first)))["cores_available"] == 1


@pytest.mark.parametrize("cpus", ["9999", "first"])
def test_host__processors_that_are_not_there__do_not_hide_the_machine(cpus: str) -> None:
    told = host(prepared("venv", Device("cpu", "cpu", "asked for"), cpus))

    assert told == machine.host()


def test_host__gpus_chosen__only_those_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: ((13, 0), GPUS))

    told = host(prepared("docker", Device("cuda", "cuda", "asked for"), gpus="device=2"))

    assert told["gpu"] == [{"name": "card 2", "uuid": "GPU-2ab", "memory_bytes": 2}]


def test_refuse_two_choices__device_and_gpus_both_choose__is_refused() -> None:
    with pytest.raises(Usage, match="both choose a GPU") as told:
        refuse_two_choices(Device("cuda:1", "cuda", "asked for"), "device=2")
    assert "--device cuda`" in told.value.hint
    for device, named in (("cuda", "device=2"), ("cuda:1", "all"), ("cuda:1", "")):
        refuse_two_choices(Device(device, "cuda", "asked for"), named)
