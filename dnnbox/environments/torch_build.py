"""Which build of torch: on Linux the one on PyPI is for CUDA, so the build is always chosen here, with its reason.

Order: what the user configured; a wheel of the right build in a find-links folder; PyTorch's own index of that build.
Where none can be had the resolver fails: PyPI's build is never taken for a CPU by default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dnnbox import uv
from dnnbox.records.environment import Accelerator, Indexes

FAMILY = ("torch", "torchvision", "torchaudio")
"""Packages that PyTorch builds per accelerator and publishes on its own indexes."""

CONFIGURED = "as you configured: "
"""How a reason begins where the user has chosen the build."""

PYTORCH = "https://download.pytorch.org/whl/"
"""One index per build below this. Source: https://pytorch.org/get-started/locally/ (2026-11)."""

_CUDA_BUILDS = (((13, 0), "cu130"), ((12, 0), "cu126"), ((11, 0), "cu118"))
"""(least CUDA version of the driver, build): a driver runs builds of its own major version and older ones.

cu128 stops at torch 2.11; cu126 goes on and runs on the same drivers. Source: the CUDA support matrix in pytorch's
RELEASE.md (read 2026-11-23)."""

_BLACKWELL = (10, 0)
"""From this compute capability on cu126 has no machine code; for drivers of CUDA 12, cu128 (torch up to 2.11) has."""

_OLD_GPU = (7, 5)
"""CUDA 13 dropped compute capabilities below this. Source: CUDA 13.0 release notes."""

_ROCM_BUILD = "rocm7.1"


@dataclass(frozen=True)
class Wheel:
    """A torch wheel in a folder. ``build`` is its local version: cpu, cu130, …"""

    version: str
    build: str
    python: str  # "3.11"
    folder: Path


def with_torch(
    indexes: Indexes, *, accelerator: Accelerator, python: str, platform: str, requirements: Iterable[str] = ()
) -> Indexes:
    """Return the indexes with torch's build decided and the reason added.

    A local wheel is taken only if it is within the user's constraints and the ``requirements``.
    """
    if "darwin" in platform or "windows" in platform:
        return indexes  # PyPI's wheels are the right ones there
    configured = _configured(indexes)
    if configured is not None:
        return configured
    build, why = wanted_build(accelerator)
    lines = (*indexes.constraints, *requirements)
    wheels = [w for w in local_wheels(indexes, platform) if w.python == python and _fits(w, build, lines)]
    if wheels:
        return _with_wheel(indexes, max(wheels, key=_order))
    url = f"{PYTORCH}{build}"
    reason = f"torch comes from PyTorch's own index for {build} ({why})"
    return replace(indexes, pinned={**dict.fromkeys(FAMILY, url), **indexes.pinned}, reasons=(*indexes.reasons, reason))


def _configured(indexes: Indexes) -> Indexes | None:
    """Return the indexes if the user has already said which build: a pin, an index for torch, uv's torch backend."""
    for line in indexes.constraints:
        if re.match(r"torch\s*={2,3}\s*[\w.!]+\+", line, re.IGNORECASE):
            return replace(indexes, reasons=(*indexes.reasons, f"{CONFIGURED}{line}"))
    if "torch" in indexes.pinned:
        return replace(indexes, reasons=(*indexes.reasons, f"{CONFIGURED}an index for torch"))
    backend = os.environ.get("UV_TORCH_BACKEND", "auto")
    if backend != "auto":
        pinned = {**dict.fromkeys(FAMILY, f"{PYTORCH}{backend}"), **indexes.pinned}
        return replace(indexes, pinned=pinned, reasons=(*indexes.reasons, f"{CONFIGURED}UV_TORCH_BACKEND={backend}"))
    mirror = next((url for url in indexes.extra if re.search(r"/(cpu|cu\d+|rocm[\d.]+|xpu)/?$", url)), None)
    if mirror is not None:
        # Taken out of the general indexes: PyTorch's hold old copies of other packages, which would hide the new ones.
        extra = tuple(url for url in indexes.extra if url != mirror)
        reason = f"{CONFIGURED}an extra index for torch's build {mirror.rstrip('/').rpartition('/')[2]}"
        pinned = {**dict.fromkeys(FAMILY, re.sub(r"^[\w-]+=", "", mirror)), **indexes.pinned}
        return replace(indexes, extra=extra, pinned=pinned, reasons=(*indexes.reasons, reason))
    return None


