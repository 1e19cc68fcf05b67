"""Detection: average precision as COCO defines it, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any, Dict, List, Sequence

from ..failures import Failure
from .base import Answered, Figure, Judge, resampled


class Boxes(Judge):
    """Takes decoded ``boxes``: ``box_xyxy`` in pixels of the picture, ``score``, ``label`` or ``class``."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.found: List[Dict[str, Any]] = []
        self.truth: List[Dict[str, Any]] = []
        self.images: List[int] = []
        self.categories = [dict(entry) for entry in work.get("categories") or []]
        self.by_name = {_plain(entry["name"]): int(entry["id"]) for entry in self.categories}
        self.ids = {int(entry["id"]) for entry in self.categories}

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        boxes = (answered.decoded or {}).get("boxes")
        if not isinstance(boxes, list):
            raise Failure("unsupported", "the runtime decodes no boxes; an adapter's postprocess can", "evaluate")
        image = len(self.images) + 1
        self.images.append(image)
        for box in answered.row["boxes"]:
            x, y, width, height = (float(side) for side in box["bbox"])
            entry: Dict[str, Any] = {
                "id": len(self.truth) + 1,
                "image_id": image,
                "category_id": int(box["category_id"]),
            }
            entry.update(bbox=[x, y, width, height], area=width * height, iscrowd=int(box.get("iscrowd", 0)))
            self.truth.append(entry)
        kept = 0
        for box in boxes:
            category = self._category(box)
            if category is None:
                continue
            kept += 1
            left, top, right, bottom = (float(side) for side in box["box_xyxy"])
            found: Dict[str, Any] = {"image_id": image, "category_id": category, "score": float(box.get("score", 1.0))}
            found["bbox"] = [left, top, right - left, bottom - top]
            self.found.append(found)
        wanted = len(answered.row["boxes"])
        self.answers.append({"item": answered.name, "boxes": kept, "wanted": wanted})

    def _category(self, box: Dict[str, Any]) -> Any:
        name = _plain(box.get("label") or "")
        if name in self.by_name:
            return self.by_name[name]
        number = box.get("class")
        if not name and isinstance(number, int) and number in self.ids:
            self.note("classes without a name are taken as category numbers")
            return number
        self.note("answers of classes that the dataset does not have are left out")
        return None

    def figures(self) -> List[Figure]:
        """Return AP over IoU 0.50 to 0.95, and at 0.50."""
        try:
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        except ImportError as error:
            raise Failure("missing_module", "pycocotools", "evaluate") from error
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = {
                "info": {},
                "images": [{"id": image} for image in self.images],
                "annotations": self.truth,
                "categories": self.categories,
            }
            truth.createIndex()
            evaluated = COCOeval(truth, truth.loadRes(self.found) if self.found else COCO(), "bbox")
            evaluated.params.imgIds = self.images
            if not self.found:
                return self._told(0.0, 0.0, None, None)
            evaluated.evaluate()
            return self._told(*self._summed(evaluated))

    def _summed(self, evaluated: Any) -> Sequence[Any]:
        whole = list(evaluated.evalImgs)
        count = len(self.images)
        groups = len(whole) // count

        def of(drawn: Sequence[int], only: bool) -> float:
            evaluated.evalImgs = [whole[group * count + place] for group in range(groups) for place in drawn]
            evaluated.accumulate()
            precision = evaluated.eval["precision"]  # [IoU, recall, class, area, detections]
            table = precision[0, :, :, 0, -1] if only else precision[:, :, :, 0, -1]
            seen = table[table > -1]
            return float(seen.mean()) if seen.size else float("nan")

        everything = range(count)
        intervals = [resampled(count, lambda drawn, only=only: of(drawn, only)) for only in (False, True)]  # type: ignore[misc]
        return of(everything, False), of(everything, True), intervals[0], intervals[1]

    def _told(self, over: float, at_half: float, interval: Any, half_interval: Any) -> List[Figure]:
        common = {"n": len(self.images), "better": "higher", "library": "pycocotools"}
        common["method"] = "COCOeval, boxes of all sizes, at most 100 per picture"
        return [
            dict(
                common,
                name="map",
                value=over,
                interval=interval,
                definition="average precision over IoU 0.50 to 0.95 and over classes",
            ),
            dict(
                common,
                name="map50",
                value=at_half,
                interval=half_interval,
                definition="average precision at IoU 0.50 over classes",
            ),
        ]


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", str(word).lower())
