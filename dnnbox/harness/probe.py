"""What this box is: processor, memory, system, GPU and packages, each from the cheapest place that knows it."""

from __future__ import annotations

import os
import platform
import re
import sys
from typing import Any, Dict, List, Optional

_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve")
_GPU_QUERY = "name,uuid,memory.total,driver_version,pci.bus_id"


def machine(device: str = "cpu") -> Dict[str, Any]:
    """Return processor, cores, memory, system and (where there are some) GPUs; None for what is not known."""
    info = {
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "cores_available": cores_available(),
        "cpu_flags": cpu_flags(),
        "governor": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_bytes": memory_bytes(),
        "memory_limit_bytes": memory_limit_bytes(),
        "os": os_name(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "python_implementation": platform.python_implementation(),
        "gpu": gpus(device),
    }  # type: Dict[str, Any]
    info["driver"] = info["gpu"][0].get("driver") if info["gpu"] else None
    return info


def process_settings() -> Dict[str, Any]:
    """Return the settings of this process that bend timings."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    return {
        "cores_available": cores_available(),
        "cpus": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "environment": {name: os.environ[name] for name in names if name in os.environ},
    }


def cores_available() -> Optional[int]:
    """Return how many CPUs this process may use (its affinity)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _read(path: str, limit: int = 1 << 16) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""


def _line(path: str) -> Optional[str]:
    return _read(path).strip() or None


def _cpuinfo(*keys: str) -> Optional[str]:
    for line in _read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return None


def cpu_model() -> Optional[str]:
    """Return the processor's name."""
    return _cpuinfo("model name", "Hardware", "cpu model") or platform.processor() or None


def cpu_flags() -> List[str]:
    """Return the vector and matrix extensions that matter to a DNN library."""
    flags = (_cpuinfo("flags", "Features") or "").split()
    return [flag for flag in _FLAGS if flag in flags]


def memory_bytes() -> Optional[int]:
    """Return the machine's memory."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def memory_limit_bytes() -> Optional[int]:
    """Return the cgroup's memory limit, or None where there is none."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _read(path).strip()
        if text.isdigit() and int(text) < 1 << 60:  # v1 writes a huge number for "no limit"
            return int(text)
    return None


def os_name() -> str:
    """Return the system's own name for itself."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release"), re.M)
    return match.group(1) if match else "%s %s" % (platform.system(), platform.release())


def gpus(device: str = "cpu") -> List[Dict[str, Any]]:
    """Return the GPUs by torch, if the model imported it, and by nvidia-smi where one was asked for."""
    torch = sys.modules.get("torch")
    found = _torch_gpus(torch) if torch is not None and hasattr(torch, "cuda") else []
    asked = _smi_gpus() if device != "cpu" or found else []
    for gpu in asked:
        twin = next((entry for entry in found if entry.get("uuid") in (gpu["uuid"], gpu["uuid"][4:])), None)
        if twin is None:
            found.append(gpu)
        else:
            twin.update(gpu)
    return found


def _torch_gpus(torch: Any) -> List[Dict[str, Any]]:
    if not torch.cuda.is_available():
        return []
    found: List[Dict[str, Any]] = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append(
            {
                "name": properties.name,
                "uuid": str(getattr(properties, "uuid", "")),
                "memory_bytes": properties.total_memory,
                "capability": "%d.%d" % (properties.major, properties.minor),
                "driver": None,
            }
        )
    return found


def _smi_gpus() -> List[Dict[str, Any]]:
    import subprocess

    command = ["nvidia-smi", "--query-gpu=" + _GPU_QUERY, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    found: List[Dict[str, Any]] = []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 5:
            size = int(fields[2]) << 20 if fields[2].isdigit() else None
            entry = {"name": fields[0], "uuid": fields[1], "memory_bytes": size, "driver": fields[3]}
            found.append(dict(entry, pci=fields[4]))
    return found


def packages() -> Dict[str, str]:
    """Return {normalised distribution name: version} of what this interpreter can import.

    Read from the names of the ``.dist-info`` folders: importlib.metadata parses every METADATA file for the same
    answer (ten times slower), and Python 3.7 has no importlib.metadata.
    """
    found: Dict[str, str] = {}
    for place in sys.path:
        try:
            entries = os.listdir(place or ".")
        except OSError:
            continue
        for entry in entries:
            match = re.match(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$", entry)
            if match:
                name = re.sub(r"[-_.]+", "-", match.group(1)).lower()
                found.setdefault(name, match.group(2))
    return dict(sorted(found.items()))
