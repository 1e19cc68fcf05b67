"""Which device a run uses: what was asked for, what this machine has. Never a silent CPU run."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dnnbox.errors import GpuUnavailable, Usage
from dnnbox.records.environment import Accelerator


@dataclass(frozen=True)
class Device:
    """``name`` is what the harness is asked for (cpu, cuda, cuda:1, mps); ``reason`` says why this one."""

    name: str
    accelerator: Accelerator
    reason: str


_NAMES = re.compile(r"^(auto|cpu|cuda(:\d+)?|rocm(:\d+)?|mps)$")


def resolve(requested: str) -> Device:
    """Return the device for ``--device``.

    Raises:
        Usage: no such device name.
        GpuUnavailable: it was asked for by name and is not there.
    """
    if not _NAMES.match(requested):
        raise Usage(f"unknown device `{requested}`", hint="use auto, cpu, cuda[:N], rocm[:N] or mps")
    if requested == "cpu":
        return Device("cpu", "cpu", "asked for")
    if requested == "auto":
        return _automatic()
    kind, _, number = requested.partition(":")
    missing = {"cuda": _no_cuda, "rocm": _no_rocm, "mps": _no_mps}[kind](int(number or 0))
    if missing:
        raise GpuUnavailable(f"--device {requested}: {missing}", hint="`--device cpu` runs without it", phase="plan")
    accelerator: Accelerator = {"cuda": "cuda", "rocm": "rocm", "mps": "mps"}[kind]  # type: ignore[assignment]
    # ROCm builds of torch answer to the name cuda.
    return Device(requested.replace("rocm", "cuda"), accelerator, "asked for")


def fitted(device: Device, usable: Sequence[str], requested: str, runtime: str) -> Device:
    """Return a device that the runtime can use: the one found where it can, the CPU where nobody asked for another.

    Raises:
        GpuUnavailable: the device was asked for by name, or there is none that the runtime can use.
    """
    if device.accelerator in usable:
        return device
    if requested == "auto" and "cpu" in usable:
        return Device("cpu", "cpu", f"{runtime} runs on the CPU only")
    known = " or ".join(usable)
    found = "this machine has none" if requested == "auto" else f"asked for {requested}"
    raise GpuUnavailable(
        f"the runtime {runtime} needs {known}, {found}",
        hint="`--device cpu`" if "cpu" in usable else f"run it on a machine with {known}",
        phase="plan",
    )


def _automatic() -> Device:
    reasons = []
    for name, accelerator, missing in (
        ("cuda", "cuda", _no_cuda(0)),
        ("cuda", "rocm", _no_rocm(0)),
        ("mps", "mps", _no_mps(0)),
    ):
        if not missing:
            return Device(name, accelerator, f"{accelerator} is there")  # type: ignore[arg-type]
        reasons.append(missing)
    return Device("cpu", "cpu", reasons[0])


def _no_cuda(number: int) -> str:
    if not Path("/proc/driver/nvidia/version").exists() and not Path("/dev/nvidiactl").exists():
        return "no NVIDIA driver on this machine"
    import pynvml

    try:
        pynvml.nvmlInit()
        count = int(pynvml.nvmlDeviceGetCount())
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        return f"the NVIDIA driver does not answer ({error})"
    return "" if number < count else f"GPU {number} was asked for, this machine has {count}"


def _no_rocm(number: int, dev: Path = Path("/dev")) -> str:
    if not (dev / "kfd").exists():
        return "no AMD driver on this machine (/dev/kfd is missing)"
    count = len(list((dev / "dri").glob("renderD*")))  # other makers' cards have one too: it is at most so many
    return "" if number < max(count, 1) else f"GPU {number} was asked for, this machine has {count}"


def _no_mps(_number: int) -> str:
    return "" if sys.platform == "darwin" else "MPS needs macOS"
