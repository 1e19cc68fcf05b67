"""For torch models that take one picture or plain tensors: files in, classes out."""

from __future__ import annotations

from typing import Any, List, Sequence

from .. import examples
from ..failures import Failure
from ..protocol import InputFile
from .base import Decoded
from .torch_base import TorchRuntime
from .vision import Pipeline, best_classes


class ImageInputs(TorchRuntime):
    """Adds pictures to a torch runtime. ``prepares``: reading and scaling a given picture belongs to an iteration."""

    prepares = True

    def pipeline(self) -> Pipeline:
        """Return the image pipeline: from the options, else sized by the hints or by convention."""
        return Pipeline.of_options(self.options, self.image_size())

    def image_size(self) -> List[int]:
        """Return [height, width] of the first hinted input of rank 4, or the usual size."""
        for hint in self.options.get("inputs") or []:
            shape = list(hint.get("shape") or [])
            if len(shape) == 4:
                return [side if isinstance(side, int) else examples.IMAGE_SIZE for side in shape[2:]]
        return [examples.IMAGE_SIZE, examples.IMAGE_SIZE]

    def from_files(self, items: Sequence[InputFile]) -> Any:
        """Return the inputs of one call from .npy files or from pictures."""
        kinds = {item.kind for item in items}
        if kinds == {"image"}:
            return {self.input_name(0): self.pictures([item.path for item in items])}
        if kinds == {"tensor"}:
            return self.tensor_inputs(items)
        text = "nobody says how inputs of kind %s become this model's tensors"
        raise Failure("needs_adapter", text % ", ".join(sorted(kinds)), "input")

    def pictures(self, paths: Sequence[str]) -> Any:
        """Return picture files as one tensor [batch, 3, height, width]."""
        pipeline = self.pipeline()
        pipeline.declare(self)
        torch = self.torch
        mean = torch.tensor(pipeline.mean).reshape(-1, 1, 1)
        std = torch.tensor(pipeline.std).reshape(-1, 1, 1)
        stack = []
        for path in paths:
            data, height, width = pipeline.read(path)
            pixels = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(height, width, 3)
            stack.append((pixels.permute(2, 0, 1).float() / 255 - mean) / std)
        return self.cast(torch.stack(stack))

    def whole_picture(self, path: str) -> Any:
        """Return a picture file as [3, height, width] in [0, 1], in its own size."""
        from PIL import Image

        try:
            with Image.open(path) as picture:
                rgb = picture.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            name = path.rpartition("/")[2]
            raise Failure("input_failed", "%s is not a readable picture: %s" % (name, error), "input") from error
        pixels = self.torch.frombuffer(bytearray(rgb.tobytes()), dtype=self.torch.uint8)
        return self.cast(pixels.reshape(rgb.height, rgb.width, 3).permute(2, 0, 1).float() / 255)

    def example_pictures(self, batch_size: int, channels: int = 3) -> Any:
        """Return made-up pictures as one tensor, normalised as the pipeline does."""
        pipeline = self.pipeline()
        pipeline.declare(self)
        values = pipeline.example(channels, batch_size, self.request.seed)
        shape = (batch_size, channels, pipeline.height, pipeline.width)
        return self.cast(self.torch.tensor(values, dtype=self.torch.float32).reshape(shape))

    def classes(self, outputs: Any, items: Sequence[Any]) -> Decoded:
        """Return the best classes of the first output of rank 2, where this is a classifier."""
        labels = self.labels()
        if "classification" not in str(self.options.get("task", "")) and not labels:
            return []
        values = outputs.values() if isinstance(outputs, dict) else outputs
        values = values if isinstance(values, (list, tuple)) else [values] if hasattr(values, "ndim") else list(values)
        scores = next((value for value in values if getattr(value, "ndim", 0) == 2), None)
        return [] if scores is None else best_classes(scores.float().tolist(), labels, items)
