"""Pictures in and classes out: the one image pipeline that classifiers share, with where its constants come from."""

from __future__ import annotations

import math
import os
import random
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from .. import examples
from ..failures import Failure
from .base import Decoded, Runtime

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
TOP = 5


class Pipeline(NamedTuple):
    """Resize the shorter side to ``resize``, crop the middle to ``height`` x ``width``, scale to [0, 1], normalise."""

    height: int
    width: int
    resize: int
    mean: Tuple[float, ...] = (0.0, 0.0, 0.0)
    std: Tuple[float, ...] = (1.0, 1.0, 1.0)
    interpolation: str = "bilinear"
    status: str = "assumed"
    source: str = ""

    @classmethod
    def of_options(cls, options: Dict[str, Any], size: Sequence[int], default: Any = None) -> "Pipeline":
        """Return the pipeline of ``options["preprocess"]``; what it leaves out comes from ``default`` or convention.

        Keys: size, resize, mean, std, interpolation, status, source.
        """
        base = default or cls(int(size[0]), int(size[1]), int(min(size)), IMAGENET_MEAN, IMAGENET_STD)
        if default is None:
            base = base._replace(source="ImageNet convention")
        given = dict(options.get("preprocess") or {})
        if not given:
            return base
        if given.get("size"):
            sides = given["size"] if isinstance(given["size"], (list, tuple)) else [given["size"]]
            base = base._replace(height=int(sides[-2:][0]), width=int(sides[-1]), resize=int(min(sides[-2:])))
        if given.get("resize"):
            base = base._replace(resize=int(given["resize"]))
        return base._replace(
            mean=tuple(float(value) for value in given.get("mean") or base.mean),
            std=tuple(float(value) for value in given.get("std") or base.std),
            interpolation=str(given.get("interpolation") or base.interpolation),
            status=str(given.get("status") or base.status),
            source=str(given.get("source") or base.source),
        )

    def declare(self, runtime: Runtime) -> None:
        """Write the steps into the runtime's contract."""
        facts = (self.status, self.source)
        resize = {"shorter_side": self.resize, "interpolation": self.interpolation}
        runtime.step("preprocessing", "resize", resize, *facts)
        runtime.step("preprocessing", "center_crop", {"height": self.height, "width": self.width}, *facts)
        runtime.step("preprocessing", "scale", {"from": [0, 255], "to": [0, 1]}, *facts)
        runtime.step("preprocessing", "normalize", {"mean": list(self.mean), "std": list(self.std)}, *facts)

    def read(self, path: str) -> Tuple[bytes, int, int]:
        """Return (RGB bytes in rows, height, width) of a picture file after resize and crop."""
        from PIL import Image

        try:
            with Image.open(path) as picture:
                picture.load()
                rgb = picture.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            text = "%s is not a readable picture: %s" % (os.path.basename(path), error)
            raise Failure("input_failed", text, "input") from error
        method = getattr(getattr(Image, "Resampling", Image), self.interpolation.upper(), 2)
        return self._framed(rgb, method).tobytes(), self.height, self.width

    def _framed(self, picture: Any, method: int) -> Any:
        """Return a picture after resize and crop."""
        scale = max(self.resize / min(picture.size), self.width / picture.width, self.height / picture.height)
        size = (max(self.width, round(picture.width * scale)), max(self.height, round(picture.height * scale)))
        resized = picture.resize(size, method)
        left, top = (resized.width - self.width) // 2, (resized.height - self.height) // 2
        return resized.crop((left, top, left + self.width, top + self.height))

    def mask(self, picture: Any) -> Any:
        """Return a picture of class numbers after the same resize and crop, nearest neighbour."""
        return self._framed(picture, 0)

    def example(self, channels: int, batch_size: int, seed: int) -> List[float]:
        """Return made-up pictures as normalised values in order [batch, channels, height, width]."""
        rng = random.Random(seed)
        values: List[float] = []
        for _ in range(batch_size):
            planes = examples.image(channels, self.height, self.width, rng)
            area = self.height * self.width
            for channel in range(channels):
                mean, std = self.mean[channel % len(self.mean)], self.std[channel % len(self.std)]
                values.extend((value - mean) / std for value in planes[channel * area : (channel + 1) * area])
        return values


def best_classes(rows: Sequence[Sequence[float]], labels: Sequence[str], items: Sequence[Any]) -> Decoded:
    """Return the most likely classes of each row of logits (rows that are probabilities already are taken as such)."""
    decoded: Decoded = []
    for index, row in enumerate(rows):
        chances = _probabilities(row)
        order = sorted(range(len(row)), key=lambda place: -chances[place])[:TOP]
        top = []
        for place in order:
            name = labels[place] if place < len(labels) else None
            top.append({"class": place, "label": name, "probability": round(chances[place], 6)})
        entry: Dict[str, Any] = {"kind": "classes", "item": index, "top": top}
        if index < len(items) and hasattr(items[index], "path"):
            entry["source"] = os.path.basename(items[index].path)
        decoded.append(entry)
    return decoded


def _probabilities(row: Sequence[float]) -> List[float]:
    if row and min(row) >= 0 and abs(sum(row) - 1) < 1e-3:
        return list(row)
    largest = max(row)
    powers = [math.exp(value - largest) for value in row]
    total = sum(powers)
    return [power / total for power in powers]
