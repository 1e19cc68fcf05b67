"""How fast this machine usually is at its best, remembered from run to run: a run in a slow hour is known as one.

A run sees only its own minutes. The best paces of the last runs tell what the machine can do; of them the quartile
counts, because a clock that was boosted once is not what can be expected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnnbox.errors import HostFull, HostPermission
from dnnbox.files import write_atomic

KEPT = 40
"""Runs that are remembered of each machine and interpreter."""


def known(root: Path, key: str) -> float:
    """Return the usual best pace in microseconds as far as it is known, 0 where nothing is."""
    paces = _read(root / "paces.json").get(key, [])
    return _usual(paces) if paces else 0.0


def key_of(machine: Mapping[str, Any], python: str) -> str:
    """Return what paces are remembered by: the processor, and whose loop it was ("cpython 3.11")."""
    return f"{machine.get('cpu', '')}, {machine.get('cores_available', '')} cores, {python}"[:200]


def usual(root: Path, key: str, best_us: float) -> float:
    """Remember one run's best pace in ``root`` and return the usual best, in microseconds.

    What cannot be read is begun anew; what cannot be written is left: a figure does not hang on it.
    """
    path = root / "paces.json"
    before = _read(path)
    paces = [*before.get(key, []), best_us][-KEPT:]
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({**before, key: paces}) + "\n", durable=False)
    except (OSError, HostFull, HostPermission):
        pass
    return _usual(paces)


def _usual(paces: list[float]) -> float:
    return sorted(paces)[len(paces) // 4]


def _read(path: Path) -> dict[str, list[float]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: _numbers(paces) for key, paces in document.items()} if isinstance(document, Mapping) else {}


def _numbers(paces: Any) -> list[float]:
    listed = paces if isinstance(paces, list) else []
    return [float(pace) for pace in listed if isinstance(pace, int | float) and pace > 1]
