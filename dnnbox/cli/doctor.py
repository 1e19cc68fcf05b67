"""What ``dnnbox doctor`` looks at: the machine, its engines and GPUs, the tools, the indexes. Nothing is changed.

Every check answers by itself, within two seconds, and names the way out when it does not pass.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from dnnbox.cli import doctor_network
from dnnbox.errors import DnnboxError
from dnnbox.records.plan import FitCheck
from dnnbox.reports import numbers
from dnnbox.text import redact, visible

_TIMEOUT_S = 2.0
_GPU_BYTES = 6 << 30  # an environment with CUDA libraries, unpacked
_CPU_BYTES = 2 << 30
_BUSY_SHARE = 0.25  # of the cores; above that results are marked contended

Status = Literal["ok", "warning", "failed", "unknown"]
Check = Callable[[Path], Iterable[FitCheck]]


def collect(workspace: Path | None = None) -> tuple[FitCheck, ...]:
    """Return all checks in the order of the screen; ``workspace`` defaults to the working directory."""
    root = workspace or Path.cwd()
    _import_first()
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        running = [pool.submit(_guarded, name, check, root) for name, check in CHECKS]
        return tuple(result for future in running for result in future.result())


def _import_first() -> None:
    """Import what the checks share: threads that import the same packages at once may lock each other out."""
    names = "machine environments.fit boxes.bubblewrap boxes.facts boxes.images environments.configured process uv"
    for name in names.split():
        import_module(f"dnnbox.{name}")
    import_module("pynvml")
    import_module("urllib.request")


def _guarded(name: str, check: Check, root: Path) -> tuple[FitCheck, ...]:
    try:
        return tuple(check(root))
    except DnnboxError as error:
        return (FitCheck(name, "failed", error.what, error.hint),)
    except Exception as error:  # noqa: BLE001 - a driver's or a tool's surprise must not hide the other answers
        return (FitCheck(name, "unknown", f"{type(error).__name__}: {visible(redact(str(error)), 120)}"),)


# -- the machine -----------------------------------------------------------------------------------------------------


def _system(_: Path) -> Iterable[FitCheck]:
    from dnnbox import machine

    release = ".".join(platform.release().split(".")[:2])
    text = f"{platform.system()} {release}, {platform.machine()}, {numbers.counted(machine.cores_available(), 'core')}"
    total = machine.memory_bytes()
    yield FitCheck("System", "ok", f"{text}, {numbers.memory(total / 2**20)} RAM" if total else text)


def _memory(_: Path) -> Iterable[FitCheck]:
    available = _meminfo().get("MemAvailable")
    if available is None:
        return
    status: Status = "ok" if available > 2 << 30 else "warning"
    fix = "" if status == "ok" else "close other programs, or set `--memory` so that the box fails first"
    yield FitCheck("Free memory", status, numbers.memory(available / 2**20), fix)


def _meminfo() -> dict[str, int]:
    """Return /proc/meminfo in bytes; empty elsewhere than on Linux."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if line.endswith(" kB")}


def _load(_: Path) -> Iterable[FitCheck]:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    text = f"{load:.1f} in the last minute on {numbers.counted(cores, 'core')}"
    if load < _BUSY_SHARE * cores:
        yield FitCheck("Other load", "ok", text)
    else:
        fix = "measure when the machine is quiet; until then results are marked contended"
        yield FitCheck("Other load", "warning", text, fix)


def _cgroup(_: Path) -> Iterable[FitCheck]:
    """Tell which limits can be enforced on a box that is no container."""
    root = Path("/sys/fs/cgroup")
    if not root.is_dir():
        return
    if (root / "cgroup.controllers").is_file():
        controllers = (root / "cgroup.controllers").read_text("ascii").split()
        version = "2"
    else:
        controllers = sorted(entry.name for entry in root.iterdir())
        version = "1"
    lacking = [name for name in ("memory", "pids", "cpuset") if name not in controllers]
    if lacking:
        fix = "a container engine limits them itself"
        yield FitCheck("cgroup", "warning", f"version {version}, no {', '.join(lacking)} controller", fix)
    else:
        yield FitCheck("cgroup", "ok", f"version {version}, memory, pids and cpuset")


def _disk(root: Path) -> Iterable[FitCheck]:
    from dnnbox.store import Store

    store = Store.default().root
    places = {"Disk, workspace": root, "Disk, cache": next(path for path in (store, *store.parents) if path.exists())}
    if os.stat(places["Disk, workspace"]).st_dev == os.stat(places["Disk, cache"]).st_dev:  # noqa: PTH116
        places = {"Disk": root}
    for name, path in places.items():
        free = shutil.disk_usage(path).free
        status: Status = "ok" if free > _GPU_BYTES else "warning" if free > _CPU_BYTES else "failed"
        need = f"an environment takes {numbers.size(_CPU_BYTES)} for the CPU, {numbers.size(_GPU_BYTES)} for a GPU"
        yield FitCheck(name, status, f"{numbers.size(free)} free", "" if status == "ok" else f"`dnnbox clean`; {need}")
    if not os.access(root, os.W_OK):
        yield FitCheck("Workspace", "failed", "cannot be written", "choose another place with `--out`")


