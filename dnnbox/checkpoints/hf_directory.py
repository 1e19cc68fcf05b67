"""Hugging Face directories: config.json with ``model_type`` or ``architectures``, tokenizer, processor, weights.

Source: transformers 5 (PretrainedConfig, SAFE_WEIGHTS_NAME and its index).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import by_suffix, configs, describe, peek, remote_code, role, weights
from dnnbox.checkpoints.opening import Folder, shown
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints, clip_frames

TASKS: Mapping[str, tuple[str, str]] = {
    "ForSequenceClassification": ("text-classification", "text"),
    "ForTokenClassification": ("token-classification", "text"),
    "ForQuestionAnswering": ("question-answering", "text"),
    "ForMultipleChoice": ("multiple-choice", "text"),
    "ForMaskedLM": ("fill-mask", "text"),
    "ForPreTraining": ("fill-mask", "text"),
    "ForCausalLM": ("text-generation", "text"),
    "LMHeadModel": ("text-generation", "text"),
    "ForImageClassification": ("image-classification", "image"),
    "ForObjectDetection": ("object-detection", "image"),
    "ForSemanticSegmentation": ("image-segmentation", "image"),
    "ForUniversalSegmentation": ("image-segmentation", "image"),
    "ForInstanceSegmentation": ("image-segmentation", "image"),
    "ForImageSegmentation": ("image-segmentation", "image"),
    "ForDepthEstimation": ("depth-estimation", "image"),
    "ForMaskedImageModeling": ("masked-image-modeling", "image"),
    "ForVideoClassification": ("video-classification", "image"),
    "ForCTC": ("automatic-speech-recognition", "audio"),
    "ForSpeechSeq2Seq": ("automatic-speech-recognition", "audio"),
    "ForAudioClassification": ("audio-classification", "audio"),
    "ForAudioFrameClassification": ("audio-frame-classification", "audio"),
    "ForXVector": ("audio-xvector", "audio"),
    "ForConditionalGeneration": ("text2text-generation", ""),
    "Model": ("feature-extraction", ""),
}
_WEIGHT_NAMES = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "model.safetensors.json",
    "tf_model.h5",
    "flax_model.msgpack",
    "openvino_model.xml",
    "model.onnx",
    "onnx/model.onnx",
)
_MAX_LABELS = 50_000


class HfDirectory:
    """Reads a transformers checkpoint."""

    def sniff(self, folder: Folder) -> Match | None:
        """config.json names a model type or architectures."""
        config = peek(folder, "config.json")
        if isinstance(config.get("model_type"), str) or isinstance(config.get("architectures"), list):
            return Match(0.9, "config.json with model_type")
        return None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read configs and weights."""
        reading.format, reading.framework = "hf-directory", "pytorch"
        describe(folder, reading)
        found = configs(folder, reading)
        config = plain.mapping(found.get("config.json"))
        read_transformer(folder, reading, config)
        reading.io_hints = io_hints(config, found, has_tokenizer(folder))


def has_tokenizer(folder: Folder, below: str = "") -> bool:
    """Whether tokenizer files are in the directory."""
    return any(role(path) == "tokenizer" for path in folder.entries if path.startswith(below))


def read_transformer(folder: Folder, reading: Reading, config: Mapping[str, Any], below: str = "") -> None:
    """Read the weights of a transformers model below a path, note remote code and pickles beside safetensors."""
    remote_code(config, folder, reading, f"{below}config.json")
    names = [below + name for name in _WEIGHT_NAMES]
    others = by_suffix(folder, ".safetensors", ".gguf", ".bin", below=below)
    loose = [path for path in others if role(path) == "weights" and path not in names]
    if not weights(folder, reading, (*names, *loose[:1])):
        raise Corrupt(
            f"{shown(folder.root)} has a config but no weights",
            hint="expected model.safetensors or pytorch_model.bin beside config.json",
        )
    used = {tensor.file for tensor in reading.tensors}
    for path in folder.entries:
        if role(path) == "weights" and path not in used:
            reading.not_scanned.append(f"{path}: not what a loader takes first")


