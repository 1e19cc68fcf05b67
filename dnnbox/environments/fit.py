"""Does it fit this machine? Pure: facts about the machine and the need of a run → one check each, with the way out.

Nothing is asked here, so that every case can be shown in a table without the hardware that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dnnbox.machine import Gpu
from dnnbox.records.environment import Accelerator, LockedPackage
from dnnbox.records.plan import FitCheck

Version = tuple[int, ...]

ARCHITECTURES = {"cu118": ((5, 0), (9, 0)), "cu126": ((5, 0), (9, 0)), "cu128": ((7, 5), (12, 0)),
                 "cu130": ((7, 5), (12, 0)), "cu132": ((7, 5), (12, 0))}  # fmt: skip
"""Build → (least, newest) compute capability with machine code in torch's Linux wheels.

Source: CUDA support matrix in pytorch's RELEASE.md (pull requests 164471, 175253, 182849; read 2026-11-23)."""

TOOLKIT_FIXED = (1, 17, 8)
"""Older NVIDIA container toolkits let a container out: CVE-2024-0132, CVE-2025-23359, CVE-2025-23266."""

UNPACKED = 4
"""How many times its download an environment takes on disk, archive and bytecode included; observed for torch."""

_CONTEXT_BYTES = 600 << 20  # what CUDA and its libraries take on the GPU before any weight is there
_ACTIVATIONS = 0.2  # of the weights, for one item; a guess, and the check says "about"
_SPARE_BYTES = 1 << 30
_LEAST_SHM_BYTES = 64 << 20  # docker's default; loaders with workers and NCCL need more
_BUSY = 0.1


@dataclass(frozen=True)
class Machine:
    """What the machine has. None and "" mean that it could not be told.

    ``toolkit`` is "cdi" or "hook", "" where no NVIDIA container toolkit was found. ``unenforceable`` are the limits of
    the run that its container ``engine`` cannot enforce.
    """

    disk_free_bytes: int
    memory_bytes: int
    shm_bytes: int | None = None
    driver_cuda: tuple[int, int] | None = None
    gpus: tuple[Gpu, ...] = ()
    toolkit: str = ""
    toolkit_version: Version | None = None
    engine: str = ""
    unenforceable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """What a run needs. ``build`` is torch's name of the CUDA build in the lock ("cu130"), "" where there is none."""

    weights_bytes: int
    download_bytes: int = 0
    accelerator: Accelerator = "cpu"
    container: bool = False
    shm_bytes: int = 0
    build: str = ""
    batch: int = 1
    allow_weaker: bool = False


def checks(machine: Machine, need: Need) -> tuple[FitCheck, ...]:
    """Return every check that applies, the good ones included."""
    found = [_disk(machine, need), _memory(machine, need), *_shm(machine, need), *_engine(machine, need)]
    if need.accelerator == "cuda":
        found += [*_driver(machine, need), *(check for gpu in machine.gpus for check in _gpu(gpu, need))]
        found += toolkit(machine) if need.container else []
    return tuple(found)


def build_of(packages: Iterable[LockedPackage]) -> str:
    """Return the CUDA build of a lock: torch's local version, else the CUDA that its NVIDIA packages are for."""
    for package in packages:
        if package.name == "torch" and (match := re.search(r"\+(cu\d+)$", package.version)):
            return match[1]
        if match := re.fullmatch(r"nvidia-cuda-runtime(?:-cu(\d+))?", package.name):
            major, minor, *_ = [*re.findall(r"\d+", package.version), "0"]
            return f"cu{match[1] or major}{minor}"
    return ""


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.0f} MiB"


def _disk(machine: Machine, need: Need) -> FitCheck:
    wanted = UNPACKED * need.download_bytes
    fits = machine.disk_free_bytes > wanted + _SPARE_BYTES
    text = f"{_gb(machine.disk_free_bytes)} free, about {_gb(wanted)} needed"
    if machine.disk_free_bytes > wanted:
        text += "" if fits else f" and {_gb(_SPARE_BYTES)} to spare"
    fix = "free space with `dnnbox clean`, or set DNNBOX_HOME to a larger disk"
    return FitCheck("disk", "ok" if fits else "failed", text, "" if fits else fix)


def _memory(machine: Machine, need: Need) -> FitCheck:
    """Weights are there twice for a moment: as read, and as the model's own."""
    fits = machine.memory_bytes > 2 * need.weights_bytes
    text = f"{_gib(machine.memory_bytes)} for the box, weights take {_gib(need.weights_bytes)}"
    return FitCheck(
        "memory",
        "ok" if fits else "failed" if machine.memory_bytes < need.weights_bytes else "warning",
        text,
        "" if fits else "raise `--memory`, close other programs, or use a machine with more memory",
    )


def _shm(machine: Machine, need: Need) -> Iterator[FitCheck]:
    size = need.shm_bytes if need.container else machine.shm_bytes
    if size is None or size == 0:
        return
    fits = size >= _LEAST_SHM_BYTES
    fix = "`--shm-size 1G`" if need.container else "mount /dev/shm with more: `mount -o remount,size=1G /dev/shm`"
    yield FitCheck("shared memory", "ok" if fits else "warning", f"{_gib(size)} in /dev/shm", "" if fits else fix)


