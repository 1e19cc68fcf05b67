"""Directories of libraries with a config of their own: timm, open_clip, PEFT adapters, diffusers pipelines.

Source: timm 1.0 hub config, open_clip's open_clip_config.json, PEFT's adapter_config.json, diffusers' model_index.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import by_suffix, configs, describe, peek, read_weights, role, weights
from dnnbox.checkpoints.opening import Folder, shown
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints

_PREPROCESS = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode", "fixed_input_size")


class TimmDirectory:
    """Reads a timm model as on the Hugging Face hub: config.json with ``architecture``."""

    def sniff(self, folder: Folder) -> Match | None:
        """config.json names an architecture and no transformers model type."""
        config = peek(folder, "config.json")
        named = isinstance(config.get("architecture"), str) and "model_type" not in config
        return Match(0.95, "config.json with architecture") if named else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read the config, the preprocessing and the weights."""
        reading.format, reading.framework = "timm-directory", "pytorch"
        describe(folder, reading)
        config = plain.mapping(configs(folder, reading).get("config.json"))
        _weights(folder, reading, ("model.safetensors", "pytorch_model.bin"))
        published = plain.mapping(config.get("pretrained_cfg")) or config
        reading.io_hints = _image_hints(published, config)


def _image_hints(published: Mapping[str, Any], config: Mapping[str, Any]) -> IoHints:
    size = published.get("input_size")
    known = isinstance(size, list) and len(size) == 3 and all(isinstance(item, int) for item in size)
    shape: tuple[int | str, ...] = (
        ("batch", *size) if known and isinstance(size, list) else ("batch", 3, "height", "width")
    )
    names = config.get("label_names")
    classes = config.get("num_classes")
    preprocess = {key: plain.bounded(published[key]) for key in _PREPROCESS if key in published}
    return IoHints(
        inputs=(IoField("x", shape, "float32", "declared", "config.json"),),
        modality="image",
        task="feature-extraction" if classes == 0 else "image-classification",
        labels=tuple(plain.text(name) for name in names[:50_000]) if isinstance(names, list) else (),
        preprocess={**preprocess, "status": "declared", "source": "config.json"} if preprocess else {},
    )


class OpenClipDirectory:
    """Reads an open_clip model: two towers, image and text."""

    def sniff(self, folder: Folder) -> Match | None:
        """open_clip_config.json."""
        return Match(0.96, "open_clip_config.json") if folder.has("open_clip_config.json") else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read the configs and the weights."""
        reading.format, reading.framework = "open-clip-directory", "pytorch"
        describe(folder, reading)
        config = plain.mapping(configs(folder, reading).get("open_clip_config.json"))
        names = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
        _weights(folder, reading, names)
        size = plain.mapping(plain.mapping(config.get("model_cfg")).get("vision_cfg")).get("image_size")
        edge: int | str = size if isinstance(size, int) else "size"
        length = plain.mapping(plain.mapping(config.get("model_cfg")).get("text_cfg")).get("context_length")
        where = "open_clip_config.json"
        image = IoField("image", ("batch", 3, edge, edge), "float32", "declared", where)
        text = IoField("text", ("batch", length if isinstance(length, int) else 77), "int64", "declared", where)
        reading.io_hints = IoHints(inputs=(image, text), modality="image", task="zero-shot-image-classification")


class PeftDirectory:
    """Reads a PEFT adapter; it needs its base model, which is not in the directory."""

    def sniff(self, folder: Folder) -> Match | None:
        """adapter_config.json."""
        return Match(0.97, "adapter_config.json") if folder.has("adapter_config.json") else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read the config and the adapter's weights."""
        reading.format, reading.framework = "peft-adapter", "pytorch"
        describe(folder, reading)
        config = plain.mapping(configs(folder, reading).get("adapter_config.json"))
        _weights(folder, reading, ("adapter_model.safetensors", "adapter_model.bin"))
        base = plain.text(config.get("base_model_name_or_path"), 300)
        text = f"an adapter for the base model {base or 'that the config does not name'}; it cannot run alone"
        reading.find("warning", "needs-base-model", "adapter_config.json", text)


class DiffusersDirectory:
    """Reads a diffusers pipeline: model_index.json names components, each in a directory of its own."""

    def sniff(self, folder: Folder) -> Match | None:
        """model_index.json with a pipeline class."""
        index = peek(folder, "model_index.json")
        return Match(1.0, "model_index.json") if isinstance(index.get("_class_name"), (str, list)) else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read every component's weights, its name before the tensors'."""
        reading.format, reading.framework = "diffusers", "pytorch"
        describe(folder, reading)
        index = plain.mapping(configs(folder, reading).get("model_index.json"))
        components: dict[str, str] = {}
        for name, about in index.items():
            if isinstance(about, list) and len(about) == 2 and all(isinstance(item, str) for item in about):
                components[name] = ".".join(about)
                _component(folder, name, reading)
        reading.metadata["components"] = components
        for name, path in components.items():
            if path.partition(".")[0] not in ("diffusers", "transformers", "stable_diffusion", "onnxruntime"):
                reading.worsen("needs-code")
                reading.needs_code.append(path)
                reading.find("warning", "remote-code", "model_index.json", f"the component {name} is of {path[:120]}")
        if not reading.tensors:
            raise Corrupt(f"{shown(folder.root)} is a diffusers pipeline without weights")


def _component(folder: Folder, name: str, reading: Reading) -> None:
    files = by_suffix(folder, ".safetensors", ".bin", ".onnx", below=f"{name}/")
    for path in _one_variant([path for path in files if role(path) == "weights"]):
        read_weights(folder, path, reading, prefix=f"{name}.")


def _one_variant(paths: list[str]) -> list[str]:
    """Return the files of one variant: safetensors before pickles, full precision before fp16, shards together."""
    for suffix in (".safetensors", ".bin", ".onnx"):
        group = [path for path in paths if path.endswith(suffix)]
        whole = [path for path in group if "." not in path.rpartition("/")[2].removesuffix(suffix)]
        if whole or group:
            return whole or group[:1]
    return []


def _weights(folder: Folder, reading: Reading, names: tuple[str, ...]) -> None:
    others = [path for path in by_suffix(folder, ".safetensors", ".bin", ".pth", ".pt") if role(path) == "weights"]
    if not weights(folder, reading, (*names, *others[:1])):
        raise Corrupt(f"{shown(folder.root)} has a config but no weights", hint=f"expected {names[0]}")
