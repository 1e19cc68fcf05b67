"""What the host saw of the GPU around a measurement, before and after it, never during: clocks held back, strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

THROTTLED_LIMIT = 0.02  # share of wall time that power or heat held the clocks down
_MEANINGS = {
    "throttled_power": "the GPU was held back by its power limit",
    "throttled_thermal": "the GPU was held back by heat",
}


def check(name: str, value: float, limit: float, meaning: str, unit: str = "share") -> dict[str, Any]:
    """Return one line of the noise table. ``unit``: share (of 1), per_s or count."""
    told = {"name": name, "value": round(value, 6), "limit": round(limit, 6)}
    return {**told, "ok": value <= limit, "text": meaning, "unit": unit}


def checks(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the GPU's lines of the noise table; none where no GPU was asked for."""
    seen = [found for setting in settings if isinstance(found := setting.get("gpu_state"), Mapping)]
    lines = []
    for name, meaning in _MEANINGS.items():
        values = [
            float(state[f"{name}_ns"]) / float(state["wall_ns"])
            for state in seen
            if isinstance(state.get(f"{name}_ns"), int) and state.get("wall_ns")
        ]
        if values:
            lines.append(check(f"gpu_{name}_share", max(values), THROTTLED_LIMIT, meaning))
    counts = {
        "foreign_processes": "other processes used the GPU",
        "ecc_errors": "the GPU's memory had uncorrected errors",
    }
    for name, meaning in counts.items():
        numbers = [state[name] for state in seen if isinstance(state.get(name), int)]
        if numbers:
            lines.append(check(f"gpu_{name}", max(numbers), 0, meaning, "count"))
    return lines
