"""Pictures with a known answer: circles, squares and triangles on a ground; and photographs that ship in a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle")
_COLOURS = ((214, 69, 65), (52, 120, 190), (242, 180, 40), (70, 160, 90), (150, 90, 170))


def shapes(chance: np.random.Generator, size: int = 128, most: int = 3) -> tuple[Image.Image, list[tuple[int, Any]]]:
    """Return a picture and its objects as (class, (left, top, right, bottom)), drawn in that order."""
    ground = chance.normal(0, 8, (size // 8, size // 8, 3)) + chance.integers(90, 200, 3)
    picture = Image.fromarray(np.clip(ground, 0, 255).astype("uint8")).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    objects: list[tuple[int, Any]] = []
    for _ in range(int(chance.integers(1, most + 1))):
        box = _free_place(chance, size, [place for _, place in objects])
        if box is not None:
            kind = int(chance.integers(len(SHAPES)))
            _draw(draw, kind, box, _COLOURS[int(chance.integers(len(_COLOURS)))])
            objects.append((kind, box))
    return picture, objects


def _free_place(chance: np.random.Generator, size: int, taken: list[Any]) -> Any:
    for _ in range(20):
        side = int(chance.integers(size // 5, size // 3))
        left, top = (int(value) for value in chance.integers(2, size - side - 2, 2))
        box = (left, top, left + side, top + side)
        if all(box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in taken):
            return box
    return None


def _draw(draw: ImageDraw.ImageDraw, kind: int, box: Any, colour: Any) -> None:
    left, top, right, bottom = box
    if kind == 0:
        draw.ellipse(box, fill=colour)
    elif kind == 1:
        draw.rectangle(box, fill=colour)
    else:
        draw.polygon([((left + right) // 2, top), (right, bottom), (left, bottom)], fill=colour)


def mask(objects: list[tuple[int, Any]], size: int = 128) -> np.ndarray[Any, Any]:
    """Return the class of each pixel, 0 for the ground, 1 and up for the shapes."""
    picture = Image.new("L", (size, size))
    draw = ImageDraw.Draw(picture)
    for kind, box in objects:
        _draw(draw, kind, box, kind + 1)
    return np.asarray(picture).astype("int64")


def photographs() -> list[Image.Image]:
    """Return the two photographs that scikit-learn ships."""
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "images"
    return [Image.open(folder / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]
