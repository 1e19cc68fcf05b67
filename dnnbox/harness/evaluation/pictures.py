"""Pictures against pictures: PSNR and SSIM of what a restoration or super-resolution model returns."""

from __future__ import annotations

import math
import os
from typing import Any, Dict, List, Optional

from ..failures import Failure
from .base import Answered, Figure, Judge, tensors


class Pictures(Judge):
    """The right answer is a picture of the output's size. Values are compared in [0, 1]."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.psnr: List[float] = []
        self.ssim: List[float] = []

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        import numpy as np
        from PIL import Image

        made = self._made(answered)
        with Image.open(answered.row["target"]) as picture:
            wanted = np.asarray(picture.convert("RGB" if made.shape[2] == 3 else "L"), dtype="float64") / 255
        wanted = wanted.reshape(wanted.shape[0], wanted.shape[1], -1)
        if wanted.shape != made.shape:
            text = "%s is %d × %d, the output %d × %d"
            sizes = (wanted.shape[1], wanted.shape[0], made.shape[1], made.shape[0])
            raise Failure("input_failed", text % ((os.path.basename(answered.row["target"]),) + sizes), "evaluate")
        error = float(((made - wanted) ** 2).mean())
        self.psnr.append(-10 * math.log10(max(error, 1e-10)))
        likeness = _ssim(made, wanted)
        if likeness is not None:
            self.ssim.append(likeness)
        self.answers.append({"item": answered.name, "psnr_db": round(self.psnr[-1], 3), "ssim": likeness})

    def _made(self, answered: Answered) -> Any:
        """Return the output picture as [height, width, channels] in [0, 1]."""
        import numpy as np

        for value in tensors(answered.outputs):
            if len(value.shape) != 4:
                continue
            array = np.asarray(value[answered.place], dtype="float64")
            if array.shape[0] in (1, 3):
                array = array.transpose(1, 2, 0)
            if array.shape[2] in (1, 3):
                if array.max() > 2:
                    self.note("the output's values are taken to lie in 0 to 255")
                    array = array / 255
                return array.clip(0, 1)
        raise Failure("unsupported", "no output is a picture of one or three channels", "evaluate")

    def figures(self) -> List[Figure]:
        """Return the means over pictures."""
        common = {"better": "higher", "n": len(self.psnr)}
        found = [
            dict(
                common,
                name="psnr_db",
                value=sum(self.psnr) / len(self.psnr),
                values=self.psnr,
                unit="dB",
                definition="10·log10(1 / mean squared error) of each picture in [0, 1], averaged; capped at 100 dB",
                method="all channels together",
                library="numpy",
            )
        ]
        if self.ssim:
            found.append(
                dict(
                    common,
                    name="ssim",
                    value=sum(self.ssim) / len(self.ssim),
                    values=self.ssim,
                    definition="structural similarity of each picture, averaged",
                    method="structural_similarity with its default window of 7",
                    library="scikit-image",
                )
            )
        else:
            self.note("no SSIM: scikit-image is not in the environment, or the pictures are smaller than its window")
        return found


def _ssim(made: Any, wanted: Any) -> Optional[float]:
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        return None
    if min(made.shape[:2]) < 7:
        return None
    return float(structural_similarity(made, wanted, data_range=1.0, channel_axis=2))
