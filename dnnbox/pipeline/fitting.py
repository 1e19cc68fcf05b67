"""Prepared → does it fit: the machine's facts and the run's need are gathered here, judged in environments/fit.py."""

from __future__ import annotations

import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dnnbox import boxes, machine
from dnnbox.boxes import gpu
from dnnbox.devices import Device
from dnnbox.environments import fit
from dnnbox.errors import DnnboxError, EngineLimit, GpuUnavailable, HostFull, OutOfMemory, Usage, VramOutOfMemory
from dnnbox.records.environment import Limits
from dnnbox.records.plan import FitCheck
from dnnbox.store import Store
from dnnbox.text import visible

if TYPE_CHECKING:
    from dnnbox.pipeline.prepare import Prepared

_ERRORS: dict[str, type[DnnboxError]] = {"disk": HostFull, "memory": OutOfMemory, "VRAM": VramOutOfMemory,
                                         "engine limits": EngineLimit}  # fmt: skip
_CONTAINERS = ("docker", "podman")
_HALF = ("fp16", "bf16")


def checks(prepared: Prepared, store: Store, *, exists: bool) -> tuple[FitCheck, ...]:
    """Return the fit checks of a prepared run; ``exists``: its environment is there already."""
    return fit.checks(facts(prepared, store), need(prepared, exists=exists))


def facts(prepared: Prepared, store: Store) -> fit.Machine:
    """Return what this machine has for the run. The GPU is asked only where one will be used.

    Raises:
        GpuUnavailable: a GPU is named that is not here.
    """
    memory = prepared.options.memory_bytes or boxes.default_memory_bytes()
    disk, shm = machine.free_bytes(store.root), machine.shm_bytes()
    engine = prepared.box if prepared.box in _CONTAINERS else ""
    limits = Limits(memory, cpus=prepared.options.cpus)
    lacking = boxes.unenforceable(engine, limits) if engine else ()
    if prepared.device.accelerator != "cuda":
        return fit.Machine(disk, memory, shm, engine=engine, unenforceable=lacking)
    driver, gpus = machine.nvidia()
    _refuse_lacking(prepared, gpus)
    mine = _used(prepared, gpus)
    kind, version = machine.toolkit() if prepared.box in _CONTAINERS else ("", None)
    return fit.Machine(disk, memory, shm, driver, mine, kind, version, engine, lacking)


def host(prepared: Prepared) -> dict[str, Any]:
    """Return the machine as the host knows it, for a box that ended before it could say what it was.

    How many processors an engine gives a container, and which system the image is, the host does not know.
    """
    found = machine.host()
    if prepared.box in _CONTAINERS:
        found |= {"cores_available": None, "os": platform.system()}
    with suppress(EngineLimit, Usage):  # processors that are not there are what ended the run
        found["cores_available"] = len(boxes.cpu_set(prepared.options.cpus)) or found["cores_available"]
    if prepared.device.accelerator == "cuda":
        mine = _used(prepared, machine.nvidia()[1])
        found["gpu"] = [{"name": each.name, "uuid": each.uuid, "memory_bytes": each.total_bytes} for each in mine]
    return found


def _used(prepared: Prepared, gpus: tuple[machine.Gpu, ...]) -> tuple[machine.Gpu, ...]:
    """Return the GPUs that the box will see; a container is given the first one where none was named."""
    first = "device=0" if prepared.box in _CONTAINERS and prepared.device.name == "cuda" else ""
    return chosen(gpus, prepared.device.name, prepared.options.gpus or first)


def chosen(gpus: tuple[machine.Gpu, ...], device: str, named: str) -> tuple[machine.Gpu, ...]:
    """Return the GPUs of a run, by ``--gpus`` (numbers, UUIDs, how many) or by the device's number; else all."""
    names, count = _names(device, named)
    if count > 0:  # the first ones
        return gpus[:count]
    found = tuple(each for number, each in enumerate(gpus) if any(_is(name, number, each) for name in names))
    return found or gpus


def _names(device: str, named: str) -> tuple[tuple[str, ...], int]:
    """Return the GPUs that are named, by number or UUID, and how many of the first ones are asked for."""
    return gpu.named(named) if named else (tuple(filter(None, [device.partition(":")[2]])), 0)


def _is(name: str, number: int, each: machine.Gpu) -> bool:
    return name == str(number) or (bool(each.uuid) and each.uuid.startswith(name))


def _refuse_lacking(prepared: Prepared, gpus: tuple[machine.Gpu, ...]) -> None:
    """Stop a run that names a GPU which is not here. Slices are not among those that the driver lists."""
    names, count = _names(prepared.device.name, prepared.options.gpus)
    whole = [name for name in names if not name.startswith("MIG-") and ":" not in name]
    lacking = [name for name in whole if not any(_is(name, *each) for each in enumerate(gpus))]
    if gpus and (lacking or count > len(gpus)):
        asked = f"GPU {', '.join(lacking)}" if lacking else f"{count} GPUs"
        here = ", ".join(f"{number} ({each.name})" for number, each in enumerate(gpus))
        what = f"asked for: {visible(asked, 60)}; on this machine: {visible(here, 200)}"
        raise GpuUnavailable(what, hint="name GPUs that are here, or `--device cuda` for the first", phase="plan")


def need(prepared: Prepared, *, exists: bool) -> fit.Need:
    """Return what the run needs."""
    tensors, options, lock = prepared.inspection.tensors, prepared.options, prepared.lock
    stored = tensors.bytes or prepared.inspection.size_bytes
    halved = options.precision in _HALF and tensors.parameters > 0
    return fit.Need(
        weights_bytes=2 * tensors.parameters if halved else stored,
        download_bytes=0 if exists or lock is None else lock.download_bytes,
        accelerator=prepared.device.accelerator,
        container=prepared.box in _CONTAINERS,
        shm_bytes=options.shm_bytes or (1 << 30),
        build=fit.build_of(lock.packages) if lock else "",
        batch=max(options.batches),
        allow_weaker=options.allow_weaker,
    )


def refuse_two_choices(device: Device, named: str) -> None:
    """Stop a run whose device and ``--gpus`` both choose: inside the box the GPUs that were named count from 0.

    Raises:
        Usage: they do.
    """
    if named and ":" in device.name and gpu.named(named) != ((), -1):
        what = f"`--device {device.name}` and `--gpus {visible(named, 60)}` both choose a GPU"
        raise Usage(what, hint="with `--gpus` use `--device cuda`, the first of those", phase="plan")


def refuse_idle_gpus(device: Device, named: str) -> None:
    """Stop a run that GPUs were named for and that would use none.

    Raises:
        Usage: what was named is not readable.
        GpuUnavailable: the device of the run is no GPU.
    """
    if not named:
        return
    gpu.named(named)
    if device.accelerator not in ("cuda", "rocm"):
        why = f"the device is {device.name}" if device.reason == "asked for" else device.reason
        what = f"--gpus {visible(named, 60)} was asked for, and no GPU would be used: {why}"
        raise GpuUnavailable(what, hint="leave `--gpus` out", phase="plan")


def refuse(found: tuple[FitCheck, ...]) -> None:
    """Stop a run that cannot work, before anything is downloaded.

    Raises:
        HostFull, OutOfMemory, VramOutOfMemory, GpuUnavailable: the first failed check, with its way out.
    """
    failed = next((check for check in found if check.status == "failed"), None)
    if failed is not None:
        error = _ERRORS.get(failed.name, GpuUnavailable)
        raise error(f"it does not fit: {failed.name}: {failed.detail}", hint=failed.fix, phase="plan")
