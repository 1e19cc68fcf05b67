"""What a picture looks like as the model's input: statistics of its channels, and in which order the colours come.

The order is seen, not asked for: each channel of the input is held against red, green and blue of the file. Scaling and
normalising a channel change nothing of how it follows its colour.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .arrays import Array
from .session import Named, Session

GRID = 16
SURE = 0.01
"""How much better one order has to follow the file's colours than the other."""


def look(session: Session, inputs: Named) -> Dict[str, Any]:
    """Return by input: ``channel_means``, ``channel_stds`` and, where it can be seen, ``colour_order``."""
    path = _picture(session)
    found: Dict[str, Any] = {}
    for name, array in inputs:
        places = _places(array.shape)
        if places is None:
            continue
        grids = [_grid(array, channel, places) for channel in range(3)]
        entry: Dict[str, Any] = {
            "channel_means": [sum(grid) / len(grid) for grid in grids],
            "channel_stds": [_spread(grid) for grid in grids],
        }
        colours = _colours(path) if path else None
        if colours:
            entry["source_means"] = [sum(colour) / len(colour) / 255 for colour in colours]
            entry["colour_order"] = _order(grids, colours)
        found[name] = entry
    return found


def _picture(session: Session) -> str:
    """Return the file of the first item where that is a picture."""
    first: Any = session.batches[0][0] if session.batches and session.batches[0] else None
    return str(first.path) if getattr(first, "kind", "") == "image" else ""


def _places(shape: Sequence[int]) -> Optional[Tuple[int, int, int]]:
    """Return which dimensions are channel, height and width of a picture of three channels."""
    if len(shape) != 4:
        return None
    if shape[1] == 3:
        return 1, 2, 3
    return (3, 1, 2) if shape[3] == 3 else None


def _grid(array: Array, channel: int, places: Tuple[int, int, int]) -> List[float]:
    """Return the first item's channel as a grid of means over a few points each."""
    strides = [1] * 4
    for place in (2, 1, 0):
        strides[place] = strides[place + 1] * array.shape[place + 1]
    values = array.values()
    at, high, wide = places
    rows, columns = _points(array.shape[high]), _points(array.shape[wide])
    base = channel * strides[at]
    cells = []
    for row in rows:
        for column in columns:
            points = [float(values[base + y * strides[high] + x * strides[wide]]) for y in row for x in column]
            cells.append(sum(points) / len(points))
    return cells


def _points(length: int) -> List[List[int]]:
    cells = []
    for cell in range(GRID):
        start, end = cell * length // GRID, max(cell * length // GRID + 1, (cell + 1) * length // GRID)
        step = max(1, (end - start) // 4)
        cells.append([min(length - 1, place) for place in range(start, end, step)])
    return cells


def _spread(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _colours(path: str) -> Optional[List[List[float]]]:
    """Return red, green and blue of a picture file on the same grid; None where it cannot be read here."""
    try:
        from PIL import Image

        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((GRID, GRID), 4)  # 4: every pixel counts alike
            data = small.tobytes()
    except (ImportError, OSError, ValueError):
        return None
    return [[float(value) for value in data[colour::3]] for colour in range(3)]


def _order(grids: Sequence[Sequence[float]], colours: Sequence[Sequence[float]]) -> str:
    """Return RGB, BGR, or "" where the picture does not tell."""
    straight = sum(_follows(grid, colour) for grid, colour in zip(grids, colours))
    swapped = sum(_follows(grid, colour) for grid, colour in zip(grids, reversed(colours)))
    if abs(straight - swapped) < SURE:
        return ""
    return "RGB" if straight > swapped else "BGR"


def _follows(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the linear correlation; 0 where one side does not vary."""
    a, b = sum(one) / len(one), sum(other) / len(other)
    length = math.sqrt(sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other))
    return sum((x - a) * (y - b) for x, y in zip(one, other)) / length if length else 0.0
