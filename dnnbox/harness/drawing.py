"""What the model did, as pictures and numbers for people: inputs, boxes, masks, depth, image pairs, histograms.

Pictures are drawn from the arrays that went in and came out, so that they show what the model saw. A name ends with the
number of its item: ``boxes-0.png``.
"""

from __future__ import annotations

import math
import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import trees
from .arrays import Array
from .canvas import PALETTE, Canvas, heat
from .session import Named

LONGEST = 448
MOST_ITEMS = 4
BINS = 12
SURE = 0.3
"""Boxes and key points below this score are not drawn."""

Decoded = List[Dict[str, Any]]


def draw(
    runtime: Any, inputs: Any, outputs: Any, items: Sequence[Any], decoded: Decoded, out_dir: str, first: int
) -> Decoded:
    """Draw the items of one call and return further entries: what was drawn from arrays, or how outputs are spread.

    ``decoded`` are the call's entries, numbered within it; ``first`` is the number of its first item.
    """
    fed, _ = trees.named_arrays(inputs, "input")
    named, _ = trees.named_arrays(outputs)
    task = str(runtime.options.get("task") or "")
    found: Decoded = []
    for place in range(min(MOST_ITEMS - first, _count(fed, items))):
        seen = _seen(runtime, fed, items, place)
        if seen is not None:
            _write(seen.canvas, out_dir, "input", first + place)
        mine = [entry for number, entry in enumerate(decoded) if entry.get("item", number) == place]
        found += _drawn(seen, named, mine, task, place, first + place, out_dir, runtime.labels)
    if not first and not decoded and not found:
        found += [spread(name, array) for name, array in named[:8]]
    return found


def _count(inputs: Named, items: Sequence[Any]) -> int:
    if items:
        return len(items)
    shapes = [array.shape for _, array in inputs if len(array.shape) == 4]
    return int(shapes[0][0]) if shapes else 1


class Seen(NamedTuple):
    """The picture that the model saw, small enough to show, and the size that it had there."""

    canvas: Canvas
    width: int
    height: int


def _seen(runtime: Any, inputs: Named, items: Sequence[Any], place: int) -> Optional[Seen]:
    """Return the picture that the model saw as its input, in the colours that it had before normalisation."""
    item = items[place] if place < len(items) else None
    if getattr(item, "kind", "image") != "image":
        return None
    pipeline = getattr(runtime, "pipeline", None)
    known = pipeline() if pipeline is not None else None
    mean, std = (known.mean, known.std) if known is not None else ((0.0,), (1.0,))
    single = [array for _, array in inputs if len(array.shape) == 3]  # detectors take pictures one by one
    candidates = [(array, place) for _, array in inputs] if len(single) != len(inputs) else []
    candidates += [(single[place], 0)] if place < len(single) else []
    for array, at in candidates:
        planes = planes_of(array, at)
        if planes is not None:
            return Seen(_coloured(planes, mean, std).within(LONGEST), planes[1], planes[2])
    return None


Planes = Tuple[List[Sequence[float]], int, int]


def planes_of(array: Array, place: int) -> Optional[Planes]:
    """Return ([channel planes], width, height) of a picture of one or three channels; None for other shapes."""
    shape = list(array.shape)
    if len(shape) == 3 and shape[0] in (1, 3) and place == 0:
        shape = [1] + shape
    if len(shape) != 4 or place >= shape[0] or min(shape[1:]) < 1:
        return None
    values = array.values()
    size = shape[1] * shape[2] * shape[3]
    mine = values[place * size : (place + 1) * size]
    if shape[1] in (1, 3) and min(shape[2:]) > 3:
        area = shape[2] * shape[3]
        return [mine[channel * area : (channel + 1) * area] for channel in range(shape[1])], shape[3], shape[2]
    if shape[3] in (1, 3) and min(shape[1:3]) > 3:
        return [mine[channel :: shape[3]] for channel in range(shape[3])], shape[2], shape[1]
    return None


