"""What the host's power counters said while the memory job called the model: energy for a call and an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.run import RunOutcome
from dnnbox.results import told

Facts = Mapping[str, Any]


def energy(measured: Sequence[RunOutcome]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Return ``stats.energy``, or None and why there is none. Sources are never added up or averaged."""
    outcome = next((o for o in measured if o.result is not None and o.result.memory), None)
    if outcome is None or outcome.result is None:
        return None, {"energy": "the memory pass did not run"}
    power = _mapping(outcome.settings.get("power"))
    window = _mapping(outcome.result.memory.get("energy_window"))
    sources = {str(name): facts for name, facts in _mapping(power.get("sources")).items() if isinstance(facts, Mapping)}
    calls, items = told.whole(window.get("calls")), told.whole(window.get("items_per_call")) or 1
    if not sources or not calls:
        return None, {"energy": str(power.get("reason") or "the counters did not cover the calls of the model")}
    found: dict[str, Any] = {
        "window_s": round((window["end_ns"] - window["start_ns"]) / 1e9, 6),
        "calls": calls,
        "items": calls * items,
        "sources": {name: _source(facts, window, calls, items) for name, facts in sources.items()},
    }
    if gpu := _mapping(power.get("gpu")):
        found["gpu"] = {name: value for name, value in gpu.items() if name != "process_vram_bytes"}
    return found, {}


def _source(facts: Facts, window: Facts, calls: int, items: int) -> dict[str, Any]:
    """Return one source's figures. What the machine takes when idle is subtracted in a figure of its own.

    That figure is None where others used it before: then idle took more than the model.
    """
    joules, idle = float(facts["joules"]), facts.get("idle_watts")
    seconds = (window["end_ns"] - window["start_ns"]) / 1e9
    above = joules - idle * seconds if isinstance(idle, int | float) else None
    return {
        "joules_per_call": joules / calls,
        "joules_per_item": joules / calls / items,
        "above_idle_joules_per_item": None if above is None or above < 0 else above / calls / items,
        "watts": facts.get("watts"),
        "idle_watts": idle,
        "counter": str(facts.get("counter") or ""),
    }


def process_memory(outcome: RunOutcome) -> dict[str, Any]:
    """Return ``vram_process_peak_bytes``: what the driver says that the job's processes held, context included."""
    size = _mapping(_mapping(outcome.settings.get("power")).get("gpu")).get("process_vram_bytes")
    return {"vram_process_peak_bytes": size} if isinstance(size, int) and size > 0 else {}


def _mapping(value: Any) -> Facts:
    return value if isinstance(value, Mapping) else {}