def io_hints(config: Mapping[str, Any], found: Mapping[str, Any], is_text: bool, below: str = "") -> IoHints:
    """Return task, modality, labels and inputs that the configs declare."""
    architectures = config.get("architectures")
    name = plain.text(architectures[0], 200) if isinstance(architectures, list) and architectures else ""
    task, modality = next((pair for suffix, pair in TASKS.items() if name.endswith(suffix)), ("", ""))
    processor = plain.mapping(found.get(f"{below}preprocessor_config.json"))
    modality = modality or _modality(config, processor, is_text)
    return IoHints(
        inputs=_inputs(modality, config, processor, below),
        modality=modality,
        task=task,
        labels=labels(config),
        preprocess=_preprocess(processor, below),
    )


def labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class names in order; the library's placeholders LABEL_0 … are no names."""
    table = plain.mapping(config.get("id2label"))
    numbered = {int(key): plain.text(value) for key, value in table.items() if key.isdecimal() and len(key) < 9}
    if not numbered or len(numbered) > _MAX_LABELS or sorted(numbered) != list(range(len(numbered))):
        return ()
    names = tuple(numbered[n] for n in range(len(numbered)))
    return () if all(name == f"LABEL_{n}" for n, name in enumerate(names)) else names


def _modality(config: Mapping[str, Any], processor: Mapping[str, Any], is_text: bool) -> str:
    if "sampling_rate" in processor:
        return "audio"
    if is_text:
        return "text"
    if "image_processor_type" in processor or "image_mean" in processor or "image_size" in config:
        return "image"
    return "text" if "vocab_size" in config else ""


def _inputs(modality: str, config: Mapping[str, Any], processor: Mapping[str, Any], below: str) -> tuple[IoField, ...]:
    where = f"{below}config.json"
    if modality == "text":
        shape = ("batch", "sequence")
        names = ("input_ids", "attention_mask") if config.get("model_type") != "t5" else ("input_ids",)
        return tuple(IoField(name, shape, "int64", "declared", where) for name in names)
    if modality == "image":
        channels = config.get("num_channels", 3)
        height, width = _image_size(config, processor)
        one = (channels if isinstance(channels, int) else "channels", height, width)
        sizes: tuple[int | str, ...] = ("batch", *clip_frames(config), *one)
        source = f"{below}preprocessor_config.json" if processor else where
        return (IoField("pixel_values", sizes, "float32", "declared", source),)
    if modality == "audio":
        source = f"{below}preprocessor_config.json"
        if processor.get("feature_size", 1) == 1:
            return (IoField("input_values", ("batch", "samples"), "float32", "declared", source),)
        return (
            IoField("input_features", ("batch", processor["feature_size"], "frames"), "float32", "declared", source),
        )
    return ()


def _image_size(config: Mapping[str, Any], processor: Mapping[str, Any]) -> tuple[int | str, int | str]:
    for value in (processor.get("crop_size"), processor.get("size"), config.get("image_size")):
        if isinstance(value, int) and value > 0:
            return value, value
        if isinstance(value, list) and len(value) == 2 and all(isinstance(item, int) for item in value):
            return value[0], value[1]
        table = plain.mapping(value)
        edge = table.get("shortest_edge")
        height, width = table.get("height", edge), table.get("width", edge)
        if isinstance(height, int) and isinstance(width, int):
            return height, width
    return "height", "width"


def _preprocess(processor: Mapping[str, Any], below: str) -> dict[str, Any]:
    """Return the declared constants of image or audio preprocessing."""
    keep = {
        "image_mean": "mean",
        "image_std": "std",
        "size": "size",
        "crop_size": "crop_size",
        "resample": "resample",
        "rescale_factor": "rescale_factor",
        "do_normalize": "do_normalize",
        "do_center_crop": "do_center_crop",
        "sampling_rate": "sampling_rate",
    }
    made = {keep[key]: plain.bounded(value) for key, value in processor.items() if key in keep}
    return {**made, "status": "declared", "source": f"{below}preprocessor_config.json"} if made else {}
