"""Keras: .h5 files (weights, and the model's configuration as an attribute) and version 3's zip around one.

Source: keras 3.15 saving/saving_lib.py and legacy/saving/legacy_h5_format.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dnnbox.checkpoints import hdf5, plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_ROOT_TEXTS = ("keras_version", "backend", "layer_names", "weight_names")
_DOCUMENTS = ("model_config", "training_config")
_MAX_LAYERS = 100_000


class Hdf5:
    """Reads HDF5: groups, arrays' types and shapes; of Keras the configuration too, inputs and layers with code."""

    def sniff(self, data: Bytes) -> Match | None:
        """The magic."""
        return Match(1.0, "HDF5 signature") if data.head.startswith(hdf5.MAGIC) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """List the datasets; read Keras's configuration and find layers that carry code."""
        reading.format, reading.framework = "hdf5", "hdf5"
        file = hdf5.File(data)
        texts = file.attributes(file.node(file.root))
        arrays(file, reading)
        names = [tensor.name for tensor in reading.tensors]
        if texts.keys() & set(_ROOT_TEXTS + _DOCUMENTS) or any("/vars/" in f"/{name}" for name in names):
            reading.format, reading.framework = "keras-h5", "keras"
        if texts.get("CLASS") == "hickle":
            reading.format, reading.framework = "hickle", "python"
        for name in _ROOT_TEXTS:
            if name in texts:
                reading.metadata[name] = plain.bounded(texts[name])
        for name in _DOCUMENTS:
            if isinstance(document := texts.get(name), str):
                found = plain.loads(document.encode(), name)
                reading.metadata[name] = plain.bounded(found)
                reading.scanned.append(name)
                if name == "model_config":
                    configuration(found, reading, name)


def arrays(file: hdf5.File, reading: Reading, prefix: str = "") -> None:
    """Report every dataset; hard links to one dataset are ties."""
    for found in file.datasets():
        reading.add_tensor(f"{prefix}{found.path}", found.kind.dtype, found.shape, storage=found.address, view=0)
        if found.external:
            text = "the array's numbers are in another file, which the file names itself"
            reading.find("warning", "external-data", visible(found.path, 120), text)
    for note in dict.fromkeys(file.notes[:20]):
        reading.not_scanned.append(note)
        if "external link" in note:
            reading.find("warning", "external-link", "", f"{note} leads to another file; it was not followed")
    reading.scanned.append(f"{prefix}groups, types and shapes")


class KerasZip:
    """Reads Keras 3's .keras: a zip with config.json, metadata.json and model.weights.h5."""

    def sniff(self, data: Bytes) -> Match | None:
        """`config.json` and `metadata.json` among the members."""
        names = data.archive.members
        is_keras = {"config.json", "metadata.json"} <= names.keys()
        return Match(1.0, "config.json and metadata.json") if is_keras else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the configuration and, in place, the weights; find layers that carry code."""
        reading.format, reading.framework = "keras-v3", "keras"
        archive = data.archive
        for name, limit in (("config.json", plain.MAX_DOCUMENT_BYTES), ("metadata.json", 1 << 20)):
            found = plain.loads(archive.read(name, limit), name)
            reading.metadata[name] = plain.bounded(found)
            reading.scanned.append(name)
            if name == "config.json":
                configuration(found, reading, name)
        for name in archive.members:
            if name.endswith(".h5"):
                arrays(hdf5.File(archive.open(name)), reading)
            elif name.startswith("assets/") or name.endswith(".npz"):
                reading.not_scanned.append(visible(name, 120))
        if "model.weights.h5" not in archive.members:
            raise Corrupt("the .keras archive has no model.weights.h5", hint="copy the file again")


def configuration(config: Any, reading: Reading, where: str) -> None:
    """Judge a model's configuration and take what it says of inputs and outputs."""
    reading.worsen("data-only")  # the format can hold code: what was looked for is Lambda layers and own classes
    inputs: list[IoField] = []
    custom: list[str] = []
    for kind, layer in _layers(config):
        settings = plain.mapping(layer.get("config"))
        name = plain.text(settings.get("name") or layer.get("name"), 200)
        if kind in ("Lambda", "__lambda__"):
            if kind == "__lambda__" and reading.verdict == "dangerous":
                continue  # the code of the layer that was just named
            reading.worsen("dangerous")
            reading.find("danger", "lambda-layer", where, f"the Lambda layer {visible(name, 80)} holds Python code")
        elif kind == "InputLayer":
            shape = settings.get("batch_shape", settings.get("batch_input_shape"))
            inputs.append(IoField(name, _shape(name, shape) or None, _dtype(settings), "declared", where))
        elif plain.text(layer.get("registered_name")) and layer.get("module", "") in (None, ""):
            custom.append(plain.text(layer.get("registered_name"), 200))
        elif (module := plain.text(layer.get("module"), 200)) and module.partition(".")[0] not in ("keras", "builtins"):
            custom.append(f"{module}.{kind}")
    for name in dict.fromkeys(custom):
        reading.worsen("needs-code")
        if name not in reading.needs_code:
            reading.needs_code.append(name)
    first = _input_of(config)
    reading.io_hints = IoHints(inputs=tuple(inputs[:100]) or first, outputs=_outputs(config, where))
    if isinstance(config, Mapping) and "class_name" in config:
        reading.metadata["top_class"] = plain.text(config["class_name"], 200)


def _layers(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object of the configuration with a class_name, however deep."""
    waiting, count = [value], 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, Mapping):
            waiting.extend(reversed(list(item.values())))
            if isinstance(kind := item.get("class_name"), str):
                yield kind, item
        count += 1
        if count > _MAX_LAYERS * 100:
            raise Corrupt("a Keras configuration of more than 10 million values")


def _shape(name: str, value: Any) -> tuple[int | str, ...]:
    if not isinstance(value, list) or len(value) > 32:
        return ()
    named = [
        item if type(item) is int else "batch" if axis == 0 else f"{name}_{axis}" for axis, item in enumerate(value)
    ]
    return tuple(named)


def _dtype(settings: Mapping[str, Any]) -> str:
    found = settings.get("dtype")
    if isinstance(found, Mapping):
        found = plain.mapping(found.get("config")).get("name")
    return plain.text(found, 40)


def _input_of(config: Any) -> tuple[IoField, ...]:
    """Return the input of a Sequential model that only states what it was built for."""
    built = plain.mapping(plain.mapping(config).get("build_config")).get("input_shape")
    shape = _shape("input", built)
    return (IoField("input", shape, "", "declared", "build_config"),) if shape else ()


def _outputs(config: Any, where: str) -> tuple[IoField, ...]:
    """Return the names of a functional model's output layers: a triple, or a list of triples."""
    found = plain.mapping(plain.mapping(config).get("config")).get("output_layers")
    if not isinstance(found, list):
        return ()
    triples = [found] if found and isinstance(found[0], str) else found
    names = [item[0] for item in triples[:100] if isinstance(item, list) and item and isinstance(item[0], str)]
    return tuple(IoField(name[:200], status="declared", source=where) for name in names)
