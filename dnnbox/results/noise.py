"""Whether the machine let the model alone while it was measured: quiet, contended or unstable, with the reasons.

A process is judged by the kernel's counters over all its windows, and each window by itself. Threads of one model
wait for each other too, which is the model's own affair: a wait counts only as far as others used the same CPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.measurements import Quality
from dnnbox.records.run import RunOutcome
from dnnbox.results import gpu, pace, statistics
from dnnbox.results.gpu import check
from dnnbox.results.samples import ProcessSamples

FOREIGN_LIMIT = 0.05  # share of the CPUs of this process that others used
RUN_DELAY_LIMIT = 0.02  # share of wall time that a busy thread of the process was ready but others ran
PRESSURE_LIMIT = 0.05  # share of wall time that some task waited for a CPU (PSI) while others ran
STEAL_LIMIT = 0.05  # share of CPU time that the hypervisor took; ticks of 10 ms make it coarse
SWITCHES_LIMIT = 100.0  # involuntary context switches a second, while others ran
WINDOWS_LIMIT = 0.10  # share of windows that were disturbed by themselves; one may always be
SPREAD_LIMIT = 0.05  # between the medians of the processes
_WINDOW_FACTOR = 3.0
"""A window is a quarter of a second, in which the kernel's ticks of 10 ms are coarse: its limits are wider."""

Counters = Mapping[str, Any]
Check = dict[str, Any]


def _number(noise: Counters, key: str) -> float | None:
    value = noise.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def shares(noise: Counters) -> dict[str, float]:
    """Return what the counters of a process or of a window come to; what this system does not count is left out."""
    wall_us = (_number(noise, "wall_ns") or 0.0) / 1e3
    if wall_us <= 0:
        return {}
    cpus = max(1.0, _number(noise, "cpus") or 1.0)
    foreign_us = _number(noise, "foreign_us")
    found: dict[str, float] = {}
    if foreign_us is not None:
        found["foreign_share"] = foreign_us / wall_us / cpus
    most = foreign_us if foreign_us is not None else float("inf")
    if (waited_ns := _number(noise, "run_delay_ns")) is not None:
        found["run_delay_share"] = min(waited_ns / 1e3, most) / wall_us / _busy_threads(noise, wall_us)
    if (pressed_us := _number(noise, "psi_some_us")) is not None:
        found["psi_some_share"] = min(pressed_us, most) / wall_us
    if (stolen := _number(noise, "steal_us")) is not None:
        found["steal_share"] = stolen / wall_us / cpus
    if (throttled := _number(noise, "throttled_us")) is not None:
        found["throttled_share"] = throttled / wall_us
    if (switches := _number(noise, "involuntary_switches")) is not None:
        is_alone = foreign_us is not None and found["foreign_share"] < FOREIGN_LIMIT / 2
        found["switches_per_s"] = 0.0 if is_alone else switches / wall_us * 1e6
    return found


def _busy_threads(noise: Counters, wall_us: float) -> float:
    """Return how many threads worked at once on average: their waits are counted together."""
    return max(1.0, (_number(noise, "cpu_ns") or 0.0) / 1e3 / wall_us)


# name in stats.json -> (limit, unit, what it means)
_CHECKS: dict[str, tuple[float, str, str]] = {
    "foreign_share": (FOREIGN_LIMIT, "share", "other processes used the same CPUs"),
    "run_delay_share": (RUN_DELAY_LIMIT, "share", "the process waited for a CPU that others used"),
    "psi_some_share": (PRESSURE_LIMIT, "share", "tasks on this machine waited for a CPU"),
    "steal_share": (STEAL_LIMIT, "share", "the hypervisor took CPU time"),
    "throttled_share": (0.0, "share", "the CPU quota stopped the process"),
    "switches_per_s": (SWITCHES_LIMIT, "per_s", "the process was interrupted often"),
}


def is_disturbed(window: Counters) -> bool:
    """Say whether one window by itself shows that others were at work."""
    found = shares(window)
    return any(value > _WINDOW_FACTOR * _CHECKS[name][0] for name, value in found.items())


