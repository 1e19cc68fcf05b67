"""Fit checks, in tables: the machines here are made up, because no machine that runs these tests has a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.environments import fit
from dnnbox.environments.fit import Machine, Need
from dnnbox.errors import EngineLimit, GpuUnavailable, HostFull, OutOfMemory, VramOutOfMemory
from dnnbox.machine import Gpu, toolkit
from dnnbox.pipeline import fitting
from dnnbox.records.environment import LockedPackage
from dnnbox.records.plan import FitCheck

GIB = 1 << 30
CPU = Machine(disk_free_bytes=100 * GIB, memory_bytes=16 * GIB, shm_bytes=GIB)
H100 = Gpu("H100", (9, 0), 70 * GIB, 80 * GIB)
GOOD = replace(CPU, driver_cuda=(13, 0), gpus=(H100,), toolkit="cdi", toolkit_version=(1, 18, 0))
WANT = Need(weights_bytes=2 * GIB, download_bytes=GIB, accelerator="cuda", container=True, shm_bytes=GIB, build="cu130")


def gpu(**values: object) -> Machine:
    return replace(GOOD, gpus=(replace(H100, **values),))  # type: ignore[arg-type]


def named(checks: tuple[FitCheck, ...], name: str) -> FitCheck:
    (found,) = [check for check in checks if check.name == name]
    return found


def test_checks__everything_fits__all_ok_and_no_fix() -> None:
    found = fit.checks(GOOD, WANT)

    assert {check.name for check in found} == {
        *("disk", "memory", "shared memory", "driver", "compute capability", "VRAM", "container toolkit"),
    }
    assert all(check.status == "ok" and not check.fix for check in found)


def test_checks__cpu__says_nothing_of_gpus() -> None:
    found = fit.checks(GOOD, replace(WANT, accelerator="cpu"))

    assert [check.name for check in found] == ["disk", "memory", "shared memory"]


WEAK = replace(GOOD, engine="podman", unenforceable=("memory", "pids"))
CASES = [
    (replace(GOOD, disk_free_bytes=4 * GIB), WANT, "disk", "failed", "dnnbox clean"),
    (replace(GOOD, memory_bytes=3 * GIB), WANT, "memory", "warning", "--memory"),
    (replace(GOOD, memory_bytes=GIB), WANT, "memory", "failed", "--memory"),
    (GOOD, replace(WANT, shm_bytes=32 << 20), "shared memory", "warning", "--shm-size"),
    (replace(GOOD, shm_bytes=1 << 20), replace(WANT, container=False), "shared memory", "warning", "remount"),
    (replace(GOOD, driver_cuda=(12, 8)), WANT, "driver", "failed", "update the NVIDIA driver"),
    (replace(GOOD, driver_cuda=(12, 4)), replace(WANT, build="cu126"), "driver", "ok", ""),
    (replace(GOOD, driver_cuda=(13, 1)), replace(WANT, build="cu126"), "driver", "ok", ""),
    (replace(GOOD, driver_cuda=None), WANT, "driver", "unknown", "nvidia-smi"),
    (GOOD, replace(WANT, build=""), "driver", "ok", ""),
    (gpu(capability=(6, 1)), WANT, "compute capability", "failed", "cu126"),
    (gpu(capability=(6, 1)), replace(WANT, build="cu126"), "compute capability", "ok", ""),
    (gpu(capability=(7, 0)), WANT, "compute capability", "failed", "cu126"),
    (gpu(capability=(8, 9)), WANT, "compute capability", "ok", ""),
    (gpu(capability=(12, 1)), WANT, "compute capability", "ok", ""),
    (gpu(capability=(12, 0)), replace(WANT, build="cu126"), "compute capability", "failed", "cu130"),
    (gpu(capability=(13, 0)), WANT, "compute capability", "warning", "newer build"),
    (gpu(free_bytes=2 * GIB), WANT, "VRAM", "warning", "--batch"),
    (gpu(total_bytes=2 * GIB, free_bytes=2 * GIB), WANT, "VRAM", "failed", "--precision bf16"),
    (gpu(free_bytes=4 * GIB), replace(WANT, batch=32), "VRAM", "warning", "--batch"),
    (gpu(mig=True), WANT, "MIG", "warning", "MIG-"),
    (gpu(busy=0.5), WANT, "GPU load", "warning", "idle"),
    (replace(GOOD, toolkit=""), WANT, "container toolkit", "failed", "nvidia-ctk cdi generate"),
    (replace(GOOD, toolkit="hook", engine="podman"), WANT, "container toolkit", "failed", "nvidia-ctk cdi generate"),
    (replace(GOOD, toolkit="hook", engine="docker"), WANT, "container toolkit", "ok", ""),
    (replace(GOOD, engine="podman"), WANT, "container toolkit", "ok", ""),
    (replace(GOOD, toolkit_version=None), WANT, "container toolkit", "unknown", "nvidia-ctk --version"),
    (replace(GOOD, toolkit_version=(1, 17, 7)), WANT, "container toolkit", "warning", "1.17.8"),
    (replace(GOOD, toolkit_version=(1, 17, 8)), WANT, "container toolkit", "ok", ""),
    (replace(GOOD, engine="podman"), WANT, "engine limits", "ok", ""),
    (WEAK, WANT, "engine limits", "failed", "--allow-weaker"),
    (WEAK, replace(WANT, allow_weaker=True), "engine limits", "warning", "use an engine"),
]


@pytest.mark.parametrize(("machine", "need", "name", "status", "fix"), CASES)
def test_check__each_case__status_and_way_out(machine: Machine, need: Need, name: str, status: str, fix: str) -> None:
    check = named(fit.checks(machine, need), name)

    assert check.status == status, check
    assert fix in check.fix
    assert bool(check.fix) == (check.status != "ok")


@pytest.mark.parametrize(
    ("packages", "build"),
    [
        ([("torch", "2.13.0+cu130")], "cu130"),
        ([("torch", "2.13.0+cpu")], ""),
        ([("onnxruntime-gpu", "1.31.1"), ("nvidia-cuda-runtime", "13.0.96")], "cu130"),
        ([("nvidia-cuda-runtime-cu12", "12.6.77")], "cu126"),
        ([("numpy", "2.4.6")], ""),
    ],
)
def test_build_of__lock__is_told_from_its_packages(packages: list[tuple[str, str]], build: str) -> None:
    assert fit.build_of(LockedPackage(name, version) for name, version in packages) == build


@pytest.mark.parametrize(
    ("machine", "error"),
    [
        (replace(GOOD, disk_free_bytes=0), HostFull),
        (replace(GOOD, memory_bytes=1), OutOfMemory),
        (gpu(total_bytes=1, free_bytes=1), VramOutOfMemory),
        (replace(GOOD, driver_cuda=(11, 0)), GpuUnavailable),
        (replace(GOOD, toolkit=""), GpuUnavailable),
        (WEAK, EngineLimit),
    ],
)
def test_refuse__a_failed_check__is_its_own_error_with_the_fix(machine: Machine, error: type[Exception]) -> None:
    with pytest.raises(error, match="it does not fit") as caught:
        fitting.refuse(fit.checks(machine, WANT))

    assert caught.value.hint  # type: ignore[attr-defined]


TWO = (replace(H100, uuid="GPU-1111"), replace(H100, uuid="GPU-2222"))


@pytest.mark.parametrize(
    ("device", "gpus", "uuids"),
    [
        ("cuda", "", ["GPU-1111", "GPU-2222"]),
        ("cuda:1", "", ["GPU-2222"]),
        ("cuda", "device=GPU-2222", ["GPU-2222"]),
        ("cuda", "device=1,0", ["GPU-1111", "GPU-2222"]),
        ("cuda", "all", ["GPU-1111", "GPU-2222"]),
    ],
)
def test_chosen__number_or_uuid__is_the_gpu_that_is_judged(device: str, gpus: str, uuids: list[str]) -> None:
    assert [each.uuid for each in fitting.chosen(TWO, device, gpus)] == uuids


def test_refuse__warnings_only__goes_on() -> None:
    fitting.refuse(fit.checks(gpu(mig=True, busy=0.9), WANT))


def test_toolkit__cdi_specification_of_nvidia__is_found(tmp_path: Path) -> None:
    folder = tmp_path / "cdi"
    folder.mkdir()
    (folder / "other.yaml").write_text("kind: vendor.com/nic\n", encoding="utf-8")
    assert toolkit([folder])[0] != "cdi"
    (folder / "nvidia.json").write_text('{"kind": "nvidia.com/gpu"}', encoding="utf-8")
    assert toolkit([folder])[0] == "cdi"
