"""The settings of every container that dnnbox starts, and the proof that the engine took them.

Engines drop fields that they do not know without a word. So what was asked for is compared with what the engine says
about the created container, before anything in it runs.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dnnbox.boxes.base import HOME
from dnnbox.boxes.gpu import GpuRequest, place
from dnnbox.records.environment import Limits, Mount

_LOG_FILE_BYTES = 16 << 20
_PODMAN_CDI = ("/etc/cdi", "/var/run/cdi")
"""Where podman looks for specifications; its API does not say."""

CPU_SHARES = 512
"""Half of what a container usually weighs: where several want the processors, foreign code is not the first."""
_OWN_IPC = {"docker": ("private",), "podman": ("private", "shareable")}
"""Podman calls a namespace of its own shareable: only the user himself could join it with another container."""

_MOST_FILES = 1 << 20
_PID_MAX = 32768  # the kernel's default
_NO_NEW_PRIVILEGES = "no-new-privileges:true"


@dataclass(frozen=True)
class Engine:
    """What matters about an engine. ``kind`` is docker or podman; figures of limits say what it can enforce."""

    kind: str
    version: str
    cgroup: str
    rootless: bool
    remapped: bool
    limits: Mapping[str, bool]
    cdi_dirs: tuple[str, ...] = ()
    seccomp: bool = True
    runtimes: tuple[str, ...] = ()

    @property
    def allows_io_uring(self) -> bool:
        """Whether its own list of system calls may still allow io_uring: Docker's does before 25."""
        major = self.version.partition(".")[0]
        return self.kind != "docker" or not major.isdigit() or int(major) < 25

    @classmethod
    def from_info(cls, kind: str, info: Mapping[str, Any], controllers: Sequence[str] | None = None) -> Engine:
        """Read the engine's answer to ``info``; ``controllers`` are those that a rootless engine may use, if it tells.

        A rootless Podman otherwise speaks of the machine's controllers, not of its own.
        """
        security = " ".join(info.get("SecurityOptions") or ())
        named = {"memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit", "cpuset": "CPUSet"}
        limits = {name: bool(info.get(key)) for name, key in named.items()}
        if controllers is not None:
            needed = {"swap": "memory"}
            limits = {name: can and needed.get(name, name) in controllers for name, can in limits.items()}
        return cls(
            kind=kind,
            version=str(info.get("ServerVersion", "")),
            cgroup=str(info.get("CgroupVersion", "1")),
            rootless="name=rootless" in security or bool(info.get("Rootless")),
            remapped="name=userns" in security,
            limits=limits,
            cdi_dirs=tuple(info.get("CDISpecDirs") or (_PODMAN_CDI if kind == "podman" else ())),
            seccomp="name=seccomp" in security,
            runtimes=tuple(sorted(info.get("Runtimes") or ())),
        )


@dataclass(frozen=True)
class Wanted:
    """One container as it is to be. ``environment`` is all that it gets; ``dropped`` are the image's own variables."""

    image: str
    command: tuple[str, ...]
    user: str
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    limits: Limits
    labels: Mapping[str, str]
    network: str = "none"
    working_dir: str = "/"
    dropped: tuple[str, ...] = ()
    gpu: GpuRequest = field(default_factory=GpuRequest)
    runtime: str = ""


def user_of(engine: Engine) -> tuple[int, int]:
    """Return the uid and gid for the container: the caller's, never root's.

    Rootless engines map the container's root to the caller, so there root is the one without privileges. A root caller
    is whoever called sudo, else nobody.
    """
    if engine.rootless:
        return 0, 0
    uid, gid = os.getuid(), os.getgid()
    if uid != 0:
        return uid, gid
    sudo_uid, sudo_gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if sudo_uid.isdigit() and sudo_gid.isdigit() and int(sudo_uid) != 0:
        return int(sudo_uid), int(sudo_gid)
    return 65534, 65534


