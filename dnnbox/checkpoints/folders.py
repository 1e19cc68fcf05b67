"""What readers of directories share: the roles of files, their configs, and the weights read by the file readers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Reading
from dnnbox.checkpoints.opening import Folder, shown
from dnnbox.errors import Corrupt, DnnboxError
from dnnbox.records.inspection import FileRole
from dnnbox.text import visible

Role = Literal["weights", "config", "tokenizer", "code", "document", "other"]

MAX_CONFIG_BYTES = 4 << 20
_WEIGHTS = frozenset((
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".msgpack", ".gguf", ".tflite", ".pb",
    ".npz", ".pdparams", ".pdiparams", ".pt2", ".ot", ".data", ".nemo", ".ptl", ".pte", ".engine", ".plan", ".mlmodel",
    ".litertlm", ".mnn", ".rknn", ".weights", ".caffemodel", ".distcp", ".jit", ".task",
))  # fmt: skip
_TOKENIZER_NAMES = frozenset((
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "chat_template.json",
    "chat_template.jinja", "tokenizer.jinja", "sentencepiece.model", "bpe.codes", "dict.txt",
))  # fmt: skip
_SMALL_CONFIGS = frozenset((
    "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "tokenizer_config.json", "special_tokens_map.json", "modules.json", "config_sentence_transformers.json",
    "sentence_bert_config.json", "model_index.json", "adapter_config.json", "open_clip_config.json",
    "image_processor.json", "video_preprocessor_config.json", "feature_extractor.json", "scheduler_config.json",
    "quantize_config.json", "quantization_config.json",
))  # fmt: skip
_FRONT = re.compile(r"^([A-Za-z_]+):[ \t]*(.*)$")


def role(path: str) -> Role:
    """Return what a file of a checkpoint directory is for, from its name."""
    file = PurePosixPath(path.lower())
    if file.name in _TOKENIZER_NAMES:
        return "tokenizer"
    if file.suffix in _WEIGHTS and not file.name.startswith(("training_args", "optimizer", "scheduler", "rng_state")):
        return "weights"
    if file.suffix in (".json", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".config", ".xml", ".pbtxt"):
        return "config"
    if file.suffix in (".py", ".ipynb", ".sh", ".so", ".cpp", ".cu", ".jinja"):
        return "code"
    return "document" if file.suffix in (".md", ".txt", ".rst", ".pdf") or file.name == "license" else "other"


def describe(folder: Folder, reading: Reading) -> None:
    """Note every file's role and what is odd about the directory."""
    for entry in folder.entries.values():
        reading.files.append(FileRole(entry.path, role(entry.path), entry.size))
        if entry.outside:
            text = "a link that leads out of the directory, or to nothing; it was not followed"
            reading.find("warning", "link-outside", entry.path, text)
    if folder.truncated:
        reading.not_scanned.append(f"more than {folder.MAX_FILES} files")


def configs(folder: Folder, reading: Reading, below: str = "") -> dict[str, Any]:
    """Return the small JSON configs by path, and keep bounded copies as metadata. A broken one is a finding."""
    found: dict[str, Any] = {}
    for path, entry in folder.entries.items():
        name = PurePosixPath(path).name
        if name not in _SMALL_CONFIGS or not path.startswith(below) or entry.outside or path.count("/") > 2:
            continue
        try:
            found[path] = config(folder, path)
        except DnnboxError as error:
            reading.find("warning", "config-broken", path, error.what)
            continue
        reading.metadata[path] = plain.bounded(found[path])
        reading.scanned.append(path)
    card = _card(folder)
    if card:
        reading.metadata["README.md"] = card
    return found


def config(folder: Folder, path: str) -> Any:
    """Return one JSON file of the directory."""
    with folder.open(path) as data:
        if data.size > MAX_CONFIG_BYTES:
            raise Corrupt(f"{visible(path, 120)} has {data.size} bytes, too much for a config")
        return plain.loads(data.read(0, data.size), visible(path, 120))


