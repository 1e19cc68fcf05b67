"""open_clip directories: pictures and sentences in, both embeddings out, and which sentence fits which picture."""

from __future__ import annotations

import os
from typing import Any, List, Sequence, Tuple

from .. import examples
from ..failures import Failure
from ..protocol import InputFile
from .base import Decoded
from .tensors import ImageInputs
from .torchvision_import import import_torchvision
from .vision import Pipeline

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class OpenClip(ImageInputs):
    """The timed call encodes a batch of pictures and as many sentences."""

    def import_libraries(self) -> None:
        """Import torch and open_clip; open_clip needs torchvision."""
        super().import_libraries()
        import_torchvision(self)
        import open_clip

        self.library = open_clip
        self.seen: List[Tuple[str, Any]] = []

    def load(self) -> None:
        """Load model and tokenizer from the directory alone."""
        place = "local-dir:%s" % self.request.checkpoint
        self.model, _, _ = self.library.create_model_and_transforms(place, device="cpu")
        self.tokenizer = self.library.get_tokenizer(place)
        size = self.model.visual.image_size
        self.size = [int(size), int(size)] if isinstance(size, int) else [int(side) for side in size]
        facts = self.library.get_model_preprocess_cfg(self.model)
        self.facts = facts if isinstance(facts, dict) else {}

    def pipeline(self) -> Pipeline:
        """Return the pipeline of the directory's own configuration."""
        mean = tuple(float(value) for value in self.facts.get("mean") or CLIP_MEAN)
        std = tuple(float(value) for value in self.facts.get("std") or CLIP_STD)
        words = (str(self.facts.get("interpolation") or "bicubic"), "declared", "open_clip_config.json")
        default = Pipeline(self.size[0], self.size[1], min(self.size), mean, std, *words)
        return Pipeline.of_options({}, self.size, default)

    def example_inputs(self, batch_size: int) -> Any:
        """Return made-up pictures and as many sentences."""
        return {"image": self.example_pictures(batch_size), "text": self._tokens([], batch_size)}

    def _tokens(self, lines: Sequence[str], count: int) -> Any:
        lines = list(lines) or list(examples.SENTENCES)
        self.lines = [lines[place % len(lines)] for place in range(count)]
        parameters = {"context_length": int(self.tokenizer.context_length)}
        self.step("preprocessing", "tokenize", parameters, "declared", "open_clip_config.json")
        return self.tokenizer(self.lines)

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return the pictures; the sentences of text files go with them."""
        pictures: List[Any] = []
        self.given: List[str] = []
        for file in files:
            if file.kind == "text":
                with open(file.path, encoding="utf-8") as stream:
                    self.given += [line.strip() for line in stream if line.strip()]
            else:
                pictures.append(file)
        return pictures

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return pictures from files with the given sentences, or with made-up ones."""
        if any(item.kind != "image" for item in items):
            raise Failure("needs_adapter", "open_clip takes pictures and sentences", "input")
        lines = getattr(self, "given", [])
        return {"image": self.pictures([item.path for item in items]), "text": self._tokens(lines, len(items))}

    def infer(self, inputs: Any) -> Any:
        """Encode both."""
        made = self.model(inputs["image"], inputs["text"])
        if not isinstance(made, dict):
            names = ("image_features", "text_features", "logit_scale", "logit_bias")
            made = dict(zip(names, made))
        return {name: value for name, value in made.items() if value is not None}

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return for each picture how likely each sentence is."""
        scale = outputs.get("logit_scale")
        if scale is None or "image_features" not in outputs:
            return []
        logits = scale.float() * outputs["image_features"].float() @ outputs["text_features"].float().T
        chances = self.torch.softmax(logits, dim=-1).tolist()
        made: Decoded = []
        for place, row in enumerate(chances):
            top = [
                {"class": number, "label": self.lines[number], "probability": round(chance, 6)}
                for number, chance in sorted(enumerate(row), key=lambda pair: -pair[1])[:5]
            ]
            entry = {"kind": "classes", "item": place, "top": top}
            if place < len(items) and hasattr(items[place], "path"):
                entry["source"] = os.path.basename(items[place].path)
            made.append(entry)
        return made
