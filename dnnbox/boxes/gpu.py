"""Which device nodes a job on a GPU needs, by name; nothing is passed that was not asked for."""

from __future__ import annotations

import re
from pathlib import Path

from dnnbox.errors import GpuUnavailable

_NVIDIA_COMMON = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")


def nodes(device: str, dev: Path = Path("/dev")) -> tuple[str, ...]:
    """Return the nodes for a device name (cpu, cuda, cuda:1); torch calls AMD's GPUs cuda as well.

    Raises:
        GpuUnavailable: a GPU is asked for and the machine has no node for one.
    """
    if not device.startswith("cuda"):
        return ()
    found = _nvidia(dev) or _amd(dev)
    if not found:
        raise GpuUnavailable(
            f"{device} was asked for, but this machine has neither /dev/nvidiactl nor /dev/kfd",
            hint="`--device cpu` runs without a GPU",
        )
    return tuple(str(path) for path in found)


def _nvidia(dev: Path) -> list[Path]:
    cards = sorted(path for path in dev.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))
    if (dev / "dxg").exists() and not cards:
        return [dev / "dxg"]  # WSL: one node for everything
    if not cards or not (dev / "nvidiactl").exists():
        return []
    return [*cards, *(dev / name for name in _NVIDIA_COMMON if (dev / name).exists())]


def _amd(dev: Path) -> list[Path]:
    if not (dev / "kfd").exists():
        return []
    return [dev / "kfd", *sorted((dev / "dri").glob("renderD*"))]


def environment(device: str) -> dict[str, str]:
    """Return the variables that go with the device; without a GPU the libraries are told not to look for one."""
    return {} if device.startswith("cuda") else {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
