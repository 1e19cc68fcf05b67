"""Whose a container is, written on it as labels, so that a later dnnbox can prove that its owner is dead."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LABEL = "org.dnnbox"


def labels() -> dict[str, str]:
    """Return the labels of a container made by this process."""
    return {
        LABEL: "1",
        f"{LABEL}.run": secrets.token_hex(6),
        f"{LABEL}.pid": str(os.getpid()),
        f"{LABEL}.pidstart": _start_of(os.getpid()),
        **_here(),
    }


def is_provably_dead(found: Mapping[str, str]) -> bool:
    """Return whether the process that wrote these labels is gone for certain.

    A pid means something only on the same host, since the same boot and in the same pid namespace; and it is the same
    process only with the same start time.
    """
    if any(found.get(name) != value or not value for name, value in _here().items()):
        return False
    pid, started = found.get(f"{LABEL}.pid", ""), found.get(f"{LABEL}.pidstart", "")
    if not pid.isascii() or not pid.isdigit() or not started:
        return False
    return _start_of(int(pid)) != started


@cache
def _here() -> dict[str, str]:
    return {
        f"{LABEL}.host": socket.gethostname(),
        f"{LABEL}.boot": _read("/proc/sys/kernel/random/boot_id"),
        f"{LABEL}.pidns": _namespace(),
    }


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """Return the start time of a process in clock ticks since boot, "" when there is none or only its corpse."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""