def _coloured(planes: Planes, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)) -> Canvas:
    """Return planes as a picture: normalisation undone, then [0, 1] or bytes as they are, else stretched."""
    channels, width, height = planes
    plain = [
        [float(value) * std[place % len(std)] + mean[place % len(mean)] for value in channel]
        for place, channel in enumerate(channels)
    ]
    low, high = min(map(min, plain)), max(map(max, plain))
    if not (math.isfinite(low) and math.isfinite(high)):
        return Canvas(width, height)
    if low >= -0.05 and high <= 1.05:
        low, high = 0.0, 1.0
    elif low >= 0 and 2 < high <= 255:
        low, high = 0.0, 255.0
    scale = 255 / (high - low) if high > low else 0.0
    pixels = bytearray(3 * width * height)
    for place in range(3):
        channel = plain[place if len(plain) == 3 else 0]
        pixels[place::3] = bytes(min(255, max(0, int((value - low) * scale + 0.5))) for value in channel)
    return Canvas(width, height, bytes(pixels))


def _write(canvas: Canvas, out_dir: str, what: str, item: int) -> str:
    name = "%s-%d.png" % (what, item)
    with open(os.path.join(out_dir, name), "wb") as file:
        file.write(canvas.png())
    return name


def _drawn(
    seen: Optional[Seen],
    named: Named,
    decoded: Decoded,
    task: str,
    place: int,
    item: int,
    out_dir: str,
    labels: Callable[[], Sequence[str]],
) -> Decoded:
    """Draw what the entries of one item say, else what its outputs look like; only a mask asks for ``labels``."""
    for entry in decoded:
        if seen is not None and (entry.get("boxes") or entry.get("keypoints")):
            entry["picture"] = _write(_marked(seen, entry), out_dir, "boxes" if entry.get("boxes") else "pose", item)
            return []
    is_mask = "segment" in task or any(entry.get("kind") == "segmentation" for entry in decoded)
    for name, array in named:
        if is_mask and seen is not None and len(array.shape) in (3, 4) and place < array.shape[0]:
            return _masked(seen, name, array, place, item, decoded, out_dir, labels())
        if "depth" in task and len(array.shape) in (3, 4) and place < array.shape[0]:
            return [_depth(name, array, place, item, out_dir)]
    if any(entry.get("kind") == "classes" for entry in decoded):
        return []
    return _pair(seen, named, place, item, out_dir)


def _marked(seen: Seen, entry: Dict[str, Any]) -> Canvas:
    """Return the picture with boxes and key points, whose places are pixels of the model's input."""
    canvas = seen.canvas.copy()
    wide, high = entry.get("picture_size") or (seen.width, seen.height)
    across, down = canvas.width / wide, canvas.height / high
    for number, box in enumerate(entry.get("boxes") or []):
        if float(box.get("score", 1.0)) >= SURE:
            left, top, right, bottom = box["box_xyxy"]
            kind = box.get("class")
            colour = PALETTE[(kind if isinstance(kind, int) else number) % len(PALETTE)]
            box["colour"] = _hex(colour)
            canvas.frame(left * across, top * down, right * across, bottom * down, colour)
    colours = []
    for number, point in enumerate(_points(entry)):
        is_drawn = len(point) < 3 or float(point[2]) >= SURE
        colour = PALETTE[number % len(PALETTE)]
        colours.append(_hex(colour) if is_drawn else "")
        if is_drawn:
            canvas.dot(float(point[0]) * across, float(point[1]) * down, colour)
    if colours:
        entry["keypoint_colours"] = colours
    return canvas


def _points(entry: Dict[str, Any]) -> List[Sequence[float]]:
    """Return the key points of an entry: [x, y] or [x, y, score] each, or a list of such for each thing."""
    found = entry.get("keypoints") or []
    if found and found[0] and isinstance(found[0][0], (list, tuple)):
        return [point for points in found for point in points]
    return list(found)


