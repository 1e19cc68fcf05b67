"""The process's own memory as the kernel counts it, in bytes (Linux: /proc/self/status, the process's cgroup)."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Dict, List, Optional

_CGROUP_PEAKS = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")


def status() -> Dict[str, int]:
    """Return the lines of /proc/self/status that count kilobytes, in bytes; empty where there is no such file."""
    sizes: Dict[str, int] = {}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if rest.endswith(" kB\n"):
                    sizes[name] = int(rest.split()[0]) * 1024
    except OSError:
        return {}
    return sizes


def resident() -> Optional[int]:
    """Return the resident set now."""
    return status().get("VmRSS")


def peak() -> Optional[int]:
    """Return the largest resident set since the start or the last :func:`reset_peak`."""
    size = status().get("VmHWM")
    return size if size is not None else _maxrss()


def _maxrss() -> Optional[int]:
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def reset_peak() -> bool:
    """Start the peak anew from the current resident set; false where the kernel does not let us."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


def cgroup_peak() -> Optional[int]:
    """Return the peak of the whole cgroup, page cache included, where the box has one of its own."""
    for path in _CGROUP_PEAKS:
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            continue
    return None


class Timeline(threading.Thread):
    """Reads the resident set again and again, for a picture. Only for the pass in which nothing is timed.

    When there are too many points every second one goes and the pace is halved, so that any length fits.
    """

    MOST_POINTS = 400
    INTERVAL_S = 0.01

    def __init__(self) -> None:
        super().__init__(name="dnnbox-memory", daemon=True)
        self.points: List[List[int]] = []
        self.began = time.perf_counter_ns()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._interval = self.INTERVAL_S

    def run(self) -> None:
        """Sample until :meth:`stop`."""
        while not self._done.wait(self._interval):
            self.take()

    def take(self) -> None:
        """Keep [microseconds since the start, bytes]."""
        size = _resident_now()
        if size is None:
            return
        with self._lock:
            self.points.append([self.now_us(), size])
            if len(self.points) > self.MOST_POINTS:
                del self.points[1::2]
                self._interval *= 2

    def now_us(self) -> int:
        """Return the microseconds since the start."""
        return (time.perf_counter_ns() - self.began) // 1000

    def stop(self) -> List[List[int]]:
        """End the thread and return the points, the last one taken now."""
        self._done.set()
        self.join()
        self.take()
        return self.points


def _resident_now() -> Optional[int]:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


class MemoryLog:
    """Peaks by phase. Where the peak cannot be reset, a later phase's peak is at least the one before."""

    def __init__(self) -> None:
        self.figures: Dict[str, Any] = {"start_rss_bytes": resident()}
        self.figures["peak_is_per_phase"] = reset_peak()
        self._largest = 0
        self._phases: List[List[Any]] = []
        self._timeline = Timeline()
        self._timeline.start()

    def end_phase(self, name: str) -> None:
        """Keep ``<name>_peak_bytes`` and ``<name>_rss_bytes``, and start the next phase."""
        highest = peak()
        self.figures[name + "_peak_bytes"] = highest
        self.figures[name + "_rss_bytes"] = resident()
        self._timeline.take()
        self._phases.append([name, self._timeline.now_us()])
        self._largest = max(self._largest, highest or 0)
        reset_peak()

    def record(self) -> Dict[str, Any]:
        """Return all figures; ``host_peak_bytes`` is the largest of the phases."""
        figures = dict(self.figures)
        figures["host_peak_bytes"] = self._largest or None
        figures["host_after_load_bytes"] = figures.get("load_rss_bytes")
        figures["cgroup_peak_bytes"] = cgroup_peak()
        figures["maxrss_bytes"] = _maxrss()
        figures["timeline"] = {"points": self._timeline.stop(), "phases": self._phases}
        return figures
