"""Around a Hugging Face model: text and features in, the head's answer out."""

from __future__ import annotations

import inspect
import os
import random
import time
from typing import Any, Dict, List, Sequence

from .. import examples
from ..failures import Failure
from ..protocol import InputFile
from . import heads
from .base import Decoded
from .torch_base import TorchRuntime
from .vision import Pipeline, best_classes

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
)
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
NEW_TOKENS = 16
LONGEST_PROMPT = 512


class TextInputs(TorchRuntime):
    """Adds a tokenizer and a processor, either of which may be None."""

    prepares = True
    tokenizer: Any = None
    processor: Any = None
    last_inputs: Any = None
    model: Any
    config: Any

    def lines(self, files: Sequence[InputFile]) -> List[Any]:
        """Return the lines of text files that are not empty; other files as they are."""
        found: List[Any] = []
        for file in files:
            if file.kind != "text":
                found.append(file)
                continue
            try:
                with open(file.path, encoding="utf-8") as stream:
                    found += [line.strip() for line in stream if line.strip()]
            except (OSError, UnicodeDecodeError) as error:
                text = "%s is not readable text: %s" % (os.path.basename(file.path), error)
                raise Failure("input_failed", text, "input") from error
        if not found:
            raise Failure("input_failed", "the text holds no line", "input")
        return found

    def is_generative(self) -> bool:
        """Say whether the model continues text."""
        name = type(self.model).__name__
        return name.endswith(("ForCausalLM", "LMHeadModel")) and hasattr(self.model, "generate")

    def sentences(self) -> List[Any]:
        """Return example sentences; one prompt for a generative model."""
        return [examples.PROMPT] if self.is_generative() else list(examples.SENTENCES)

    def tokenize(self, lines: List[str]) -> Any:
        """Return the features of sentences, padded to the longest of them."""
        if self.tokenizer is None:
            raise Failure("needs_adapter", "the folder has no tokenizer for text", "input")
        longest = min(int(getattr(self.tokenizer, "model_max_length", LONGEST_PROMPT)), LONGEST_PROMPT)
        settings = {"truncation": True, "max_length": longest, "return_tensors": "pt"}
        pads = self.tokenizer.pad_token is not None
        if not pads and len(lines) > 1:
            raise Failure("unsupported", "the tokenizer has no padding token, so batches need lines of one length")
        parameters = {
            "max_length": longest,
            "padding": "longest" if pads else "none",
            "class": type(self.tokenizer).__name__,
        }
        self.step("preprocessing", "tokenize", parameters, "declared", "tokenizer files")
        return self.features(self.tokenizer(lines, padding=pads, **settings))

    def features(self, encoded: Any) -> Dict[str, Any]:
        """Return what forward takes of an encoding, with what a decoder needs beside it."""
        accepted = self.accepted()
        kept = {name: self.cast(value) for name, value in dict(encoded).items() if name in accepted}
        kept.update(self.extra_inputs(kept))
        self.last_inputs = self._with_decoder(kept)
        return self.last_inputs

    def accepted(self) -> List[str]:
        """Return the names of forward's arguments."""
        parameters = inspect.signature(self.model.forward).parameters
        return list(parameters)

    def extra_inputs(self, inputs: Dict[str, Any]) -> Dict[str, Any]:
        """Return what a model of two modalities needs beside the inputs that were given."""
        return {}

    def _with_decoder(self, inputs: Dict[str, Any]) -> Dict[str, Any]:
        if getattr(self.config, "is_encoder_decoder", False) and "decoder_input_ids" in self.accepted():
            first = next(iter(inputs.values()))
            start = getattr(self.config, "decoder_start_token_id", None)
            begin = int(start if start is not None else getattr(self.config, "pad_token_id", None) or 0)
            inputs["decoder_input_ids"] = self.torch.full((first.shape[0], 1), begin, dtype=self.torch.long)
        return inputs

    def vocabulary(self) -> int:
        """Return the number of token ids."""
        text = getattr(self.config, "text_config", self.config)
        return int(getattr(text, "vocab_size", None) or examples.DEFAULT_VOCABULARY)

    def random_ids(self, batch_size: int) -> Any:
        """Return seeded ids inside the vocabulary, with a mask of ones."""
        rng = random.Random(self.request.seed)
        text = getattr(self.config, "text_config", self.config)
        longest = int(getattr(text, "max_position_embeddings", None) or examples.SEQUENCE)
        length = max(1, min(examples.SEQUENCE, longest - NEW_TOKENS))  # room for a continuation, and for offsets
        self.note("no tokenizer in the folder: random token ids are fed")
        ids = [examples.token_ids(length, self.vocabulary(), rng) for _ in range(batch_size)]
        tensor = self.torch.tensor(ids, dtype=self.torch.long)
        return self.features({"input_ids": tensor, "attention_mask": self.torch.ones_like(tensor)})

    def sampling_rate(self) -> int:
        """Return the processor's samples per second."""
        extractor = getattr(self.processor, "feature_extractor", self.processor)
        return int(getattr(extractor, "sampling_rate", examples.AUDIO_RATE))

    def extract(self, waves: List[List[float]], rate: int) -> Any:
        """Return the processor's features of recordings; one that pads to a fixed length by itself is left alone."""
        settings: Dict[str, Any] = {"sampling_rate": rate, "return_tensors": "pt"}
        extractor = getattr(self.processor, "feature_extractor", self.processor)
        default = inspect.signature(type(extractor).__call__).parameters.get("padding")
        if len(waves) > 1 and (default is None or not default.default):
            settings["padding"] = True
        return self.processor(waves if len(waves) > 1 else waves[0], **settings)

    def speech_features(self, batch_size: int) -> Any:
        """Return the features of two seconds of made-up speech."""
        rate = self.sampling_rate()
        waves = [list(examples.speech(2 * rate, rate, self.request.seed + place)) for place in range(batch_size)]
        return self.features(self.extract(waves, rate))

    def processed_pictures(self, pipeline: Pipeline, batch_size: int) -> Any:
        """Return made-up pictures after the folder's own processor."""
        values = pipeline.example(3, batch_size, self.request.seed)
        shape = (batch_size, 3, pipeline.height, pipeline.width)
        pixels = (self.torch.tensor(values).reshape(shape) * 255).to(self.torch.uint8)
        self.step(
            "preprocessing", "processor", {"class": type(self.processor).__name__}, "declared", PROCESSOR_FILES[0]
        )
        return self.features(self.processor(images=list(pixels), return_tensors="pt"))


