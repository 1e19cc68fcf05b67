"""What a job on a GPU needs: device nodes by name, or a request to the engine; nothing that was not asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox.errors import GpuUnavailable, Usage
from dnnbox.walk import read_head

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


def environment(device: str, gpus: str = "") -> dict[str, str]:
    """Return the variables that go with the device; without a GPU the libraries are told not to look for one.

    ``gpus`` is docker's grammar: a box without an engine shows the model those GPUs by number or UUID, in that order.
    """
    if not device.startswith("cuda"):
        return {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
    # NVML counts by the place on the bus, CUDA by speed unless told so: a number must mean one GPU everywhere.
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    names, count = named(gpus) if gpus else ((), -1)
    if not names and count < 0:
        return order
    return {**order, "CUDA_VISIBLE_DEVICES": ",".join(names or map(str, range(count)))}


@dataclass(frozen=True)
class GpuRequest:
    """GPUs for a container: by index or UUID, or a ``count`` (-1 = all). Empty means none.

    ``driver`` is "nvidia", "cdi" or "rocm". Source: Engine API 1.41 DeviceRequest; CDI specification 0.6.
    """

    driver: str = ""
    device_ids: tuple[str, ...] = ()
    count: int = 0
    nodes: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.driver)

    def arguments(self) -> dict[str, Any]:
        """Return the SDK's keyword arguments for ``containers.create``."""
        if not self:
            return {}
        if self.driver == "rocm":
            return {"devices": [f"{node}:{place(node)}:rw" for node in self.nodes], "group_add": list(self.groups)}
        from docker.types import DeviceRequest

        if self.driver == "cdi":
            return {"device_requests": [DeviceRequest(driver="cdi", device_ids=list(self.device_ids))]}
        wanted: dict[str, Any] = {"capabilities": [["gpu", "compute", "utility"]]}
        # Named, not counted, wherever possible: on a shared machine a count takes whatever comes first.
        wanted |= {"device_ids": list(self.device_ids)} if self.device_ids else {"count": self.count}
        return {"device_requests": [DeviceRequest(**wanted)]}


def place(node: str) -> str:
    """Return where a container sees a node of the host: the same place below /dev."""
    return f"/dev/{node.rpartition('/dev/')[2]}"


def request(
    device: str, gpus: str, cdi_dirs: Sequence[str], *, has_hook: bool = True, dev: Path = Path("/dev")
) -> GpuRequest:
    """Return the request for a device (``cuda``, ``cuda:1``) and docker's grammar (``all``, ``2``, ``device=0,1``).

    ``has_hook``: the engine can pass NVIDIA's GPUs without CDI. ``dev`` must end in "dev".

    Raises:
        Usage: ``gpus`` is not of that grammar.
        GpuUnavailable: the engine needs a CDI specification, and there is none.
    """
    if not device.startswith("cuda"):
        return GpuRequest()
    if (dev / "kfd").exists() and not (dev / "nvidiactl").exists():
        found = tuple(str(path) for path in _amd(dev))
        groups = tuple(sorted({Path(node).stat().st_gid for node in found}))
        return GpuRequest("rocm", nodes=found, groups=groups)
    device_ids, count = named(gpus or f"device={device.partition(':')[2] or '0'}")
    if not _has_cdi_spec(cdi_dirs):
        if not has_hook:
            raise GpuUnavailable(
                "podman passes a GPU by its CDI specification only, and there is none",
                hint="`nvidia-ctk cdi generate --output /etc/cdi/nvidia.yaml`",
            )
        return GpuRequest("nvidia", device_ids, count)
    names = device_ids or (("all",) if count < 0 else tuple(map(str, range(count))))
    return GpuRequest("cdi", tuple(f"nvidia.com/gpu={name}" for name in names))


def named(gpus: str) -> tuple[tuple[str, ...], int]:
    """Return (numbers or UUIDs, count) of docker's grammar; -1 is all.

    Raises:
        Usage: it is not of that grammar.
    """
    text = gpus.strip("\"'")
    if text == "all":
        return (), -1
    if text.isascii() and text.isdigit() and int(text) > 0:
        return (), int(text)
    if re.fullmatch(r"device=[A-Za-z0-9:/-]+(,[A-Za-z0-9:/-]+)*", text):  # MIG-GPU-…/1/0 and 0:1 are slices
        return tuple(text.removeprefix("device=").split(",")), 0
    raise Usage("--gpus is not readable", hint="write `all`, how many (from 1 on), or `device=0,1`")


def _has_cdi_spec(folders: Sequence[str]) -> bool:
    """Return whether a directory that the engine reads has a specification for NVIDIA's GPUs."""
    specs = (path for folder in folders for path in Path(folder).glob("*") if path.suffix in (".json", ".yaml"))
    # One that only the engine may read is not for us to choose by.
    return any(b"nvidia.com/gpu" in (read_head(path, 4096) or b"") for path in specs)
