"""Facts of this machine: processor, memory, disk, /dev/shm, the NVIDIA driver, its GPUs, its toolkit.

A fact that cannot be told is None or empty; asking never fails. Only processes of NVIDIA's tools are started, and only
where they are installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox import process

CDI_DIRS = (Path("/etc/cdi"), Path("/var/run/cdi"))
_PROCESSOR = ("model name", "Hardware", "cpu model")
"""What /proc/cpuinfo calls a processor's name, by architecture."""
_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-runtime", "nvidia-container-toolkit")


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as its driver tells. Bytes; ``busy`` is the share of the last second."""

    name: str
    capability: tuple[int, int]
    free_bytes: int
    total_bytes: int
    busy: float = 0.0
    mig: bool = False
    uuid: str = ""


def host() -> dict[str, Any]:
    """Return what the host knows of its processor, memory and system, named as the box names them (``probe.py``)."""
    return {
        "told_by": "host",
        "cpu": processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "cores_available": cores_available(),
        "memory_bytes": memory_bytes(),
        "os": _system(),
        "kernel": platform.release(),
    }


def processor() -> str:
    """Return the processor's name, "" where nothing tells it."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    fields = (line.partition(":") for line in lines)
    names = (value.strip() for key, _, value in fields if key.strip() in _PROCESSOR)
    return next(names, "") or platform.processor()


def cores_available() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Return the memory of this machine, used or not."""
    with suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _system() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{platform.system()} {platform.release()}"


def free_bytes(path: Path) -> int:
    """Return the free space where ``path`` is, or will be."""
    return shutil.disk_usage(next(place for place in (path, *path.parents) if place.exists())).free


def shm_bytes() -> int | None:
    """Return the size of /dev/shm, None where there is none."""
    with suppress(OSError):
        return shutil.disk_usage("/dev/shm").total  # noqa: S108  asked for its size only
    return None


def nvidia() -> tuple[tuple[int, int] | None, tuple[Gpu, ...]]:
    """Return (newest CUDA version of the driver, its GPUs); (None, ()) where no driver answers."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # noqa: BLE001 - no driver, or one that does not answer
        return None, ()
    try:
        number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
        count = int(pynvml.nvmlDeviceGetCount())
        found = tuple(_gpu(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count))
        return (number // 1000, number % 1000 // 10), found
    except pynvml.NVMLError:
        return None, ()
    finally:
        pynvml.nvmlShutdown()


def _gpu(handle: object) -> Gpu:
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    busy, mig = 0.0, False
    with suppress(pynvml.NVMLError):
        busy = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    with suppress(pynvml.NVMLError):  # most GPUs have no such mode
        mig = bool(pynvml.nvmlDeviceGetMigMode(handle)[0])
    name = pynvml.nvmlDeviceGetName(handle)
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    uuid = pynvml.nvmlDeviceGetUUID(handle)
    told = uuid.decode("ascii", "replace") if isinstance(uuid, bytes) else str(uuid)
    return Gpu(text, (int(major), int(minor)), int(memory.free), int(memory.total), busy, mig, told)


def toolkit(folders: Sequence[Path] = CDI_DIRS) -> tuple[str, tuple[int, ...] | None]:
    """Return how containers get NVIDIA's GPUs ("cdi", "hook" or "") and the toolkit's version."""
    specs = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix in (".json", ".yaml")]
    kind = "cdi" if any(_is_nvidia(path) for path in specs) else ""
    kind = kind or ("hook" if any(map(shutil.which, _HOOKS)) else "")
    return kind, _toolkit_version() if kind else None


def _is_nvidia(path: Path) -> bool:
    with suppress(OSError):
        return "nvidia.com/gpu" in path.read_text("utf-8", "replace")[:4096]
    return False


def _toolkit_version() -> tuple[int, ...] | None:
    program = shutil.which("nvidia-ctk")
    if program is None:
        return None
    with suppress(OSError):
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", process.run([program, "--version"], timeout_s=2).stdout)
        return tuple(map(int, found.groups())) if found else None
    return None
