"""Segmentation: intersection over union of each class, from one confusion table per picture."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from ..failures import Failure
from .base import Answered, Figure, Judge, resampled, tensors

IGNORED = 255


class Masks(Judge):
    """The right mask is a picture of class numbers; 255 is ignored, as in Pascal VOC and Cityscapes."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.tables: List[Any] = []

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        import numpy as np

        guess = self._guess(answered)
        truth = self._truth(answered, guess.shape)
        kept = truth != IGNORED
        size = int(max(guess.max(), truth[kept].max() if kept.any() else 0)) + 1
        table = np.bincount(truth[kept].astype("int64") * size + guess[kept], minlength=size * size)
        table = table.reshape(size, size)
        self.tables.append(table)
        right = int(table.trace())
        self.answers.append({"item": answered.name, "pixels": int(kept.sum()), "right": right})

    def _guess(self, answered: Answered) -> Any:
        import numpy as np

        for value in tensors(answered.outputs):
            if len(value.shape) == 4:
                best = value[answered.place].argmax(0) if value.shape[1] > 1 else value[answered.place][0] > 0
                return np.asarray(best).astype("int64")
            if len(value.shape) == 3 and "float" not in str(value.dtype):
                return np.asarray(value[answered.place]).astype("int64")
        raise Failure("unsupported", "no output has the shape [batch, classes, height, width]", "evaluate")

    def _truth(self, answered: Answered, shape: Sequence[int]) -> Any:
        import numpy as np
        from PIL import Image

        with Image.open(answered.row["mask"]) as picture:
            mask = picture if picture.mode in ("L", "P", "I", "1") else picture.convert("L")
            pipeline = getattr(self.runtime, "pipeline", None)
            if pipeline is not None:
                self.note("masks are resized and cropped as the pictures are")
                return np.asarray(pipeline().mask(mask))
            if mask.size != (shape[1], shape[0]):
                self.note("masks are resized to the output's size, nearest neighbour")
                mask = mask.resize((shape[1], shape[0]), 0)
            return np.asarray(mask)

    def figures(self) -> List[Figure]:
        """Return mean IoU and pixel accuracy."""
        import numpy as np

        size = max(table.shape[0] for table in self.tables)
        stack = np.stack([np.pad(table, (0, size - table.shape[0])) for table in self.tables])

        def union(drawn: Sequence[int]) -> float:
            table = stack[list(drawn)].sum(0)
            total = table.sum(0) + table.sum(1) - np.diag(table)
            seen = total > 0
            return float((np.diag(table)[seen] / total[seen]).mean())

        n = len(self.tables)
        pairs = [[int(table.trace()), int(table.sum())] for table in self.tables]
        share = sum(a for a, _ in pairs) / max(1, sum(b for _, b in pairs))
        common = {"n": n, "better": "higher", "method": "from the class of each pixel", "library": "numpy"}
        text = "intersection over union of each class that occurs, over all pictures together, averaged over classes"
        interval = resampled(n, union)
        return [
            dict(common, name="miou", value=union(range(n)), definition=text, interval=interval),
            dict(common, name="pixel_accuracy", value=share, definition="share of right pixels", pairs=pairs),
        ]