def _engine(machine: Machine, need: Need) -> Iterator[FitCheck]:
    if not machine.engine:
        return
    if not machine.unenforceable:
        yield FitCheck("engine limits", "ok", f"{machine.engine} enforces what the box may use")
        return
    text = f"{machine.engine} cannot limit {', '.join(machine.unenforceable)} here"
    if need.allow_weaker:
        yield FitCheck("engine limits", "warning", f"{text}, which `--allow-weaker` accepts", "use an engine that can")
    else:
        fix = "use an engine that can, `--box venv`, or accept it with `--allow-weaker`"
        yield FitCheck("engine limits", "failed", text, fix)


def _driver(machine: Machine, need: Need) -> Iterator[FitCheck]:
    """A driver runs builds of its own CUDA major version and of older ones."""
    wanted = _cuda_of(need.build)
    if machine.driver_cuda is None:
        yield FitCheck("driver", "unknown", "the driver does not tell its CUDA version", "`nvidia-smi` must answer")
        return
    told = f"the driver supports CUDA {machine.driver_cuda[0]}.{machine.driver_cuda[1]}"
    if wanted is None:
        yield FitCheck("driver", "ok", told)
        return
    fits = machine.driver_cuda[0] >= wanted[0]
    text = f"{told}, the wheels are for CUDA {wanted[0]}.{wanted[1]}"
    fix = f"update the NVIDIA driver, or name torch's index for CUDA {machine.driver_cuda[0]} in `indexes`"
    yield FitCheck("driver", "ok" if fits else "failed", text, "" if fits else fix)


def _cuda_of(build: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"cu(\d\d)(\d)\d*", build)
    return (int(match[1]), int(match[2])) if match else None


def _gpu(gpu: Gpu, need: Need) -> Iterator[FitCheck]:
    yield from _architecture(gpu, need.build)
    yield _vram(gpu, need)
    if gpu.mig:
        fix = "name a slice: `--gpus device=MIG-…` (`nvidia-smi -L` lists them)"
        yield FitCheck("MIG", "warning", f"{gpu.name} is divided into slices", fix)
    if gpu.busy > _BUSY:
        fix = "measure when it is idle; until then results are marked contended"
        yield FitCheck("GPU load", "warning", f"{gpu.name} is {gpu.busy:.0%} busy with other work", fix)


def _architecture(gpu: Gpu, build: str) -> Iterator[FitCheck]:
    if build not in ARCHITECTURES:
        return
    least, newest = ARCHITECTURES[build]
    has = f"{gpu.name} has compute capability {gpu.capability[0]}.{gpu.capability[1]}"
    text = f"{has}, the {build} wheels are for {least[0]}.{least[1]} to {newest[0]}.{newest[1]}"
    if gpu.capability < least:
        fix = "an older build still has it: constrain torch to a +cu126 version (up to 2.14)"
        yield FitCheck("compute capability", "failed", text, fix)
    elif gpu.capability[0] > newest[0]:
        fix = "a newer build: name torch's index for cu130 or later in `indexes`"
        yield FitCheck("compute capability", "failed" if build < "cu128" else "warning", text, fix)
    else:
        yield FitCheck("compute capability", "ok", text)


def _vram(gpu: Gpu, need: Need) -> FitCheck:
    wanted = int(need.weights_bytes * (1 + _ACTIVATIONS * need.batch)) + _CONTEXT_BYTES
    text = f"{_gib(gpu.free_bytes)} of {_gib(gpu.total_bytes)} free on {gpu.name}, about {_gib(wanted)} needed"
    if need.weights_bytes + _CONTEXT_BYTES > gpu.total_bytes:
        return FitCheck("VRAM", "failed", text, "`--precision bf16`, a GPU with more memory, or `--device cpu`")
    if wanted > gpu.free_bytes:
        return FitCheck("VRAM", "warning", text, "end what holds its memory (`nvidia-smi`), or use a smaller `--batch`")
    return FitCheck("VRAM", "ok", text)


def toolkit(machine: Machine) -> list[FitCheck]:
    """Return whether a container gets the GPU, and whether what gives it to it is safe."""
    name = "container toolkit"
    if not machine.toolkit:
        fix = "install nvidia-container-toolkit, then `nvidia-ctk cdi generate --output /etc/cdi/nvidia.yaml`"
        return [FitCheck(name, "failed", "no CDI specification, no NVIDIA hook: no container gets the GPU", fix)]
    if machine.engine == "podman" and machine.toolkit != "cdi":
        fix = "`nvidia-ctk cdi generate --output /etc/cdi/nvidia.yaml`"
        return [FitCheck(name, "failed", "no CDI specification, and podman passes a GPU by nothing else", fix)]
    if machine.toolkit_version is None:
        fix = "`nvidia-ctk --version` must answer"
        return [FitCheck(name, "unknown", f"{machine.toolkit}, version not known", fix)]
    text = f"{machine.toolkit}, version {'.'.join(map(str, machine.toolkit_version))}"
    if machine.toolkit_version < TOOLKIT_FIXED:
        fix = f"update nvidia-container-toolkit to {'.'.join(map(str, TOOLKIT_FIXED))} or newer"
        return [FitCheck(name, "warning", f"{text}: a container can break out (CVE-2025-23266)", fix)]
    return [FitCheck(name, "ok", text)]
