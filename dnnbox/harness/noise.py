"""What disturbed the process: the kernel's own counters, read between windows. Linux; elsewhere they are absent.

Threads of one process wait for each other as well as for strangers. What tells them apart is the time that the CPUs
of this process were busy with anything else (``foreign_us``): a wait that strangers caused is no longer than that.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Dict, List, Optional

KEPT_WINDOWS = 600
PACE_STEPS = 4000
PACE_TRIES = 4
_CGROUP_FILES = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")
_PRESSURE = "/proc/pressure/cpu"


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _run_delay_ns() -> Optional[int]:
    """Return the time that all live threads waited for a CPU, in nanoseconds (/proc/PID/task/TID/schedstat)."""
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return None
    fields = [_text("/proc/self/task/%s/schedstat" % thread).split() for thread in threads]
    delays = [int(values[1]) for values in fields if len(values) >= 2]
    return sum(delays) if delays else None


def _pressure_us() -> Optional[int]:
    for line in _text(_PRESSURE).splitlines():
        if line.startswith("some"):
            return int(line.rpartition("total=")[2])
    return None


def _cpu_times() -> Dict[str, Optional[int]]:
    """Return how long the CPUs that this process may use were busy, and how long the hypervisor had them."""
    if not hasattr(os, "sched_getaffinity"):
        return {"busy_us": None, "steal_us": None}
    names = {"cpu%d" % number for number in os.sched_getaffinity(0)}
    rows = [line.split() for line in _text("/proc/stat").splitlines() if line.startswith("cpu")]
    mine = [[int(field) for field in row[1:9]] for row in rows if row[0] in names and len(row) > 8]
    if not mine:
        return {"busy_us": None, "steal_us": None}
    tick_us = 1000000 // os.sysconf("SC_CLK_TCK")
    busy = sum(user + nice + system + irq + soft for user, nice, system, _, _, irq, soft, _ in mine)
    return {"busy_us": busy * tick_us, "steal_us": sum(row[7] for row in mine) * tick_us}


def own_cpu_ns() -> int:
    """Return the CPU time of this process and of the processes that it started."""
    total = time.process_time_ns()
    try:
        import resource
    except ImportError:  # Windows
        return total
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total += int((ended.ru_utime + ended.ru_stime) * 1e9)
    for child in _text("/proc/self/task/%d/children" % os.getpid()).split():
        fields = _text("/proc/%s/stat" % child).rpartition(")")[2].split()
        if len(fields) > 12:
            total += (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")
    return total


def _throttling() -> Dict[str, Optional[int]]:
    for path in _CGROUP_FILES:
        lines = dict(line.split(None, 1) for line in _text(path).splitlines() if " " in line)
        if "nr_throttled" in lines:
            waited = int(lines.get("throttled_usec", 0)) or int(lines.get("throttled_time", 0)) // 1000
            return {"throttled_periods": int(lines["nr_throttled"]), "throttled_us": waited}
    return {"throttled_periods": None, "throttled_us": None}


def _usage() -> Dict[str, Optional[int]]:
    try:
        import resource
    except ImportError:  # Windows
        return {"involuntary_switches": None, "major_faults": None}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"involuntary_switches": usage.ru_nivcsw, "major_faults": usage.ru_majflt}


def snapshot() -> Dict[str, Optional[int]]:
    """Return the counters now; None for what this system does not count."""
    counters = {
        "wall_ns": time.perf_counter_ns(),
        "cpu_ns": own_cpu_ns(),
        "run_delay_ns": _run_delay_ns(),
        "psi_some_us": _pressure_us(),
    }  # type: Dict[str, Optional[int]]
    counters.update(_cpu_times())
    counters.update(_usage())
    counters.update(_throttling())
    return counters


def difference(before: Dict[str, Optional[int]], after: Dict[str, Optional[int]]) -> Dict[str, Optional[int]]:
    """Return what was counted between two snapshots; a thread that ended may not make it negative."""
    deltas: Dict[str, Optional[int]] = {}
    for name, start in before.items():
        end = after[name]
        deltas[name] = None if start is None or end is None else max(0, end - start)
    busy, own = deltas.get("busy_us"), deltas.get("cpu_ns")
    deltas["foreign_us"] = None if busy is None or own is None else max(0, busy - own // 1000)
    return deltas


def pace_ns() -> int:
    """Return how long a fixed loop takes here and now: the fastest of a few tries, about a millisecond in all.

    The kernel's counters do not see a neighbour on the other hardware thread of a core, another virtual machine on the
    same host, a clock that is held down. A loop that never changes does.
    """
    return min(_counting_ns() for _ in range(PACE_TRIES))


def _counting_ns() -> int:
    start = time.perf_counter_ns()
    total = 0
    for number in range(PACE_STEPS):
        total += number
    return time.perf_counter_ns() - start


class NoiseLog:
    """Collects the deltas of each window, in order."""

    def __init__(self) -> None:
        self.windows: List[Dict[str, Optional[int]]] = []
        self._load_before = load_average()
        self._pace = pace_ns()
        self._first = self._last = snapshot()

    def start_window(self, pace: int = 0) -> None:
        """Take the counters just before a window; ``pace``: what the loop took just now, where that is known."""
        self._pace = pace or self._pace
        self._last = snapshot()

    def end_window(self, iterations: int) -> float:
        """Keep what was counted since :meth:`start_window`; return which share of the CPUs others used, as known."""
        delta = difference(self._last, snapshot())
        delta["iterations"] = iterations
        before, self._pace = self._pace, pace_ns()
        delta["pace_ns"] = max(before, self._pace)
        self.windows.append(delta)
        return (delta["foreign_us"] or 0) * 1e3 / max(1, delta["wall_ns"] or 0) / _cpu_count()

    def forget_window(self) -> None:
        """Leave out the last window: it is taken again."""
        self.windows.pop()

    def record(self) -> Dict[str, Any]:
        """Return the totals over the windows (None where unknown), the load average and the windows themselves."""
        totals: Dict[str, Any] = {}
        for name in (*self._first, "foreign_us"):
            values = [window[name] for window in self.windows]
            totals[name] = None if None in values else sum(value or 0 for value in values)
        if totals["foreign_us"] is not None:  # of all windows at once: the kernel counts in ticks of 10 ms
            totals["foreign_us"] = max(0, totals["busy_us"] - totals["cpu_ns"] // 1000)
        totals["pace_python"] = "%s %d.%d" % ((sys.implementation.name,) + sys.version_info[:2])
        totals["cpus"] = _cpu_count()
        totals["load_1m"] = [self._load_before, load_average()]
        totals["window_count"] = len(self.windows)
        totals["windows"] = self.windows[:KEPT_WINDOWS]
        return totals


def _cpu_count() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_average() -> Optional[float]:
    """Return the one-minute load average, or None."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