# -- GPUs ------------------------------------------------------------------------------------------------------------


def _gpus(_: Path) -> Iterable[FitCheck]:
    cards = _pci_vendors()
    problem, found = _nvidia()
    yield from found
    if problem and "nvidia" in cards:
        yield FitCheck(
            "Graphics card", "failed", f"an NVIDIA card, but {problem}", "install or repair the NVIDIA driver"
        )
    elif Path("/dev/kfd").exists():
        yield FitCheck("GPU (ROCm)", "ok", "an AMD card with its compute driver")
    elif "amd" in cards and not found:
        yield FitCheck("Graphics card", "warning", "an AMD card without /dev/kfd", "install the ROCm kernel driver")
    elif sys.platform == "darwin" and platform.machine() == "arm64":
        yield FitCheck("GPU (MPS)", "ok", "Apple silicon; a venv box can use it, a container cannot")
    elif not found:
        yield FitCheck("Graphics card", "ok", "none; models run on the CPU")


def _fits(_: Path) -> Iterable[FitCheck]:
    """Tell whether the driver, the GPUs and the container toolkit suit the wheels that a new environment would take."""
    from dnnbox import machine
    from dnnbox.environments import fit, torch_build

    driver, gpus = machine.nvidia()
    kind, version = machine.toolkit() if gpus else ("", None)
    found = fit.Machine(0, 0, machine.shm_bytes(), driver, gpus, kind, version)
    need = fit.Need(0, accelerator="cuda", build=torch_build.wanted_build("cuda")[0]) if gpus else fit.Need(0)
    # Without a toolkit only containers lack the GPU.
    containers = [replace(c, status="warning") if c.status == "failed" else c for c in fit.toolkit(found) if gpus]
    checks = (*fit.checks(found, need), *containers)
    yield from (replace(check, name=_FIT_NAMES[check.name]) for check in checks if check.name in _FIT_NAMES)


_FIT_NAMES = {
    "shared memory": "Shared memory",
    "driver": "NVIDIA driver",
    "compute capability": "Compute capability",
    "MIG": "GPU slices",
    "GPU load": "GPU load",
    "container toolkit": "Container toolkit",
}
"""The checks of a plan that say something without a model, by what they are called on the doctor's screen."""


def _pci_vendors() -> set[str]:
    """Return the makers of the display and 3D controllers, as the kernel lists them."""
    names = {"0x10de": "nvidia", "0x1002": "amd"}
    found = set()
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            if (device / "class").read_text("ascii").startswith("0x03"):
                found.add(names.get((device / "vendor").read_text("ascii").strip(), "other"))
        except OSError:
            continue
    return found


