"""timm: the architecture by name, the weights matched strictly, the pictures as the model's own config wants them."""

from __future__ import annotations

import math
from typing import Any, List, Sequence

from ..protocol import InputFile
from . import weights
from .base import Decoded
from .tensors import ImageInputs
from .torchvision_import import import_torchvision
from .vision import Pipeline, best_classes


class Timm(ImageInputs):
    """``options``: architecture, arguments, entry, prefix, and perhaps preprocess and labels."""

    decodes = True

    def import_libraries(self) -> None:
        """Import torch and timm; timm needs torchvision."""
        super().import_libraries()
        import_torchvision(self)
        import timm

        self.timm = timm

    def load(self) -> None:
        """Build the architecture and load the weights."""
        name = str(self.options.get("architecture"))
        self.model = self.timm.create_model(name, pretrained=False, **self.arguments())
        weights.load(self)
        self.config = self.timm.data.resolve_model_data_config(self.model)

    def pipeline(self) -> Pipeline:
        """Return the pipeline of timm's config for this architecture."""
        _, height, width = self.config["input_size"]
        resize = math.floor(min(height, width) / float(self.config.get("crop_pct") or 1))
        source = "timm's config of %s" % self.options.get("architecture")
        mean, std = tuple(self.config["mean"]), tuple(self.config["std"])
        words = (str(self.config.get("interpolation", "bicubic")), "assumed", source)
        default = Pipeline(height, width, resize, mean, std, *words)
        return Pipeline.of_options(self.options, (height, width), default)

    def example_inputs(self, batch_size: int) -> Any:
        """Return made-up pictures."""
        return {"x": self.example_pictures(batch_size, int(self.config["input_size"][0]))}

    def input_name(self, index: int) -> str:
        """Return the name that timm's models share."""
        return "x"

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return pictures from files."""
        return self.from_files(items)

    def decode(self, outputs: Any) -> Any:
        """Return the five best classes."""
        return self.torch.topk(outputs, min(5, outputs.shape[-1]))

    def labels(self) -> List[str]:
        """Return the host's labels, or ImageNet's names for a head of 1000 classes."""
        known = super().labels()
        if known or getattr(self.model, "num_classes", 0) != 1000:
            return known
        info = self.timm.data.ImageNetInfo("imagenet-1k")
        self.note("class names are ImageNet-1k's, assumed from the 1000 classes of the head")
        return [info.index_to_description(index) for index in range(1000)]

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return the best classes; without a head, nothing."""
        if getattr(self.model, "num_classes", 0) == 0 or outputs.ndim != 2:
            return []
        self.step("postprocessing", "softmax", {"top": 5}, "assumed", "timm classifiers return logits")
        return best_classes(outputs.float().tolist(), self.labels(), items)