def judge(outcomes: Sequence[RunOutcome], processes: Sequence[ProcessSamples]) -> tuple[Quality, dict[str, Any]]:
    """Return the verdict and ``stats.noise``: each check with its worst process, its limit and its result."""
    noises = [outcome.result.noise for outcome in outcomes if outcome.result]
    checks = [*_checks(noises), *gpu.checks([outcome.settings for outcome in outcomes])]
    count, disturbed = _windows(noises)
    if count:
        told = f"{disturbed} of {count} windows were disturbed"
        # One window is no pattern, and no median moves by it; among few, the totals above speak for it.
        checks.append(check("disturbed_windows_share", disturbed / count, max(WINDOWS_LIMIT, 1 / count), told))
    paced = _paced(noises, processes)
    slow = pace.slow_share(us for windows in paced for us, _ in windows)
    if slow is not None:
        checks.append(check("slow_windows_share", slow, WINDOWS_LIMIT, "the machine itself was slower for a while"))
    contended = [c["text"] for c in checks if not c["ok"]]
    unstable = [
        f"process {i}: {p.facts.reason or 'did not settle'}" for i, p in enumerate(processes, 1) if not p.facts.stable
    ]
    spread = _spread(processes)
    if spread is not None:
        checks.append(check("process_spread_share", spread, SPREAD_LIMIT, "the processes differ from each other"))
        unstable += [] if checks[-1]["ok"] else [checks[-1]["text"]]
    quality: Quality = "unstable" if unstable else "contended" if contended else "quiet"
    return quality, {
        "checks": checks,
        "reasons": unstable + contended,
        "windows": {"n": count, "disturbed": disturbed},
        "processes": [_process(noise, windows) for noise, windows in zip(noises, paced, strict=True)],
        "pace": _pace(noises, paced),
        **_lost(noises),
        "involuntary_switches": _total(noises, "involuntary_switches"),
        "wall_s": _wall_s(noises),
    }


def _paced(noises: Sequence[Counters], processes: Sequence[ProcessSamples]) -> list[list[pace.Window]]:
    """Return the windows' paces of each process; empty where a process has no samples."""
    if len(noises) != len(processes):
        return [[] for _ in noises]
    return [pace.windows(noise, process.total_ms) for noise, process in zip(noises, processes, strict=True)]


def _pace(noises: Sequence[Counters], paced: Sequence[Sequence[pace.Window]]) -> dict[str, Any]:
    """Return the best pace of this run in microseconds, and whose loop it was: interpreters differ in speed."""
    paces = [us for windows in paced for us, _ in windows]
    pythons = sorted({str(noise.get("pace_python") or "") for noise in noises})
    return {"best_us": min(paces), "python": ", ".join(pythons)} if paces else {}


def _lost(noises: Sequence[Counters]) -> dict[str, Any]:
    """Return what was lost to waiting for the machine's usual pace; nothing where none was awaited."""
    lost_ns, repeated, used_up = (_total(noises, name) for name in ("lost_ns", "repeated", "used_up"))
    if lost_ns is None or repeated is None:
        return {}
    seconds = round(lost_ns / 1e9, 1)
    return {"waited": {"seconds": seconds, "repeated_windows": repeated, "used_up_processes": used_up or 0}}


def _spread(processes: Sequence[ProcessSamples]) -> float | None:
    medians = [statistics.percentile(sorted(p.total_ms), 0.5) for p in processes]
    return (max(medians) - min(medians)) / min(medians) if len(medians) > 1 and min(medians) > 0 else None


def _checks(noises: Sequence[Counters]) -> list[Check]:
    found = []
    each = [shares(noise) for noise in noises]
    for name, (limit, unit, meaning) in _CHECKS.items():
        values = [process[name] for process in each if name in process]
        if values:
            found.append(check(name, max(values), limit, meaning, unit))
    return found


def _windows(noises: Sequence[Counters]) -> tuple[int, int]:
    each = [{**window, "cpus": noise.get("cpus")} for noise in noises for window in _listed(noise)]
    return len(each), sum(map(is_disturbed, each))


def _listed(noise: Counters) -> list[Counters]:
    windows = noise.get("windows")
    return [window for window in windows if isinstance(window, Mapping)] if isinstance(windows, list) else []


def _process(noise: Counters, paced: Sequence[pace.Window]) -> dict[str, Any]:
    """Return the figures of one process, and of its windows in order a letter, quiet or disturbed, and the pace."""
    windows = _listed(noise)
    cpus = noise.get("cpus")
    letters = "".join("d" if is_disturbed({**window, "cpus": cpus}) else "q" for window in windows)
    return {**{name: round(value, 6) for name, value in shares(noise).items()}, "windows": letters, "pace": paced}


def _total(noises: Sequence[Counters], key: str) -> int | None:
    numbers = [value for noise in noises if isinstance(value := noise.get(key), int)]
    return sum(numbers) if numbers else None


def _wall_s(noises: Sequence[Counters]) -> float | None:
    wall = _total(noises, "wall_ns")
    return None if wall is None else round(wall / 1e9, 3)