def create_arguments(engine: Engine, wanted: Wanted) -> dict[str, Any]:
    """Return the keyword arguments for the SDK's ``containers.create``."""
    from docker.types import LogConfig, Ulimit
    from docker.types import Mount as BindMount

    limits = wanted.limits
    arguments: dict[str, Any] = {
        "image": wanted.image,
        "entrypoint": [wanted.command[0]],
        "command": list(wanted.command[1:]),
        "user": wanted.user,
        "environment": _environment(wanted),
        "use_config_proxy": False,  # the SDK would copy the proxies of ~/.docker/config.json, passwords included
        "working_dir": wanted.working_dir,
        "hostname": "dnnbox",
        "labels": dict(wanted.labels),
        "name": f"dnnbox-{wanted.labels['org.dnnbox.run']}",
        "healthcheck": {"test": ["NONE"]},
        "stop_signal": "SIGTERM",
        "init": True,
        "network_mode": wanted.network,
        "ipc_mode": "private",
        "cap_drop": ["ALL"],
        "security_opt": [_NO_NEW_PRIVILEGES],
        "privileged": False,
        "read_only": True,
        "tmpfs": _tmpfs(engine, wanted),
        "mem_limit": limits.memory_bytes,
        "pids_limit": limits.pids,
        "shm_size": limits.shm_bytes,
        "cpuset_cpus": limits.cpus,
        "ulimits": [Ulimit(name=name, soft=value, hard=value) for name, value in _ulimits(engine, limits)],
        "log_config": LogConfig(**_log(engine)),
        "restart_policy": {"Name": "no"},
        "auto_remove": False,  # its end state is read first
        "mounts": [
            BindMount(m.inside, m.host, type="bind", read_only=not m.writable, propagation="rprivate")
            for m in wanted.mounts
        ],
        **wanted.gpu.arguments(),
    }
    if wanted.runtime:
        arguments["runtime"] = wanted.runtime
    if engine.limits["swap"]:
        arguments["memswap_limit"] = limits.memory_bytes  # as much as memory: no swap
    if engine.cgroup == "1":
        arguments["mem_swappiness"] = 0
    if engine.kind == "docker":
        arguments["cpu_shares"] = CPU_SHARES
    if engine.remapped:
        arguments["userns_mode"] = "host"  # so that the caller's uid inside is the caller's outside
    for name in unenforceable(engine, limits):
        for argument in _ARGUMENTS[name]:
            arguments.pop(argument, None)
    return arguments


_ARGUMENTS = {"memory": ("mem_limit", "memswap_limit", "mem_swappiness"), "pids": ("pids_limit",),
              "cpuset": ("cpuset_cpus",)}  # fmt: skip
"""What an engine that cannot enforce a limit is not asked for: it would drop some of it, and refuse the rest."""

_SETTINGS = {"memory": ("memory", "memory and swap"), "pids": ("number of processes",), "cpuset": ("processors",)}
"""What is then not compared."""


def _environment(wanted: Wanted) -> list[str]:
    """Return the variables; a name without a value takes the image's own variable away."""
    dropped = [name for name in wanted.dropped if name not in wanted.environment]
    return [*(f"{name}={value}" for name, value in wanted.environment.items()), *dropped]


def _ulimits(engine: Engine, limits: Limits) -> list[tuple[str, int]]:
    """Return the limits of the container's processes.

    Podman would raise files and processes to figures of its own, and then start nothing where it lacks the right to:
    it gets this process's limits, and of processes no more than the kernel numbers, as its service limits itself.
    """
    found = [("core", 0), ("fsize", limits.file_bytes)]
    if engine.kind == "podman":
        found.append(("nofile", _own_limit(resource.RLIMIT_NOFILE, _MOST_FILES)))
        found.append(("nproc", _own_limit(resource.RLIMIT_NPROC, _numbered_processes())))
    return found


def _own_limit(kind: int, most: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def _numbered_processes() -> int:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text("ascii"))
    except (OSError, ValueError):
        return _PID_MAX


def _log(engine: Engine) -> dict[str, Any]:
    """Return where the output goes until it is read: a file of bounded size, whatever the engine calls it."""
    if engine.kind == "podman":
        return {"type": "k8s-file", "config": {"max-size": str(2 * _LOG_FILE_BYTES)}}
    return {"type": "local", "config": {"max-size": str(_LOG_FILE_BYTES), "max-file": "2"}}


def _tmpfs(engine: Engine, wanted: Wanted) -> dict[str, str]:
    uid, _, gid = wanted.user.partition(":")
    # Podman takes no owner for a tmpfs; nobody else is in the container to write to a home that all may write to.
    home = "mode=1777" if engine.kind == "podman" else f"mode=0700,uid={uid},gid={gid}"
    # exec: compilers of kernels (torch.compile, Triton) load what they wrote there.
    options = f"rw,exec,nosuid,nodev,size={wanted.limits.memory_bytes}"
    places = {"/tmp": f"{options},mode=1777", HOME: f"{options},{home}"}  # noqa: S108 — inside
    # Podman would make this one of its own accord, for everybody to write to.
    return {**places, "/var/tmp": "ro,nosuid,nodev,noexec,size=64k"} if engine.kind == "podman" else places  # noqa: S108


def differences(engine: Engine, wanted: Wanted, attrs: Mapping[str, Any]) -> list[str]:
    """Return what the created container has otherwise than wanted, one short text each."""
    host, config = attrs["HostConfig"], attrs["Config"]
    left_out = {name for limit in unenforceable(engine, wanted.limits) for name in _SETTINGS[limit]}
    found = [
        f"{name} is {actual!r}, wanted {expected!r}"
        for name, actual, expected in _settings(engine, wanted, host, config)
        if actual != expected and name not in left_out
    ]
    return [*found, *_environment_differences(wanted, config), *_mount_differences(wanted, attrs)]


