"""Limits that a process carries itself (setrlimit, processor affinity), and how much this machine can give."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterable
from pathlib import Path

from dnnbox.errors import EngineLimit, Usage
from dnnbox.records.environment import Limits

_SHARE = 0.8  # of what is available: the rest keeps the machine alive
_LEAST_BYTES = 256 << 20
_OPEN_FILES = 65536


def default_memory_bytes() -> int:
    """Return how much memory a box may use when nobody says: most of what is available now, own group included."""
    available = _available_bytes()
    return max(_LEAST_BYTES, int(available * _SHARE))


def _available_bytes() -> int:
    figures = [_meminfo_available(), *_group_limits()]
    return min(figure for figure in figures if figure > 0)


def _meminfo_available() -> int:
    with contextlib.suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _group_limits() -> list[int]:
    """Return the limits of the control group that dnnbox itself is in, as far as it sees them."""
    figures = []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            figures.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return figures


def cpu_set(text: str) -> frozenset[int]:
    """Return the processors of a list like ``0,2-3``, none for "".

    Raises:
        Usage: it is no such list.
        EngineLimit: this process may not use one of them.
    """
    if not text:
        return frozenset()
    if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", text):
        raise _unreadable()
    wanted: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        wanted.update(range(int(first), int(last or first) + 1))
    if not wanted:
        raise _unreadable()
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else wanted
    if beyond := sorted(wanted - allowed):
        raise EngineLimit(
            f"processor {beyond[0]} is not available here", hint=f"use `--cpus {_ranges(allowed)}`, or fewer"
        )
    return frozenset(wanted)


def _unreadable() -> Usage:
    return Usage("the list of processors is not readable", hint="write it like `--cpus 0,2-3`")


def _ranges(numbers: Iterable[int]) -> str:
    """Return numbers as a list like ``0,2-3``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def apply_to(pid: int, limits: Limits, *, has_group: bool) -> None:
    """Set the limits of another process; what it starts afterwards inherits them.

    RLIMIT_DATA stands in for memory where there is no control group: unlike RLIMIT_AS it does not count the address
    space that CUDA and allocators reserve without using it.
    """
    if not hasattr(resource, "prlimit"):
        return  # macOS: no such call, and no sandbox either; the plan says so
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    if not has_group:
        wanted[resource.RLIMIT_DATA] = limits.memory_bytes
        if _counts_processes_per_namespace():
            wanted[resource.RLIMIT_NPROC] = limits.pids
    for kind, value in wanted.items():
        _lower(pid, kind, value)
    if cpus := cpu_set(limits.cpus):
        os.sched_setaffinity(pid, cpus)


def _lower(pid: int, kind: int, value: int) -> None:
    try:
        _, hard = resource.prlimit(pid, kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, kind, (value, value))
    except ProcessLookupError:
        raise
    except OSError as error:
        raise EngineLimit(f"a limit of the process cannot be set: {error.strerror}") from error


def _counts_processes_per_namespace() -> bool:
    """Since Linux 5.14 RLIMIT_NPROC counts inside a user namespace; before, every process of the user counted."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= (5, 14)
