"""Ultralytics checkpoints: a pickled model in half precision; its forward pass is timed, its own NMS finds boxes."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Sequence

from ..failures import Failure
from ..protocol import InputFile
from .base import Decoded
from .tensors import ImageInputs
from .torchvision_import import import_if_there
from .vision import Pipeline

SIDE = 640
KEPT = 20
BOXES = ("detect",)


class Ultralytics(ImageInputs):
    """Unpickling runs the library's code: the box is what contains it. Pictures are resized without letterbox."""

    decodes = True

    def import_libraries(self) -> None:
        """Import torch and ultralytics, with everything switched off that would call home or install."""
        os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
        os.environ.setdefault("YOLO_CONFIG_DIR", os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - the box's own
        super().import_libraries()
        import_if_there(self)
        import ultralytics

        self.library = ultralytics

    def load(self) -> None:
        """Unpickle, and take the averaged weights where there are some, as the library does."""
        data = self.torch.load(self.request.checkpoint, map_location="cpu", weights_only=False)
        model = data.get("ema") or data.get("model") if isinstance(data, dict) else data
        if not isinstance(model, self.torch.nn.Module):
            raise Failure("unsupported", "the checkpoint holds a %s, not a model" % type(model).__name__, "load")
        self.model = model.float() if self.request.precision == "fp32" else model
        for module in self.model.modules():  # graphs of older versions lack fields that the library adds on load
            if type(module).__name__ == "Upsample" and not hasattr(module, "recompute_scale_factor"):
                module.recompute_scale_factor = None
        self.kind = str(getattr(self.model, "task", "") or "detect")
        arguments = getattr(self.model, "args", None) or {}
        side = arguments.get("imgsz") if isinstance(arguments, dict) else None
        self.side = int(side) if isinstance(side, int) else SIDE
        self.note("the model is an ultralytics %s for the task %s" % (type(self.model).__name__, self.kind))

    def labels(self) -> List[str]:
        """Return the class names in the checkpoint."""
        names = getattr(self.model, "names", None) or {}
        return [str(name) for name in (names.values() if isinstance(names, dict) else names)]

    def pipeline(self) -> Pipeline:
        """Return the side of the training arguments and no normalisation but the scale to [0, 1]."""
        default = Pipeline(
            self.side, self.side, self.side, (0.0,) * 3, (1.0,) * 3, "bilinear", "assumed", "ultralytics' predictor"
        )
        return Pipeline.of_options({}, (self.side, self.side), default)

    def input_name(self, index: int) -> str:
        """Return the name of forward's input."""
        return "x"

    def example_inputs(self, batch_size: int) -> Any:
        """Return made-up pictures."""
        return {"x": self.example_pictures(batch_size)}

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return pictures from files."""
        return self.from_files(items)

    def infer(self, inputs: Any) -> Any:
        """Run the forward pass; the first output is the prediction, the others are for training."""
        made = self.model(inputs["x"])
        return {"predictions": made[0] if isinstance(made, (list, tuple)) else made}

    def decode(self, outputs: Any) -> Any:
        """Return boxes [x1, y1, x2, y2, confidence, class] of each picture; the outputs as they are for other tasks."""
        if self.kind not in BOXES:
            return outputs
        from ultralytics.utils import nms

        return nms.non_max_suppression(outputs["predictions"], conf_thres=0.25, iou_thres=0.7, max_det=300)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return the most certain boxes, or the classes of a classifier."""
        if self.kind == "classify":
            self.options.setdefault("task", "image-classification")
            return self.classes(outputs, items)
        if self.kind not in BOXES:
            return []
        parameters = {"confidence": 0.25, "iou": 0.7, "most": 300}
        self.step("postprocessing", "non_max_suppression", parameters, "assumed", "ultralytics' defaults")
        names = self.labels()
        return [self._boxes(place, found, names) for place, found in enumerate(self.decode(outputs))]

    def _boxes(self, place: int, found: Any, names: Sequence[str]) -> Dict[str, Any]:
        rows = found[:KEPT].tolist()
        boxes = [
            {
                "box": [round(value, 1) for value in row[:4]],
                "confidence": round(row[4], 4),
                "label": names[int(row[5])] if int(row[5]) < len(names) else str(int(row[5])),
            }
            for row in rows
        ]
        return {"kind": "boxes", "item": place, "count": len(found), "boxes": boxes}