def _settings(
    engine: Engine, wanted: Wanted, host: Mapping[str, Any], config: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    """Return (name, actual, expected) of every setting that isolates."""
    limits = wanted.limits
    settings: list[tuple[str, object, object]] = [
        ("user", config.get("User"), wanted.user),
        ("network", host.get("NetworkMode"), wanted.network),
        ("read-only root", host.get("ReadonlyRootfs"), True),
        ("privileged", bool(host.get("Privileged")), False),
        ("capabilities added", list(host.get("CapAdd") or ()), []),
        ("no-new-privileges", _no_new_privileges(host), True),
        ("unconfined", [o for o in host.get("SecurityOpt") or () if "unconfined" in o or "disable" in o], []),
        ("pid namespace", host.get("PidMode") in ("", "private", None), True),
        ("uts namespace", host.get("UTSMode") in ("", "private", None), True),
        ("ipc namespace", host.get("IpcMode") in _OWN_IPC[engine.kind], True),
        ("memory", host.get("Memory"), limits.memory_bytes),
        ("number of processes", host.get("PidsLimit"), limits.pids),
        ("shared memory", host.get("ShmSize"), limits.shm_bytes),
        ("processors", host.get("CpusetCpus") or "", limits.cpus),
        ("binds", list(host.get("Binds") or ()) if engine.kind == "docker" else [], []),
        ("ulimit fsize", _ulimit(host, "fsize"), limits.file_bytes),
        ("ulimit core", _ulimit(host, "core"), 0),
        ("automatic removal", bool(host.get("AutoRemove")), False),
        ("restart", (host.get("RestartPolicy") or {}).get("Name") in ("", "no"), True),
    ]
    if engine.kind == "docker":
        settings.append(("capabilities dropped", host.get("CapDrop"), ["ALL"]))
        settings.append(("processor shares", host.get("CpuShares"), CPU_SHARES))
    if engine.limits["swap"]:
        settings.append(("memory and swap", host.get("MemorySwap"), limits.memory_bytes))
    if wanted.runtime:
        settings.append(("runtime", host.get("Runtime"), wanted.runtime))
    return [*settings, *_devices(engine, wanted, host)]


def _devices(engine: Engine, wanted: Wanted, host: Mapping[str, Any]) -> list[tuple[str, object, object]]:
    """Return the same of devices: no more and no others than were asked for.

    What podman made of a CDI device is not in its account; the harness looks for the device itself.
    """
    nodes = sorted(str(each.get("PathInContainer")) for each in host.get("Devices") or ())
    requests = [
        (each.get("Driver") or "", tuple(each.get("DeviceIDs") or ()), each.get("Count") or 0)
        for each in host.get("DeviceRequests") or ()
    ]
    if not wanted.gpu:
        return [("devices", [*nodes, *requests], [])]
    if wanted.gpu.driver == "rocm":
        return [("devices", (nodes, requests), (sorted(map(place, wanted.gpu.nodes)), []))]
    if engine.kind == "podman":
        return [("device requests", requests, [])]
    driver = "cdi" if wanted.gpu.driver == "cdi" else ""
    count = 0 if wanted.gpu.device_ids else wanted.gpu.count
    return [("devices", (nodes, requests), ([], [(driver, wanted.gpu.device_ids, count)]))]


def _no_new_privileges(host: Mapping[str, Any]) -> bool:
    return any(option in ("no-new-privileges", _NO_NEW_PRIVILEGES) for option in host.get("SecurityOpt") or ())


def _ulimit(host: Mapping[str, Any], name: str) -> int | None:
    for limit in host.get("Ulimits") or ():
        if str(limit.get("Name", "")).lower().removeprefix("rlimit_") == name:
            return int(limit["Hard"])
    return None


def _environment_differences(wanted: Wanted, config: Mapping[str, Any]) -> list[str]:
    """Return variables that came from elsewhere; the values stay out of the text, they may be secrets."""
    actual = dict(entry.partition("=")[::2] for entry in config.get("Env") or () if "=" in entry)
    allowed = {**wanted.environment, "container": actual.get("container", ""), "HOSTNAME": "dnnbox", "TERM": "xterm"}
    return [f"the variable {name} was not asked for" for name in actual if actual[name] != allowed.get(name)]


def _mount_differences(wanted: Wanted, attrs: Mapping[str, Any]) -> list[str]:
    """Return mounts that are missing, writable against the wish, or not asked for, such as an image's VOLUME."""
    expected = {mount.inside: mount.writable for mount in wanted.mounts}
    actual = {
        str(PurePosixPath(mount["Destination"])): bool(mount.get("RW"))
        for mount in attrs.get("Mounts") or ()
        if mount.get("Type") != "tmpfs"
    }
    found = [f"{place} is not mounted" for place in expected if place not in actual]
    found += [f"{place} was not asked for" for place in actual if place not in expected]
    return found + [
        f"{place} is {'writable' if actual[place] else 'read-only'}"
        for place in expected
        if place in actual and actual[place] != expected[place]
    ]


def unenforceable(engine: Engine, limits: Limits) -> Sequence[str]:
    """Return the limits that this engine cannot enforce; swap is only noted, because memory itself is limited."""
    needed = ["memory", "pids", *(["cpuset"] if limits.cpus else [])]
    return [name for name in needed if not engine.limits[name]]
