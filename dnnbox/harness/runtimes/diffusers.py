"""diffusers pipelines: the whole pipeline with a few denoising steps is the timed call; pictures come out."""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict, List, Sequence

from .. import examples
from ..failures import Failure
from ..protocol import InputFile
from .base import Decoded
from .torch_base import HALF, TorchRuntime
from .torchvision_import import import_if_there

STEPS = 4
"""Denoising steps of one call where ``options["steps"]`` does not say: enough to time, too few for a good picture."""

SHOWN = 4


class Diffusers(TorchRuntime):
    """Inputs are prompts, or a batch size for a pipeline that takes none. Latents start from the seed in each call."""

    prepares = True

    def import_libraries(self) -> None:
        """Import torch and diffusers."""
        os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
        super().import_libraries()
        import_if_there(self)
        import diffusers

        self.library = diffusers

    def load(self) -> None:
        """Load every component of the folder."""
        dtype = getattr(self.torch, HALF.get(self.request.precision, "float32"))
        kept = {} if self.request.precision == "auto" else {"torch_dtype": dtype}
        self.model = self.library.DiffusionPipeline.from_pretrained(
            self.request.checkpoint, local_files_only=True, **kept
        )
        self.model.set_progress_bar_config(disable=True)
        self.parameters_of_call = inspect.signature(self.model.__call__).parameters
        self.takes_prompt = "prompt" in self.parameters_of_call
        required = [
            name
            for name, parameter in self.parameters_of_call.items()
            if parameter.default is inspect.Parameter.empty and name != "prompt"
        ]
        if required:
            text = "the pipeline %s also needs %s"
            raise Failure("needs_adapter", text % (type(self.model).__name__, ", ".join(required)), "load")
        self.steps = int(self.options.get("steps") or STEPS)
        self.step("preprocessing", "denoise", {"num_inference_steps": self.steps}, "assumed", "dnnbox")
        self.note("one call is %d denoising steps: a choice for timing, not for quality" % self.steps)

    def _set_precision(self) -> None:
        if self.request.precision not in ("auto", "fp32", *HALF):
            raise Failure("unsupported", "precision %s" % self.request.precision)

    def _move(self) -> None:
        self.model.to(self.device)

    def parameters(self) -> Sequence[Any]:
        """Return the parameters of all components."""
        modules = [part for part in self.model.components.values() if isinstance(part, self.torch.nn.Module)]
        return [parameter for module in modules for parameter in module.parameters()]

    def example_items(self) -> List[Any]:
        """Return a prompt for each picture of the batch; nothing where the pipeline takes none."""
        if not self.takes_prompt:
            return []
        count = max(1, self.request.batch_size)
        return [examples.SENTENCES[place % len(examples.SENTENCES)] for place in range(count)]

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return the prompts, one a line of text files."""
        found: List[str] = []
        for file in files:
            if file.kind != "text" or not self.takes_prompt:
                text = "this pipeline takes no input of kind %s"
                raise Failure("needs_adapter", text % file.kind, "input")
            with open(file.path, encoding="utf-8") as stream:
                found += [line.strip() for line in stream if line.strip()]
        return found

    def preprocess(self, items: Sequence[Any]) -> Any:
        """Return what the pipeline is called with; it encodes prompts itself."""
        return {"prompt": list(items)}

    def example_inputs(self, batch_size: int) -> Any:
        """Return the batch size, the one thing that an unconditional pipeline is told."""
        if "batch_size" in self.parameters_of_call:
            return {"batch_size": batch_size}
        raise Failure("needs_adapter", "nobody says what %s is called with" % type(self.model).__name__, "input")

    def to_device(self, inputs: Any) -> Any:
        """Return the inputs: prompts go to the device as tokens, inside the pipeline."""
        return inputs

    def infer(self, inputs: Any) -> Any:
        """Denoise from latents of the seed, so that every call computes the same."""
        generator = self.torch.Generator("cpu").manual_seed(self.request.seed)
        made = self.model(num_inference_steps=self.steps, generator=generator, output_type="np", **inputs)
        return {name: made[name] for name in made.keys() if hasattr(made[name], "shape")}

    def item_count(self, inputs: Any) -> int:
        """Return how many pictures one call makes."""
        return len(inputs["prompt"]) if "prompt" in inputs else int(inputs.get("batch_size", 1))

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Write the pictures."""
        pictures = outputs.get("images")
        if pictures is None or getattr(pictures, "ndim", 0) != 4 or pictures.shape[3] not in (1, 3):
            return []
        from PIL import Image

        made: Decoded = []
        for place, pixels in enumerate(pictures[:SHOWN]):
            name = "picture-%d.png" % place
            Image.fromarray((pixels * 255).round().clip(0, 255).astype("uint8").squeeze()).save(
                os.path.join(out_dir, name)
            )
            entry: Dict[str, Any] = {"kind": "image", "item": place, "path": name}
            if place < len(items):
                entry["prompt"] = str(items[place])
            made.append(entry)
        return made
