"""The cells of a sweep as a matrix for CI: GitHub runs one job per entry, at most 256 of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dnnbox.sweep.cells import Cell

MOST_JOBS = 256
_LABELS = {
    "cpu": ["self-hosted", "linux"],
    "cuda": ["self-hosted", "linux", "gpu"],
    "rocm": ["self-hosted", "linux", "gpu"],
}


def github_matrix(cells: Sequence[Cell]) -> dict[str, Any]:
    """Return ``{"include": [{"name", "id", "cells", "device", "runs-on"}]}``; more cells than jobs share one by device.

    ``cells`` is what ``dnnbox sweep --only`` takes, the half of each key that is the same on every machine: the runner
    is another one than whoever asks for the matrix.
    """
    by_device: dict[str, list[Cell]] = {}
    for cell in cells:
        by_device.setdefault(cell.point.device.partition(":")[0], []).append(cell)
    room = max(1, MOST_JOBS - len(by_device))
    size = max(1, -(-len(cells) // room))
    include = [
        _entry(device, group[start : start + size])
        for device, group in by_device.items()
        for start in range(0, len(group), size)
    ]
    return {"include": include}


def _entry(device: str, group: Sequence[Cell]) -> dict[str, Any]:
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    return {
        "name": f"{group[0].name}{more}",
        "id": group[0].question,
        "cells": ",".join(cell.question for cell in group),
        "device": device,
        "runs-on": _LABELS.get(device, _LABELS["cpu"]),
    }
