"""sentence-transformers directories: modules.json lists a transformer, a pooling and more, each with its own config.

Source: sentence-transformers 5 (SentenceTransformer.save, models.Pooling).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import configs, describe, read_weights
from dnnbox.checkpoints.hf_directory import io_hints, read_transformer
from dnnbox.checkpoints.opening import Folder
from dnnbox.errors import DnnboxError
from dnnbox.records.inspection import IoField, IoHints

_OWN = "sentence_transformers."


class SentenceTransformers:
    """Reads the transformer's configs and weights, the pooling and the small modules behind it."""

    def sniff(self, folder: Folder) -> Match | None:
        """modules.json is a list of modules with path and type."""
        if not folder.has("modules.json"):
            return None
        modules = _modules(folder)
        return Match(1.0, "modules.json") if modules else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read every module."""
        reading.format, reading.framework = "sentence-transformers", "pytorch"
        describe(folder, reading)
        found = configs(folder, reading)
        modules = _modules(folder)
        reading.metadata["modules"] = [{"path": path, "type": kind} for path, kind in modules]
        for path, kind in modules:
            below = f"{path}/" if path else ""
            _module(folder, reading, kind, below, plain.mapping(found.get(f"{below}config.json")))
        reading.io_hints = _hints(modules, found)


def _modules(folder: Folder) -> list[tuple[str, str]]:
    """Return (path, class) of the modules in order; empty where the file is not such a list."""
    from dnnbox.checkpoints.folders import config

    try:
        listed = config(folder, "modules.json")
    except DnnboxError:
        return []
    items = plain.mappings(listed)
    return [(plain.text(i.get("path"), 300), plain.text(i.get("type"), 300)) for i in items[:100] if i.get("type")]


def _module(folder: Folder, reading: Reading, kind: str, below: str, config: Mapping[str, Any]) -> None:
    if not kind.startswith(_OWN):
        reading.worsen("needs-code")
        reading.needs_code.append(kind)
        reading.find("warning", "remote-code", "modules.json", f"a module of the class {kind[:120]}")
    if kind.endswith(".Transformer"):
        read_transformer(folder, reading, config, below)
        return
    for name in ("model.safetensors", "pytorch_model.bin"):
        if below and folder.has(below + name):
            read_weights(folder, below + name, reading, prefix=below.replace("/", "."))
            return


def _hints(modules: list[tuple[str, str]], found: Mapping[str, Any]) -> IoHints:
    first = f"{modules[0][0]}/" if modules[0][0] else ""
    base = io_hints(plain.mapping(found.get(f"{first}config.json")), found, True, first)
    size, where = _embedding_size(modules, found)
    shape: tuple[int | str, ...] = ("batch", size or "embedding")
    output = IoField("sentence_embedding", shape, "float32", "declared", where)
    return IoHints(inputs=base.inputs, outputs=(output,), modality="text", task="feature-extraction")


def _embedding_size(modules: list[tuple[str, str]], found: Mapping[str, Any]) -> tuple[int, str]:
    """Return the width of the embedding: of the last Dense, else of the pooling."""
    for key in ("out_features", "word_embedding_dimension", "embedding_dimension"):
        for path, _ in reversed(modules):
            where = f"{path}/config.json" if path else "config.json"
            value = plain.mapping(found.get(where)).get(key)
            if isinstance(value, int) and value > 0:
                return value, where
    return 0, "modules.json"