def wanted_build(accelerator: Accelerator) -> tuple[str, str]:
    """Return torch's name of the build for this machine, and why."""
    if accelerator == "cuda":
        return _cuda_build()
    if accelerator == "rocm":
        return _ROCM_BUILD, "an AMD GPU"
    return "cpu", "the device is the CPU"


def _cuda_build() -> tuple[str, str]:
    driver, capability = _nvidia()
    if driver is None:
        return "cu126", "the NVIDIA driver does not tell its CUDA version"
    told = f"the driver supports CUDA {driver[0]}.{driver[1]}"
    if capability is not None and capability < _OLD_GPU and driver[0] >= 12:
        return "cu126", f"{told}, the GPU has compute capability {capability[0]}.{capability[1]}"
    if capability is not None and capability >= _BLACKWELL and (12, 8) <= driver < (13, 0):
        shown = f"{capability[0]}.{capability[1]}"
        return (
            "cu128",
            f"{told}, the GPU has compute capability {shown}: torch 2.11 is the last; a newer driver gets more",
        )
    build = next((name for least, name in _CUDA_BUILDS if driver >= least), _CUDA_BUILDS[-1][1])
    return build, told


def _nvidia() -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return (CUDA version of the driver, least compute capability of the GPUs), None for what is not known."""
    try:
        import pynvml
    except ImportError:
        return None, None
    try:
        pynvml.nvmlInit()
        number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
        devices = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(int(pynvml.nvmlDeviceGetCount()))]
        capabilities = [tuple(map(int, pynvml.nvmlDeviceGetCudaComputeCapability(device))) for device in devices]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None, None
    least = min(capabilities, default=None)
    return (number // 1000, number % 1000 // 10), (least[0], least[1]) if least else None


def local_wheels(indexes: Indexes, platform: str) -> Iterator[Wheel]:
    """Yield the torch wheels with a local version that lie in the find-links folders and fit the platform."""
    machine = platform.partition("-")[0]
    name = re.compile(r"torch-([\w.!]+)\+([\w.]+)-cp(\d)(\d+)-cp\d+-(\w+)_" + re.escape(machine) + r"\.whl")
    for folder in uv.local_folders(indexes):
        for path in sorted(folder.glob("torch-*.whl")):
            if (match := name.fullmatch(path.name)) and match[5].startswith(("manylinux", "linux")):
                yield Wheel(match[1], match[2], f"{match[3]}.{match[4]}", folder)


def _order(wheel: Wheel) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", wheel.version))


def _fits(wheel: Wheel, build: str, lines: Iterable[str]) -> bool:
    """Tell whether a wheel is of the build (any CUDA build up to the driver's) and every requirement line allows it."""
    if wheel.build != build and not (build.startswith("cu") and wheel.build[:4] == build[:4] and wheel.build <= build):
        return False
    version = f"{wheel.version}+{wheel.build}"
    return all(_allows(line, version) for line in lines if re.match(r"torch\b(?!-)", line, re.IGNORECASE))


def _allows(constraint: str, version: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(constraint)
    except InvalidRequirement:
        return True  # refused by name where the plan is made
    return parsed.name.lower() != "torch" or parsed.specifier.contains(version, prereleases=True)


def _with_wheel(indexes: Indexes, wheel: Wheel) -> Indexes:
    """Pin torch to a local wheel, and torchvision and torchaudio to the releases that belong to it."""
    exact = f"{wheel.version}+{wheel.build}"
    pins = [f"torch=={exact}"]
    major, minor = _order(wheel)[:2]
    if major == 2:
        # torchvision 0.N belongs to torch 2.(N-15). Source: the compatibility table in torchvision's README.
        pins += [f"torchvision==0.{minor + 15}.*", f"torchaudio=={major}.{minor}.*"]
    reason = f"torch {exact} lies in a find-links folder"
    return replace(indexes, constraints=(*indexes.constraints, *pins), reasons=(*indexes.reasons, reason))