def _masked(
    seen: Seen,
    name: str,
    array: Array,
    place: int,
    item: int,
    decoded: Decoded,
    out_dir: str,
    labels: Sequence[str],
) -> Decoded:
    shape = array.shape
    channels = shape[1] if len(shape) == 4 else 1
    high, wide = int(shape[-2]), int(shape[-1])
    area = high * wide
    values = array.values()
    mine = values[place * channels * area : (place + 1) * channels * area]
    if channels > 1:
        rows = [mine[channel * area : (channel + 1) * area] for channel in range(channels)]
        classes = [max(range(channels), key=point.__getitem__) for point in zip(*rows)]
    else:
        classes = [int(value) if not array.dtype.startswith("float") else int(value > 0) for value in mine]
    canvas = seen.canvas.copy()
    canvas.blend(classes, wide, high)
    picture = _write(canvas, out_dir, "mask", item)
    if decoded:
        decoded[0]["picture"] = picture
        return []
    counts: Dict[int, int] = {}
    for one in classes:
        counts[one] = counts.get(one, 0) + 1
    order = sorted(counts, key=lambda one: -counts[one])[:5]
    shares = [_share(one, counts[one] / area, labels) for one in order]
    return [{"kind": "segmentation", "item": item, "output": name, "classes": shares, "picture": picture}]


def _share(kind: int, share: float, labels: Sequence[str]) -> Dict[str, Any]:
    """Return a class of a mask: its share of the picture, and the colour that it is drawn in; 0 stays as it is."""
    found: Dict[str, Any] = {"class": kind}
    if 0 <= kind < len(labels):
        found["label"] = labels[kind]
    found["share"] = round(share, 6)
    if kind != 0:
        found["colour"] = _hex(PALETTE[kind % len(PALETTE)])
    return found


def _hex(colour: Sequence[int]) -> str:
    return "#%02x%02x%02x" % tuple(colour)


def _depth(name: str, array: Array, place: int, item: int, out_dir: str) -> Dict[str, Any]:
    high, wide = int(array.shape[-2]), int(array.shape[-1])
    values = array.values()[place * high * wide : (place + 1) * high * wide]
    low, top = min(values), max(values)
    span = (top - low) or 1.0
    pixels = b"".join(bytes(heat((value - low) / span)) for value in values)
    picture = _write(Canvas(wide, high, pixels).within(LONGEST), out_dir, "depth", item)
    return {"kind": "depth", "item": item, "output": name, "lowest": low, "highest": top, "picture": picture}


def _pair(seen: Optional[Seen], named: Named, place: int, item: int, out_dir: str) -> Decoded:
    """Show an output that is a picture itself beside the input."""
    for name, array in named:
        planes = planes_of(array, place)
        if planes is None or len(planes[0]) != 3 or min(planes[1:]) < 16:
            continue
        made = _coloured(planes)
        entry: Dict[str, Any] = {"kind": "picture", "item": item, "output": name}
        entry.update(width=made.width, height=made.height)
        shown = made.within(LONGEST)
        entry["picture"] = _write(shown, out_dir, "output", item)
        if seen is not None:
            entry["pair"] = _write(seen.canvas.beside(shown), out_dir, "pair", item)
        return [entry]
    return []


def spread(name: str, array: Array) -> Dict[str, Any]:
    """Return how the values of an output are spread, for one that nobody can explain better."""
    entry: Dict[str, Any] = {"kind": "tensor", "output": name, "shape": [int(size) for size in array.shape]}
    entry["dtype"] = array.dtype
    values = [float(value) for value in array.values()] if not array.dtype.startswith("complex") else []
    if not values or not all(map(math.isfinite, values)):
        return entry
    low, high = min(values), max(values)
    entry.update(minimum=low, maximum=high, mean=math.fsum(values) / len(values))
    width = (high - low) / BINS
    if width > 0:
        counts = [0] * BINS
        for value in values:
            counts[min(BINS - 1, int((value - low) / width))] += 1
        entry["histogram"] = [
            {"from": low + place * width, "to": low + (place + 1) * width, "values": count}
            for place, count in enumerate(counts)
        ]
    return entry