def peek(folder: Folder, path: str) -> Mapping[str, Any]:
    """Return a JSON object of the directory for recognition; an empty one where it is missing or broken."""
    try:
        return plain.mapping(config(folder, path)) if folder.has(path) else {}
    except DnnboxError:
        return {}


def _card(folder: Folder) -> dict[str, str]:
    """Return the simple fields of a model card's front matter: licence, pipeline_tag, base_model …"""
    if not folder.has("README.md"):
        return {}
    with folder.open("README.md") as data:
        lines = data.up_to(0, 16_384).decode("utf-8", "replace").splitlines()
    fields: dict[str, str] = {}
    if lines[:1] != ["---"]:
        return {}
    for line in lines[1:200]:
        if line.strip() == "---":
            break
        if (found := _FRONT.match(line)) and found[2]:
            fields[found[1][:100]] = found[2].strip().strip("\"'")[:500]
    return fields


def remote_code(config: Mapping[str, Any], folder: Folder, reading: Reading, where: str = "config.json") -> None:
    """Note the Python of the directory that a loader would import (``auto_map``)."""
    targets: list[str] = []
    for value in plain.mapping(config.get("auto_map")).values():
        targets.extend(item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
    for target in dict.fromkeys(targets):
        if target[:200] not in reading.needs_code:
            reading.needs_code.append(target[:200])
    if targets:
        reading.worsen("needs-code")
        files = [path for path in folder.entries if path.endswith(".py")]
        text = f"auto_map names code of the checkpoint: {visible(', '.join(files) or ', '.join(targets), 160)}"
        reading.find("warning", "remote-code", where, text)


def weights(folder: Folder, reading: Reading, candidates: Sequence[str]) -> bool:
    """Read the first of ``candidates`` that is there: a weights file or an ``*.index.json`` of shards."""
    for path in candidates:
        if folder.has(path):
            read_index(folder, path, reading) if path.endswith(".index.json") else read_weights(folder, path, reading)
            return True
    return False


def read_weights(folder: Folder, path: str, reading: Reading, prefix: str = "") -> None:
    """Read one weights file; its tensors are listed with the file's path, the names after ``prefix``."""
    from dnnbox.checkpoints import read_file

    with folder.open(path) as data:
        if data.size == 0:
            raise Corrupt(f"{visible(path, 120)} in {shown(folder.root)} is empty")
        part = read_file(data)
    reading.absorb(part, path)
    for tensor in part.tensors:
        storage = (path, tensor.tied_to or tensor.name)
        reading.add_tensor(
            prefix + tensor.name, tensor.dtype, tensor.shape, file=path, storage=storage, crc32=tensor.crc32
        )
    if part.metadata:
        reading.metadata.setdefault("weights", {})[path] = part.metadata
    if part.entry:
        reading.entry = part.entry


def read_index(folder: Folder, path: str, reading: Reading) -> None:
    """Read a sharded checkpoint; every tensor that the index names must be in the shard that it names."""
    mapping = plain.mapping(plain.mapping(config(folder, path)).get("weight_map"))
    reading.scanned.append(path)
    if not mapping or not all(isinstance(value, str) for value in mapping.values()):
        raise Corrupt(f"{visible(path, 120)} has no weight_map of file names")
    parent = path.rpartition("/")[0]
    for shard in dict.fromkeys(mapping.values()):
        where = f"{parent}/{shard}" if parent else shard
        if not folder.has(where):
            raise Corrupt(f"{shown(folder.root)} lacks the shard {visible(where, 120)}", hint="copy all files again")
        read_weights(folder, where, reading)
    missing = set(mapping) - {tensor.name for tensor in reading.tensors}
    if missing:
        raise Corrupt(f"{len(missing)} tensors of {visible(path, 120)} are in no shard: {visible(min(missing), 100)}")


def by_suffix(folder: Folder, *suffixes: str, below: str = "") -> list[str]:
    """Return the top-level files (under ``below``) with one of the suffixes, sorted."""
    return [
        path
        for path in folder.entries
        if path.startswith(below) and "/" not in path[len(below) :] and path.lower().endswith(suffixes)
    ]
