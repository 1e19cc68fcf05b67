"""transformers: the class that config.json names, from the local folder only, with its own tokenizer or processor."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Sequence

from ..failures import Failure
from ..protocol import Check, InputFile
from . import clips
from .base import Decoded
from .huggingface import TextInputs, answer, config_labels, load_feeder
from .torch_base import HALF
from .torchvision_import import import_if_there
from .vision import Pipeline

CACHES = ("cache", "past_key_values")
"""The argument that takes the cache of keys and values, and gives it back: renamed in version 5.24."""
HARMLESS = ("pooler", "position_ids")
"""Weights that a base class has and a checkpoint may lack, without harm to the other outputs."""


class Transformers(TextInputs):
    """``options``: architecture (else the config's own), allow_remote_code, labels."""

    by_name = True
    decodes = True

    def import_libraries(self) -> None:
        """Import torch and transformers."""
        super().import_libraries()
        import_if_there(self)
        import transformers

        self.transformers = transformers
        path = self.request.checkpoint
        self.folder = path if os.path.isdir(path) else os.path.dirname(path)
        self.remote = bool(self.options.get("allow_remote_code"))
        # The library imports a model's module when its class is first asked for: that is import, not load.
        settings = {"local_files_only": True, "trust_remote_code": self.remote}
        self.config = transformers.AutoConfig.from_pretrained(self.folder, **settings)
        self.model_class = self._model_class(self.remote)

    def load(self) -> None:
        """Build the config's class with its weights, and find what feeds it."""
        settings: Dict[str, Any] = {"local_files_only": True, self._dtype_keyword(): self._dtype()}
        if self.model_class.__name__.startswith("AutoModel"):
            settings["trust_remote_code"] = self.remote
        self.model, info = self.model_class.from_pretrained(self.folder, output_loading_info=True, **settings)
        self._check_loading(info)
        load_feeder(self, self.folder)
        # Once, not for each token: reading a signature takes as long as a small model.
        self.cache_name = next((name for name in CACHES if name in self.accepted()), "")
        keeps_cache = self.is_generative() or getattr(self.config, "is_encoder_decoder", False)
        self.fixed = {"use_cache": False} if keeps_cache and "use_cache" in self.accepted() else {}

    def _model_class(self, remote: bool) -> Any:
        names = [str(self.options.get("architecture") or "")] + list(self.config.architectures or [])
        for name in names:
            cls = getattr(self.transformers, name, None) if name else None
            if cls is not None:
                return cls
        if remote and getattr(self.config, "auto_map", None):
            return self.transformers.AutoModel
        wanted = next((name for name in names if name), self.config.model_type)
        text = "transformers %s has no class %s" % (self.transformers.__version__, wanted)
        if getattr(self.config, "auto_map", None):
            text += "; the folder brings its own code, which runs only where remote code is allowed"
        raise Failure("unsupported", text, "load")

    def _dtype_keyword(self) -> str:
        version = tuple(int(part) for part in self.transformers.__version__.split(".")[:2])
        return "dtype" if version >= (4, 56) else "torch_dtype"

    def _dtype(self) -> Any:
        if self.request.precision == "auto":
            return "auto"
        return getattr(self.torch, HALF.get(self.request.precision, "float32"))

    def _check_loading(self, info: Dict[str, Any]) -> None:
        missing = sorted(str(name) for name in info.get("missing_keys") or [])
        mismatched = [str(entry) for entry in info.get("mismatched_keys") or []]
        serious = [name for name in missing if not any(word in name for word in HARMLESS)]
        unexpected = sorted(str(name) for name in info.get("unexpected_keys") or [])
        if unexpected:
            self.note("%d weights of the checkpoint are not used: %s" % (len(unexpected), ", ".join(unexpected[:4])))
        if missing and not serious:
            self.note("not in the checkpoint, so left at random: %s" % ", ".join(missing[:4]))
        names = ", ".join((serious + mismatched)[:4])
        text = "weights missing or of another shape: %s" % names if names else "every weight of the model was found"
        self.checks.append(Check("strict_load", not names, text))
        if names:
            raise Failure("load_failed", text, "load")

    # Inputs.

    def input_name(self, index: int) -> str:
        """Return the model's main input."""
        return str(self.model.main_input_name)

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return lines of text for a text model, a clip for a video model, else the files."""
        if self.input_name(0) == "input_ids":
            return self.lines(files)
        return clips.of_files(files) if clips.frame_count(self.config) else list(files)

    def example_items(self) -> List[Any]:
        """Return sentences where there is a tokenizer."""
        is_text = self.input_name(0) == "input_ids" and self.tokenizer is not None
        return self.sentences() if is_text else []

    def preprocess(self, items: Sequence[Any]) -> Any:
        """Return the features of sentences, clips, pictures or recordings."""
        if items and isinstance(items[0], str):
            return self.tokenize(list(items))
        if items and isinstance(items[0], clips.Clip):
            self.last_inputs = clips.from_clips(self, items, clips.frame_count(self.config))
            return self.last_inputs
        kinds = {item.kind for item in items}
        if kinds == {"image"}:
            return self._pictures([item.path for item in items])
        if kinds == {"audio"}:
            return self._recordings([item.path for item in items])
        self.last_inputs = self.tensor_inputs(items)
        return self.last_inputs

    def example_inputs(self, batch_size: int) -> Any:
        """Return random token ids, made-up pictures, clips or speech."""
        main = self.input_name(0)
        if main == "input_ids":
            return self.random_ids(batch_size)
        if main in ("pixel_values", "pixel_values_videos"):
            return self._example_pictures(batch_size)
        if main in ("input_values", "input_features") and self.processor is not None:
            return self.speech_features(batch_size)
        raise Failure("needs_adapter", "nobody says how to make %s for this model" % main, "input")

    def extra_inputs(self, inputs: Dict[str, Any]) -> Dict[str, Any]:
        """Return made-up pictures beside the text of a model that compares the two."""
        is_pair = hasattr(self.config, "vision_config") and hasattr(self.config, "text_config")
        if not is_pair or "input_ids" not in inputs or "pixel_values" in inputs or hasattr(self.model, "lm_head"):
            return {}
        self.note("the model reads text and pictures: made-up pictures were put beside the text")
        pictures: Dict[str, Any] = self._example_pictures(int(inputs["input_ids"].shape[0]))
        return pictures

    def _image_pipeline(self) -> Pipeline:
        vision = getattr(self.config, "vision_config", self.config)
        size = getattr(vision, "image_size", None) or getattr(vision, "crop_size", None) or 224
        sides = list(size) if isinstance(size, (list, tuple)) else [int(size)] * 2
        return Pipeline.of_options(self.options, sides)

    def _example_pictures(self, batch_size: int) -> Any:
        pipeline = self._image_pipeline()
        channels = int(getattr(getattr(self.config, "vision_config", self.config), "num_channels", 3))
        frames = clips.frame_count(self.config)
        if frames:
            return clips.made_up(self, pipeline, channels, batch_size, frames)
        shape = (batch_size, channels, pipeline.height, pipeline.width)
        if self.processor is not None and channels == 3:
            return self.processed_pictures(pipeline._replace(mean=(0.0,) * 3, std=(1.0,) * 3), batch_size)
        pipeline.declare(self)
        values = pipeline.example(channels, batch_size, self.request.seed)
        pixels = self.torch.tensor(values, dtype=self.torch.float32).reshape(shape)
        return {"pixel_values": self.cast(pixels)}

    def _pictures(self, paths: Sequence[str]) -> Any:
        from PIL import Image

        if self.processor is None:
            raise Failure("needs_adapter", "the folder has no image processor for picture files", "input")
        pictures = []
        for path in paths:
            try:
                with Image.open(path) as picture:
                    pictures.append(picture.convert("RGB"))
            except OSError as error:
                text = "%s is not a readable picture" % os.path.basename(path)
                raise Failure("input_failed", text, "input") from error
        return self.features(self.processor(images=pictures, return_tensors="pt"))

    def _recordings(self, paths: Sequence[str]) -> Any:
        from .. import sound

        if self.processor is None:
            raise Failure("needs_adapter", "the folder has no feature extractor for recordings", "input")
        rate = self.sampling_rate()
        waves = [list(sound.read_wav(path, rate)) for path in paths]
        self.step("preprocessing", "resample", {"rate": rate, "channels": 1}, "declared", "preprocessor_config.json")
        return self.features(self.extract(waves, rate))

    # One iteration.

    def infer(self, inputs: Any) -> Any:
        """Run the forward pass; a generative model reads its prompt and keeps no cache."""
        return self.model(**inputs, **self.fixed)

    def decode(self, outputs: Any) -> Any:
        """Return the most likely class, token or vector."""
        logits = outputs.get("logits") if hasattr(outputs, "get") else None
        return outputs if logits is None else logits.argmax(-1)

    # Token after token.

    def generates(self) -> str:
        """Return "" for a causal language model that is fed with token ids and keeps a cache."""
        if getattr(self.config, "is_encoder_decoder", False) or not self.is_generative():
            return super().generates()
        if not {"use_cache", "input_ids"} <= set(self.accepted()) or not self.cache_name:
            return "the model keeps no cache of keys and values"
        return "" if "input_ids" in (self.last_inputs or {}) else "the model was not fed with token ids"

    def prompt_tokens(self, inputs: Any) -> int:
        """Return the tokens that are no padding."""
        mask = inputs.get("attention_mask")
        return int(mask.sum()) if mask is not None else int(inputs["input_ids"].numel())

    def token_room(self, inputs: Any) -> int:
        """Return how many positions the configuration leaves."""
        text = getattr(self.config, "text_config", self.config)
        longest = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
        return int(longest or 1 << 30) - int(inputs["input_ids"].shape[-1])

    def prefill(self, inputs: Any) -> Any:
        """Read the prompt with the cache on and choose the first token."""
        return self._chosen_after(self.model(**inputs, use_cache=True), inputs.get("attention_mask"))

    def advance(self, state: Any) -> Any:
        """Feed the last token back, with the cache of all before it."""
        token, cache, mask = state
        given = {"input_ids": token, self.cache_name: cache, "use_cache": True}
        if mask is not None:
            mask = self.torch.cat([mask, mask.new_ones((mask.shape[0], 1))], dim=1)
            given["attention_mask"] = mask
        return self._chosen_after(self.model(**given), mask)

    def _chosen_after(self, outputs: Any, mask: Any) -> Any:
        token = outputs.logits[:, -1:].argmax(-1)
        self.synchronize()
        return token, getattr(outputs, self.cache_name), mask

    def chosen(self, state: Any) -> List[int]:
        """Return the last token of each sequence."""
        return [int(token) for token in state[0].reshape(-1)]

    # What it means.

    def class_names(self) -> List[str]:
        """Return the host's labels, else those of the folder's config."""
        return self.labels() or config_labels(self.config)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return labels, fillings, a continuation or facts about vectors, by the model's head."""
        return answer(self, outputs, items)
