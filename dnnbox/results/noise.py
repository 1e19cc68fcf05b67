"""Whether the machine let the model alone while it was measured: quiet, contended or unstable, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.measurements import Quality
from dnnbox.records.run import RunOutcome
from dnnbox.results import statistics
from dnnbox.results.samples import ProcessSamples

RUN_DELAY_LIMIT = 0.02  # share of wall time that the process was ready but not running
PRESSURE_LIMIT = 0.05  # share of wall time that some task waited for a CPU (PSI)
STEAL_LIMIT = 0.01  # share of CPU time that the hypervisor took
SPREAD_LIMIT = 0.05  # between the medians of the processes


def _share(noise: Mapping[str, Any], key: str, per_wall: float) -> float | None:
    value, wall = noise.get(key), noise.get("wall_ns")
    if not isinstance(value, int | float) or not isinstance(wall, int | float) or wall <= 0:
        return None
    return float(value) * per_wall / float(wall)


# name in stats.json -> (field of the result, nanoseconds per unit, limit, what it means)
_CHECKS: dict[str, tuple[str, float, float, str]] = {
    "run_delay_share": ("run_delay_ns", 1, RUN_DELAY_LIMIT, "the process waited for a CPU"),
    "psi_some_share": ("psi_some_us", 1e3, PRESSURE_LIMIT, "tasks on this machine waited for a CPU"),
    "steal_share": ("steal_us", 1e3, STEAL_LIMIT, "the hypervisor took CPU time"),
    "throttled_share": ("throttled_us", 1e3, 0.0, "the CPU quota stopped the process"),
}


def judge(outcomes: Sequence[RunOutcome], processes: Sequence[ProcessSamples]) -> tuple[Quality, dict[str, Any]]:
    """Return the verdict and ``stats.noise``: each check with its worst process, its limit and its result."""
    checks = _checks([outcome.result.noise for outcome in outcomes if outcome.result])
    medians = [statistics.percentile(sorted(p.total_ms), 0.5) for p in processes]
    spread = (max(medians) - min(medians)) / min(medians) if len(medians) > 1 and min(medians) > 0 else None
    if spread is not None:
        checks.append(_check("process_spread_share", spread, SPREAD_LIMIT, "the processes differ from each other"))
    unsettled = [
        f"process {i}: {p.facts.reason or 'did not settle'}" for i, p in enumerate(processes, 1) if not p.facts.stable
    ]
    contended = [c["text"] for c in checks if not c["ok"] and c["name"] != "process_spread_share"]
    unstable = unsettled + [c["text"] for c in checks if not c["ok"] and c["name"] == "process_spread_share"]
    quality: Quality = "unstable" if unstable else "contended" if contended else "quiet"
    return quality, {
        "checks": checks,
        "reasons": unstable + contended,
        "involuntary_switches": _total(outcomes, "involuntary_switches"),
        "wall_s": _wall_s(outcomes),
    }


def _checks(noises: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for name, (field, scale, limit, meaning) in _CHECKS.items():
        shares = [share for noise in noises if (share := _share(noise, field, scale)) is not None]
        if shares:
            found.append(_check(name, max(shares), limit, meaning))
    return found


def _check(name: str, value: float, limit: float, meaning: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 6), "limit": limit, "ok": value <= limit, "text": meaning}


def _total(outcomes: Sequence[RunOutcome], key: str) -> int | None:
    values = [outcome.result.noise.get(key) for outcome in outcomes if outcome.result]
    numbers = [value for value in values if isinstance(value, int)]
    return sum(numbers) if numbers else None


def _wall_s(outcomes: Sequence[RunOutcome]) -> float | None:
    wall = _total(outcomes, "wall_ns")
    return None if wall is None else round(wall / 1e9, 3)
