"""The part of an adapter that reads picture files: upstream's constants and the lines that apply them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dnnbox.records.source import Recipe

_NAMES = ("mean", "std")
_FILTERS = {"bicubic": "BICUBIC", "bilinear": "BILINEAR", "nearest": "NEAREST"}

_RESIZED = {
    "shortest": "share = {size} / min(width, height)",
    "longest": "share = {size} / max(width, height)",
    "letterbox": "share = min({size} / width, {size} / height)",
    "minimal": "share = max({size} / width, {size} / height)",
}


def applies(recipe: Recipe) -> bool:
    """Tell whether the model takes one picture and upstream's steps are ones that can be written here."""
    pictures = [item for item in recipe.inputs if len(item["shape"]) == 4 and item["shape"][1] == 3]
    return len(pictures) == 1 == len(recipe.inputs) and "channels" in recipe.preprocess


def constants(recipe: Recipe) -> str:
    """Return module constants for mean and standard deviation, each with its place."""
    inside = recipe.preprocess.get("inside", ())
    names = [name for name in _NAMES if name in recipe.preprocess and name not in inside]
    lines = [f"{name.upper()} = {recipe.preprocess[name]}  # {recipe.sources.get(name, 'assumed')}" for name in names]
    return "\n".join([*lines, ""]) if lines else ""


def body(recipe: Recipe) -> str:
    """Return the body of ``preprocess(paths)``."""
    if not applies(recipe):
        return 'raise NotImplementedError("HOLE: how are files turned into inputs? Only needed with --input")'
    return "\n".join(_lines(recipe, dict(recipe.preprocess)))


def _lines(recipe: Recipe, steps: dict[str, Any]) -> Iterator[str]:
    yield "import numpy"
    yield "import torch"
    yield "from PIL import Image"
    yield ""
    yield "batch = []"
    yield "for path in paths:"
    yield '    picture = Image.open(path).convert("RGB")'
    yield from (f"    {line}" for line in _sizing(steps))
    yield "    values = torch.from_numpy(numpy.array(picture, dtype=numpy.float32)).permute(2, 0, 1)"
    if steps.get("channels") == "BGR":
        yield "    values = values.flip(0)"
    if steps.get("scale", "1") == "1/255":
        yield "    values = values / 255"
    if "mean" in steps and "mean" not in steps.get("inside", ()):
        yield "    values = (values - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]"
    yield from (f"    {line}" for line in _padding(steps))
    yield "    batch.append(values)"
    yield f'return {{"{recipe.inputs[0]["name"]}": torch.stack(batch)}}'


def _sizing(steps: dict[str, Any]) -> Iterator[str]:
    """Yield what brings the picture to size; nothing for a model that takes any."""
    size, mode = steps.get("resize_to", steps.get("size")), steps.get("resize", "")
    if steps.get("crop_pct"):
        size = int(steps["size"] / steps["crop_pct"])
    pick = f"Image.{_FILTERS.get(steps.get('interpolation', ''), 'BILINEAR')}"
    if steps.get("factor"):
        yield f"picture = picture.resize([int(side * {steps['factor']}) for side in picture.size], {pick})"
    elif mode in _RESIZED:
        yield "width, height = picture.size"
        yield _RESIZED[mode].format(size=size)
        unit = steps.get("multiple", 1) if mode == "minimal" else 1
        rounded = "round(side * share)" if unit == 1 else f"round(side * share / {unit}) * {unit}"
        yield f"picture = picture.resize([{rounded} for side in (width, height)], {pick})"
    elif size:
        yield f"picture = picture.resize(({size}, {size}), {pick})"
    if steps.get("crop") == "center":
        yield f"left, top = (picture.width - {steps['size']}) // 2, (picture.height - {steps['size']}) // 2"
        yield f"picture = picture.crop((left, top, left + {steps['size']}, top + {steps['size']}))"


def _padding(steps: dict[str, Any]) -> Iterator[str]:
    """Yield what fills up the picture: to a square for detectors, to a multiple for models with windows."""
    if steps.get("resize") == "letterbox":
        grey = "114 / 255" if steps.get("scale") == "1/255" else "114"
        yield f"right, below = {steps['size']} - values.shape[2], {steps['size']} - values.shape[1]"
        yield f"values = torch.nn.functional.pad(values, (0, right, 0, below), value={grey})"
    elif steps.get("pad") and steps.get("multiple"):
        unit = steps["multiple"]
        yield f"right, below = -values.shape[2] % {unit}, -values.shape[1] % {unit}"
        yield f'values = torch.nn.functional.pad(values[None], (0, right, 0, below), mode="{steps["pad"]}")[0]'