def _nvidia() -> tuple[str, list[FitCheck]]:
    """Return (why the driver does not answer, one check per GPU)."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"NVML says: {visible(str(error), 80)}", []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return "", [_gpu(number, driver) for number in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _gpu(number: int, driver: str) -> FitCheck:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = _text(pynvml.nvmlDeviceGetName(handle))
    text = (
        f"{name}, {numbers.memory(memory.free / 2**20)} of {numbers.memory(memory.total / 2**20)} free, driver {driver}"
    )
    if memory.free < 0.5 * memory.total:
        return FitCheck(f"GPU {number}", "warning", text, "another program holds its memory; see nvidia-smi")
    return FitCheck(f"GPU {number}", "ok", text)


def _text(value: object) -> str:
    return visible(value, 80) if isinstance(value, (str, bytes)) else str(value)


# -- tools -----------------------------------------------------------------------------------------------------------


def _python(_: Path) -> Iterable[FitCheck]:
    yield FitCheck("Python", "ok", f"{platform.python_version()}, runs dnnbox")


def _uv(_: Path) -> Iterable[FitCheck]:
    from dnnbox import uv

    yield FitCheck("uv", "ok", _version([str(uv.binary()), "--version"]))


def _git(_: Path) -> Iterable[FitCheck]:
    if shutil.which("git") is None:
        yield FitCheck("git", "warning", "not installed", "only `--source URL` needs it: install the package git")
    else:
        yield FitCheck("git", "ok", _version(["git", "--version"]))


def _pixi(_: Path) -> Iterable[FitCheck]:
    """Tell whether pixi projects can be changed, and new pixi environments made."""
    from importlib.util import find_spec

    from dnnbox.environments import pixi

    program, engine = pixi.binary(), find_spec("rattler") is not None
    new = "py-rattler makes new pixi environments"
    if program is not None:
        yield FitCheck("pixi", "ok", f"{_version([str(program), '--version'])}{f'; {new}' if engine else ''}")
    elif engine:
        yield FitCheck("pixi", "unknown", f"not installed; {new}", "optional: only a pixi project of yours needs pixi")
    else:
        fix = "optional: `pip install 'dnnbox[conda]'` for `--box pixi`"
        yield FitCheck("pixi", "unknown", "neither pixi nor py-rattler is installed", fix)


def _version(argv: list[str]) -> str:
    from dnnbox import process

    done = process.run(argv, timeout_s=_TIMEOUT_S)
    words = done.stdout.split()
    return visible(next((word for word in words if word[:1].isdigit()), "version not known"), 40)


def _engines(_: Path) -> Iterable[FitCheck]:
    from dnnbox.boxes.engines import ENGINES

    answers = {engine: tuple(_engine(engine)) for engine in ENGINES}
    absent = [name for name, (first, *_) in answers.items() if first.status != "ok" and shutil.which(name) is None]
    if len(absent) == len(ENGINES):
        yield FitCheck("Docker, Podman", "unknown", "neither is installed", "optional: `--box venv` runs without one")
    for name, checks in answers.items():
        yield from () if name in absent else checks


def _engine(kind: str) -> Iterable[FitCheck]:
    """Yield whether an engine answers, what it does not enforce, and whether the base image is there."""
    from dnnbox.boxes import DEFAULT_IMAGE, facts
    from dnnbox.boxes.images import image_id

    name = kind.capitalize()
    try:
        engine = facts.engine_facts(kind)
    except DnnboxError as error:
        yield FitCheck(name, "warning", error.what.removeprefix(f"{kind}: "), error.hint)
        return
    how = ", rootless" if engine.rootless else ""
    yield FitCheck(name, "ok", f"{visible(engine.version, 40)}{how}, cgroup {visible(engine.cgroup, 4)}")
    if weak := facts.weaknesses(engine):
        fix = "use an engine with cgroup 2, or accept it with `--allow-weaker`"
        yield FitCheck(f"{name} limits", "warning", ", ".join(weak), fix)
    try:
        identity = image_id(kind, DEFAULT_IMAGE)
    except DnnboxError as error:
        yield FitCheck(f"{name} base image", "warning", error.what, error.hint or "`make engines` builds it")
    else:
        yield FitCheck(f"{name} base image", "ok", f"{DEFAULT_IMAGE}, {visible(identity, 19)}")


def _bubblewrap(_: Path) -> Iterable[FitCheck]:
    if not sys.platform.startswith("linux"):
        return
    from dnnbox.boxes import bubblewrap

    found = bubblewrap.find()
    if isinstance(found, str):
        fix = "install the package bubblewrap, so that a venv box has no network and sees no files of yours"
        yield FitCheck("bubblewrap", "warning", visible(found, 160), fix)
    else:
        yield FitCheck("bubblewrap", "ok", f"{_version(['bwrap', '--version'])}, sandboxes the venv box")


def _workspace(root: Path) -> Iterable[FitCheck]:
    from dnnbox import environments

    found = environments.detect(root)
    if len(found.managers) > 1:
        names = " and ".join(found.managers)
        yield FitCheck("Environment", "warning", f"{names} both manage this workspace", "say which with `--box`")
    elif found.managers:
        python = "has a Python" if found.current_python else "has no Python yet"
        yield FitCheck("Environment", "ok", f"{found.managers[0]}, {python}; touched only with your consent")
    else:
        yield FitCheck("Environment", "ok", "none in this workspace; each model gets its own")


_SHOWN = 5  # damaged files that are named


def store() -> tuple[FitCheck, ...]:
    """Read everything that dnnbox keeps and hold it against its hashes; takes seconds per gigabyte."""
    from dnnbox import integrity
    from dnnbox.store import Store

    kept = Store.default()
    folders = list(integrity.entry_folders(kept))
    bad = [f"{folder.parent.name}/{folder.name[:12]}: {what}" for folder in folders for what in _damage(folder)]
    bad += [*integrity.bytecode_differences(kept), *integrity.lock_differences(kept)]
    count = numbers.counted(len(folders), "entry", "entries")
    if bad:
        named = ", ".join(visible(what, 120) for what in bad[:_SHOWN])
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        fix = "`dnnbox clean --all` removes environments and caches; the next run makes them anew"
        return (FitCheck("Store", "failed", f"{count}, damaged: {named}{more}", fix),)
    old = sum(not integrity.is_vouched(folder) for folder in folders)
    unknown = f"; {old} made by an earlier version: only their wheels' files were checked" if old else ""
    return (FitCheck("Store", "ok", f"{count}, every file as it was made{unknown}"),)


def _damage(folder: Path) -> Iterable[str]:
    from dnnbox import integrity

    try:
        return list(integrity.differences(folder))
    except OSError as error:  # removed meanwhile, or not ours to read
        return () if not folder.exists() else [f"cannot be read: {error.strerror}"]


CHECKS: tuple[tuple[str, Check], ...] = (
    ("System", _system),
    ("Free memory", _memory),
    ("Other load", _load),
    ("Disk", _disk),
    ("cgroup", _cgroup),
    ("Graphics card", _gpus),
    ("Fit", _fits),
    ("Python", _python),
    ("uv", _uv),
    ("git", _git),
    ("pixi", _pixi),
    ("Engines", _engines),
    ("bubblewrap", _bubblewrap),
    ("Environment", _workspace),
    ("Package index", doctor_network.indexes),
    ("Network", doctor_network.network),
    ("Registries", doctor_network.registries),
)
"""Name and function of each check, in the order of the screen."""