def load_feeder(runtime: Any, folder: str) -> None:
    """Give the runtime the folder's tokenizer and processor; one that does not load is noted, not fatal."""
    library = runtime.transformers
    settings = {"local_files_only": True, "trust_remote_code": bool(runtime.options.get("allow_remote_code"))}
    if any(os.path.isfile(os.path.join(folder, name)) for name in TOKENIZER_FILES):
        runtime.tokenizer = _try(
            runtime, "tokenizer", lambda: library.AutoTokenizer.from_pretrained(folder, **settings)
        )
        _prepare_padding(runtime)
    if any(os.path.isfile(os.path.join(folder, name)) for name in PROCESSOR_FILES):
        auto = _processor_class(runtime, folder)
        runtime.processor = _try(runtime, "processor", lambda: auto.from_pretrained(folder, **settings))


def _processor_class(runtime: Any, folder: str) -> Any:
    """Return what loads the folder's processor; one for clips has a file of its own, or the library knows no other."""
    library, main = runtime.transformers, runtime.model.main_input_name
    is_clip = main == "pixel_values_videos" or os.path.isfile(os.path.join(folder, PROCESSOR_FILES[2]))
    if is_clip and hasattr(library, "AutoVideoProcessor"):
        return library.AutoVideoProcessor
    return library.AutoImageProcessor if main.startswith("pixel_values") else library.AutoFeatureExtractor


def _prepare_padding(runtime: Any) -> None:
    tokenizer = runtime.tokenizer
    if tokenizer is None:
        return
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    if runtime.is_generative():
        tokenizer.padding_side = "left"


