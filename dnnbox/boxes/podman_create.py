"""Creates a container with podman's own command, which can say what its API cannot.

The API has no field for a CDI device, and drops the limits of a process where podman is rootless on cgroup 1.
The arguments are those for the API, word for word; what came of them is compared afterwards as for every container.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dnnbox import process
from dnnbox.boxes.gpu_refusals import gpu_refused, is_gpu_refusal
from dnnbox.errors import EngineUnavailable
from dnnbox.text import visible

_TIMEOUT_S = 120.0

_VALUES = {
    "user": "user",
    "working_dir": "workdir",
    "hostname": "hostname",
    "name": "name",
    "stop_signal": "stop-signal",
    "network_mode": "network",
    "ipc_mode": "ipc",
    "mem_limit": "memory",
    "memswap_limit": "memory-swap",
    "mem_swappiness": "memory-swappiness",
    "pids_limit": "pids-limit",
    "shm_size": "shm-size",
    "cpuset_cpus": "cpuset-cpus",
}
"""The API's arguments with one value, and the command's options."""


def create(url: str, arguments: Mapping[str, Any], devices: Sequence[str]) -> None:
    """Create the container at the service behind ``url``.

    Raises:
        GpuUnavailable: podman refuses the device.
        EngineUnavailable: it refuses anything else.
    """
    program = shutil.which("podman")
    if program is None:
        raise EngineUnavailable("this needs podman's own command, which is not on PATH", hint="install podman")
    done = process.run([program, "--url", url, *argv(arguments, devices)], timeout_s=_TIMEOUT_S)
    if done.returncode == 0:
        return
    words = visible((done.stderr.strip().splitlines() or ["no reason given"])[-1], 200)
    if (devices or arguments.get("devices")) and (is_gpu_refusal(words) or "CDI" in words):
        raise gpu_refused("podman", words)
    raise EngineUnavailable(f"podman: {words}")


def argv(arguments: Mapping[str, Any], devices: Sequence[str]) -> list[str]:
    """Return the command that makes the container which the API would make of ``arguments``."""
    return [*_options(arguments), *(f"--device={name}" for name in devices), *_image(arguments)]


def _options(arguments: Mapping[str, Any]) -> Iterator[str]:
    yield from ("create", "--quiet", "--pull=never", "--init", "--no-healthcheck", "--http-proxy=false")
    yield from ("--read-only", "--read-only-tmpfs=false", "--restart=no")
    for key, option in _VALUES.items():
        if arguments.get(key) not in (None, ""):
            yield f"--{option}={arguments[key]}"
    yield from (f"--device={device}" for device in arguments.get("devices", ()))
    yield from (f"--group-add={group}" for group in arguments.get("group_add", ()))
    yield from (f"--cap-drop={name}" for name in arguments["cap_drop"])
    yield from (f"--security-opt={option.removesuffix(':true')}" for option in arguments["security_opt"])
    yield from (f"--label={name}={value}" for name, value in arguments["labels"].items())
    for entry in arguments["environment"]:
        yield f"--env={entry}" if "=" in entry else f"--unsetenv={entry}"
    yield from (f"--tmpfs={place}:{options}" for place, options in arguments["tmpfs"].items())
    for limit in arguments["ulimits"]:
        yield f"--ulimit={limit['Name']}={limit['Soft']}:{limit['Hard']}"
    log = arguments["log_config"]
    yield f"--log-driver={log['Type']}"
    yield from (f"--log-opt={name}={value}" for name, value in (log["Config"] or {}).items())
    for mount in arguments["mounts"]:
        kind = "true" if mount["ReadOnly"] else "false"
        yield (
            f"--mount=type=bind,source={mount['Source']},target={mount['Target']},ro={kind},bind-propagation=rprivate"
        )


def _image(arguments: Mapping[str, Any]) -> Iterator[str]:
    (program,) = arguments["entrypoint"]
    yield from (f"--entrypoint={program}", str(arguments["image"]), *map(str, arguments["command"]))
