"""What of the machine a run is held against, and what the host tells of it where the box could not."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dnnbox import machine
from dnnbox.devices import Device
from dnnbox.machine import Gpu
from dnnbox.pipeline.fitting import chosen, host
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.options import RunOptions

GPUS = tuple(Gpu(f"card {number}", (9, 0), 1, 2, uuid=f"GPU-{number}ab") for number in range(3))


def prepared(box: str, device: Device, cpus: str = "", gpus: str = "") -> Prepared:
    options = RunOptions("w.pt", Path(), cpus=cpus, gpus=gpus)
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


def test_host__gpus_chosen__only_those_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: ((13, 0), GPUS))

    told = host(prepared("docker", Device("cuda", "cuda", "asked for"), gpus="device=2"))

    assert told["gpu"] == [{"name": "card 2", "uuid": "GPU-2ab", "memory_bytes": 2}]