def _try(runtime: Any, what: str, load: Any) -> Any:
    try:
        return load()
    except Exception as error:  # tokenizers and processors fail in many ways; the model still runs on made-up ids
        runtime.note(
            "the %s does not load (%s: %s)" % (what, type(error).__name__, str(error).partition("\n")[0][:200])
        )
        return None


def answer(runtime: Any, outputs: Any, items: Sequence[Any]) -> Decoded:
    """Return what the head of a transformers model says about each item."""
    name = type(runtime.model).__name__
    if runtime.is_generative():
        return [continuation(runtime)]
    found = heads.special(runtime, outputs, items)
    if found is not None:
        return list(found)
    logits = outputs.get("logits")
    if logits is None:
        return _vectors(outputs, items)
    if name.endswith("MaskedLM"):
        return _fillings(runtime, logits, items)
    if logits.ndim == 2 and not name.endswith("QuestionAnswering"):
        labels = runtime.labels() or config_labels(runtime.config)
        runtime.step("postprocessing", "softmax", {"top": 5}, "declared", "config.json id2label")
        return _with_text(best_classes(logits.float().tolist(), labels, items), items)
    return [{"kind": "logits", "shape": list(logits.shape), "most_likely": logits.argmax(-1)[0].tolist()[:32]}]


def config_labels(config: Any) -> List[str]:
    """Return the class names of a config, in order."""
    table = getattr(config, "id2label", None) or {}
    return [str(table[key]) for key in sorted(table, key=int)]


def _with_text(decoded: Decoded, items: Sequence[Any]) -> Decoded:
    for entry, item in zip(decoded, items):
        if isinstance(item, str):
            entry["text"] = item
    return decoded


def _vectors(outputs: Any, items: Sequence[Any]) -> Decoded:
    hidden = outputs.get("last_hidden_state")
    if hidden is None:
        return []
    decoded: Decoded = []
    for index, row in enumerate(hidden.float()):
        mean = row.reshape(-1, row.shape[-1]).mean(0)
        entry: Dict[str, Any] = {"kind": "hidden-state", "item": index, "shape": list(row.shape)}
        entry["mean_vector_norm"] = round(float(mean.norm()), 4)
        decoded.append(entry)
    return _with_text(decoded, items)


def _fillings(runtime: Any, logits: Any, items: Sequence[Any]) -> Decoded:
    """Return the most likely token at each position."""
    decoded: Decoded = []
    for index, row in enumerate(logits.argmax(-1).tolist()):
        entry: Dict[str, Any] = {"kind": "token-predictions", "item": index, "token_ids": row[:32]}
        if runtime.tokenizer is not None:
            entry["tokens"] = runtime.tokenizer.convert_ids_to_tokens(row[:32])
        decoded.append(entry)
    return _with_text(decoded, items)


def continuation(runtime: Any) -> Dict[str, Any]:
    """Return the greedy continuation of the first inputs, with its own time: the timed call is the prompt only."""
    inputs = runtime.to_device(runtime.last_inputs)
    settings = {"do_sample": False, "num_beams": 1, "max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
    spare = getattr(runtime.config, "eos_token_id", None)
    spare = spare[0] if isinstance(spare, list) and spare else spare
    settings["pad_token_id"] = runtime.tokenizer.pad_token_id if runtime.tokenizer is not None else spare or 0
    runtime.synchronize()
    start = time.perf_counter_ns()
    ids = runtime.model.generate(**inputs, **settings)
    runtime.synchronize()
    seconds = (time.perf_counter_ns() - start) / 1e9
    prompt = int(inputs["input_ids"].shape[-1])
    rows = ids[:, prompt:].tolist()
    made = sum(len(row) for row in rows)
    entry: Dict[str, Any] = {"kind": "continuation", "prompt_tokens": prompt, "new_tokens": len(rows[0])}
    entry.update(token_ids=rows[0], seconds=round(seconds, 6), tokens_per_s=round(made / seconds, 3))
    if runtime.tokenizer is not None:
        entry["prompt"] = runtime.tokenizer.decode(ids[0, :prompt], skip_special_tokens=True)
        entry["text"] = runtime.tokenizer.decode(rows[0], skip_special_tokens=True)
    return entry
