"""torchvision: the builder by name, the weights matched strictly, the transforms of its own default weights."""

from __future__ import annotations

import inspect
from typing import Any, Dict, List, Optional, Sequence

from ..failures import Failure
from ..protocol import InputFile
from . import clips, weights
from .base import Decoded
from .tensors import ImageInputs
from .torchvision_import import import_torchvision
from .vision import Pipeline, best_classes

CLIP_FRAMES = 16


class Torchvision(ImageInputs):
    """``options``: architecture, arguments, entry, prefix, and perhaps preprocess and labels."""

    def import_libraries(self) -> None:
        """Import torch and torchvision."""
        super().import_libraries()
        self.torchvision = import_torchvision(self)
        self.default: Any = None

    def load(self) -> None:
        """Build the architecture and load the weights."""
        name = str(self.options.get("architecture"))
        models = self.torchvision.models
        builder = models.get_model_builder(name)
        arguments: Dict[str, Any] = {"weights": None, **self.arguments()}
        if "weights_backbone" in inspect.signature(builder).parameters:
            arguments.setdefault("weights_backbone", None)
        self.model = builder(**arguments)
        weights.load(self)
        self.family = builder.__module__.partition("torchvision.models.")[2].partition(".")[0]
        self.default = self._default_weights(name)

    def _default_weights(self, name: str) -> Any:
        try:
            return self.torchvision.models.get_model_weights(name).DEFAULT
        except (AttributeError, ValueError):
            return None

    def _preset(self) -> Optional[Any]:
        return None if self.default is None else self.default.transforms()

    def pipeline(self) -> Pipeline:
        """Return the pipeline of the transforms that belong to the architecture's default weights."""
        if self.family == "detection":
            size = self.image_size()
            return Pipeline(size[0], size[1], min(size), status="declared", source="torchvision detectors scale inside")
        preset = self._preset()
        if preset is None or not hasattr(preset, "mean"):
            return super().pipeline()
        crop = _side(getattr(preset, "crop_size", None)) or self.image_size()[0]
        resize = _side(getattr(preset, "resize_size", None)) or crop
        mode = getattr(getattr(preset, "interpolation", None), "value", "bilinear")
        words = (str(mode), "assumed", "torchvision's transforms of %s" % self.default)
        default = Pipeline(crop, crop, resize, tuple(preset.mean), tuple(preset.std), *words)
        return Pipeline.of_options(self.options, (crop, crop), default)

    def example_inputs(self, batch_size: int) -> Any:
        """Return made-up pictures, or a clip of one that moves for a video model."""
        if self.family in ("optical_flow",):
            raise Failure("needs_adapter", "optical flow takes two pictures: an adapter is needed", "input")
        pictures = self.example_pictures(batch_size)
        if self.family == "video":
            return {"x": self.torch.stack(clips.moving(pictures, CLIP_FRAMES), 2)}
        return {"x": pictures}

    def input_name(self, index: int) -> str:
        """Return the name that torchvision's models share."""
        return "x"

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return pictures from files; detectors take each in its own size."""
        if self.family == "detection" and {item.kind for item in items} == {"image"}:
            facts = {"from": [0, 255], "to": [0, 1]}
            self.step("preprocessing", "scale", facts, "declared", "torchvision detectors scale inside")
            return {"x": [self.whole_picture(item.path) for item in items]}
        return self.from_files(items)

    def infer(self, inputs: Any) -> Any:
        """Run the model; detectors take a list of pictures."""
        if self.family == "detection":
            return self.model(list(inputs["x"]))
        return self.model(*inputs.values())

    def labels(self) -> List[str]:
        """Return the host's labels, or those of the default weights where the number of classes is theirs."""
        known = super().labels()
        if known or self.default is None:
            return known
        names = [str(name) for name in self.default.meta.get("categories", [])]
        if int(self.arguments().get("num_classes", len(names))) != len(names):
            return []
        self.note("class names are those of %s, assumed from the number of classes" % self.default)
        return names

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return classes, or boxes, or the share of each class in a segmentation."""
        if self.family == "detection":
            return [dict(self._boxes(found), item=place) for place, found in enumerate(outputs)]
        if isinstance(outputs, dict):
            return [{"kind": "segmentation", "classes": self._shares(plane)} for plane in outputs["out"]]
        if isinstance(outputs, self.torch.Tensor) and outputs.ndim == 2:
            self.step("postprocessing", "softmax", {"top": 5}, "assumed", "torchvision classifiers return logits")
            return best_classes(outputs.float().tolist(), self.labels(), items)
        return []

    def _boxes(self, found: Any) -> Dict[str, Any]:
        labels = self.labels()
        boxes = []
        for box, score, label in list(zip(found["boxes"], found["scores"], found["labels"]))[:100]:
            place = int(label)
            name = labels[place] if place < len(labels) else None
            corners = [round(float(side), 1) for side in box]
            boxes.append({"box_xyxy": corners, "class": place, "label": name, "score": round(float(score), 4)})
        return {"kind": "boxes", "count": len(found["boxes"]), "boxes": boxes}

    def _shares(self, plane: Any) -> List[Dict[str, Any]]:
        labels = self.labels()
        counts = self.torch.bincount(plane.argmax(0).flatten(), minlength=plane.shape[0]).tolist()
        total = sum(counts)
        order = sorted(range(len(counts)), key=lambda place: -counts[place])[:5]
        return [
            {"class": place, "label": labels[place] if place < len(labels) else None, "share": counts[place] / total}
            for place in order
            if counts[place]
        ]


def _side(size: Any) -> int:
    """Return one side of a size that may be a number or a list; 0 for None."""
    if isinstance(size, (list, tuple)):
        return int(size[0])
    return int(size or 0)
