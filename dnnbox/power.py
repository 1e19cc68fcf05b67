"""Energy and power, read by the host beside a job in which nothing is timed: a GPU by NVML, the CPU by RAPL.

Counters of energy are used where there are some; where only power can be read it is summed up over time, and said so.
Nothing is estimated: a source that cannot be read is left out with the reason.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dnnbox import nvml

PERIOD_S = 0.1
IDLE_S = 1.0
POWERCAP = Path("/sys/class/powercap")
HWMON = Path("/sys/class/drm")

Read = Callable[[], tuple[float | None, float | None]]
"""Returns (joules so far, watts now), None for what this source does not tell."""


@dataclass
class Series:
    """What one source said: [monotonic nanoseconds, joules, watts] in order. ``counter``: how energy is known."""

    name: str
    counter: str
    points: list[tuple[int, float, float | None]] = field(default_factory=list)

    def joules_between(self, start_ns: int, end_ns: int) -> float | None:
        """Return the energy of a part of the series, interpolated; None where the series does not cover it."""
        if len(self.points) < 2 or start_ns < self.points[0][0] or end_ns > self.points[-1][0] or end_ns <= start_ns:
            return None
        return self._at(end_ns) - self._at(start_ns)

    def _at(self, when_ns: int) -> float:
        place = min(max(1, bisect_left([point[0] for point in self.points], when_ns)), len(self.points) - 1)
        (t0, j0, _), (t1, j1, _) = self.points[place - 1], self.points[place]
        return j0 + (j1 - j0) * (when_ns - t0) / (t1 - t0) if t1 > t0 else j1


class Source:
    """Reads one source again and again; a counter that wraps around is unwrapped."""

    def __init__(self, name: str, read: Read, wraps_at: float | None = None) -> None:
        self._read, self._wraps_at = read, wraps_at
        joules, _ = read()
        self.series = Series(name, "energy counter" if joules is not None else "power, summed up over time")
        self._last: float | None = None
        self._total = 0.0

    def take(self) -> None:
        """Take one look."""
        now = time.monotonic_ns()
        joules, watts = self._read()
        if joules is not None:
            self._total += self._step(joules)
            self._last = joules
        elif watts is not None and self.series.points:
            before = self.series.points[-1]
            mean = (watts + (before[2] if before[2] is not None else watts)) / 2
            self._total += mean * (now - before[0]) / 1e9
        elif watts is None:
            return
        self.series.points.append((now, self._total, watts))

    def _step(self, joules: float) -> float:
        if self._last is None:
            return 0.0
        step = joules - self._last
        return step if step >= 0 or self._wraps_at is None else step + self._wraps_at


class Family:
    """Which processes descend from this one, looked up while they live."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def meet(self, pids: Iterable[int]) -> None:
        """Look up those that were not seen before."""
        for pid in pids:
            if pid not in self._known:
                self._known[pid] = _descends(pid)

    def of(self, before: AbstractSet[int], seen: AbstractSet[int]) -> set[int]:
        """Return the job's processes among those ``seen``: our descendants; newcomers where an engine started it."""
        newcomers = seen - before
        return {pid for pid in newcomers if self._known.get(pid)} or set(newcomers)


def _descends(pid: int) -> bool:
    """Tell whether a process descends from this one. Field 4 of proc(5)'s stat, behind the name in brackets."""
    own = os.getpid()
    for _ in range(64):  # deeper than any tree of a job, and an end for one that changes underneath
        if pid == own:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if pid <= 1:
            return False
    return False


class Sampler:
    """Reads all sources ten times a second in a thread of its own."""

    def __init__(self, sources: Sequence[Source], gpu: nvml.Gpu | None) -> None:
        self._sources, self._gpu = sources, gpu
        self._readings: list[nvml.Reading] = []
        self._strangers: set[int] = set(gpu.read().processes) if gpu is not None else set()
        self._family = Family()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dnnbox-power", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._take()
        self._thread.start()

    def stop(self) -> None:
        """End, with a last look."""
        self._done.set()
        self._thread.join()
        self._take()

    def _run(self) -> None:
        while not self._done.wait(PERIOD_S):
            self._take()

    def _take(self) -> None:
        for source in self._sources:
            source.take()
        if self._gpu is not None:
            reading = self._gpu.read()
            self._family.meet(reading.processes)
            self._readings.append(reading)

    def idle(self, seconds: float | None = None) -> dict[str, float]:
        """Return the watts of each source while nothing of ours runs."""
        for source in self._sources:
            source.take()
        time.sleep(IDLE_S if seconds is None else seconds)
        found = {}
        for source in self._sources:
            source.take()
            if len(source.series.points) > 1:
                first, last = source.series.points[-2:]
                found[source.series.name] = (last[1] - first[1]) / ((last[0] - first[0]) / 1e9)
        return found

    def record(self, window: Any, idle: dict[str, float]) -> dict[str, Any]:
        """Return what is kept of it. ``window`` is the box's word for when it called the model, monotonic."""
        start, end = _window(window)
        sources = {}
        for source in self._sources:
            joules = source.series.joules_between(start, end)
            if joules is not None:
                sources[source.series.name] = {
                    "joules": round(joules, 6),
                    "watts": round(joules / ((end - start) / 1e9), 6),
                    "idle_watts": _rounded(idle.get(source.series.name)),
                    "counter": source.series.counter,
                }
        return {"sources": sources, **({"gpu": self._of_gpu()} if self._gpu is not None else {})}

    def _of_gpu(self) -> dict[str, Any]:
        """Return clocks, heat, what held the clocks back, and the memory of whoever was not there before."""
        assert self._gpu is not None
        clocks = sorted(r.sm_clock_mhz for r in self._readings if r.sm_clock_mhz is not None)
        heat = [r.temperature_c for r in self._readings if r.temperature_c is not None]
        seen = {pid for r in self._readings for pid in r.processes}
        mine = self._family.of(self._strangers, seen)
        ours = [sum(size for pid, size in r.processes.items() if pid in mine and size) for r in self._readings]
        return {
            "uuid": self._gpu.uuid,
            "sm_clock_mhz": [clocks[0], clocks[len(clocks) // 2], clocks[-1]] if clocks else None,
            "highest_sm_clock_mhz": self._gpu.highest_sm_clock_mhz,
            "temperature_c": max(heat) if heat else None,
            "reasons": sorted({reason for r in self._readings for reason in r.reasons} - {"idle"}),
            "foreign_processes": len(self._strangers | seen - mine),
            "process_vram_bytes": max(ours, default=0) or None,
            "readings": len(self._readings),
        }


def _window(window: Any) -> tuple[int, int]:
    """Return (start, end); an empty window for anything but two integers in order."""
    facts = window if isinstance(window, dict) else {}
    start, end = facts.get("start_ns"), facts.get("end_ns")
    return (start, end) if isinstance(start, int) and isinstance(end, int) and start < end else (0, 0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


@contextmanager
def sampler(device: str, uuid: str = "") -> Iterator[Sampler | str]:
    """Yield a sampler of what can be read here for a run on ``device``, or why nothing can be."""
    with ExitStack() as stack:
        reasons: list[str] = []
        sources = _cpu_sources(reasons)
        gpu: nvml.Gpu | None = None
        if device.startswith(("cuda", "rocm")):
            found = stack.enter_context(nvml.opened(device, uuid))
            if isinstance(found, nvml.Gpu):
                gpu = found
                sources += _gpu_source(gpu, reasons)
            else:
                sources += _amd_source(device, found, reasons)
        elif device.startswith("mps"):
            reasons.append("macOS tells the power of its GPU to root only")
        yield Sampler(sources, gpu) if sources or gpu is not None else "; ".join(reasons)


def _gpu_source(gpu: nvml.Gpu, reasons: list[str]) -> list[Source]:
    if gpu.power() == (None, None):
        reasons.append("this GPU tells neither energy nor power")
        return []
    return [Source("gpu", gpu.power)]


def _cpu_sources(reasons: list[str], root: Path | None = None) -> list[Source]:
    """Return the processor's packages and their memory as RAPL counts them (Documentation/power/powercap)."""
    found = []
    for zone in sorted((root or POWERCAP).glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            name = (zone / "name").read_text("ascii").strip()
            if not name.startswith(("package", "dram")):
                continue
            _microjoules(zone)
            most = int((zone / "max_energy_range_uj").read_text("ascii")) / 1e6
            label = name if name.startswith("package") else f"{name} {zone.name.split(':')[1]}"
            found.append(Source(label, _reader(zone), most))
    if not found:
        zones = list((root or POWERCAP).glob("intel-rapl:*"))
        reasons.append(
            "the processor's energy counters (RAPL) are readable by root only"
            if zones
            else "this machine shows no energy counters of its processor (RAPL)"
        )
    return found


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text("ascii"))


def _reader(zone: Path) -> Read:
    def read() -> tuple[float | None, float | None]:
        with suppress(OSError, ValueError):
            return _microjoules(zone) / 1e6, None
        return None, None

    return read


def _amd_source(device: str, problem: str, reasons: list[str], root: Path | None = None) -> list[Source]:
    """Return the power of an AMD GPU as its driver's hwmon tells it, in microwatts."""
    number = int(device.partition(":")[2] or 0)
    cards = sorted((root or HWMON).glob("card[0-9]*/device/hwmon/hwmon*/power1_average"))
    if number >= len(cards):
        reasons.append(problem)
        return []
    path = cards[number]

    def read() -> tuple[float | None, float | None]:
        with suppress(OSError, ValueError):
            return None, int(path.read_text("ascii")) / 1e6
        return None, None

    return [Source("gpu", read)]
