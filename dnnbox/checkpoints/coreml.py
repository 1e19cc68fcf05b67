"""Core ML: a .mlmodel's description, alone or inside an .mlpackage. The weights are passed over.

Source: coremltools 9.0 mlmodel/format/Model.proto and FeatureTypes.proto.
"""

from __future__ import annotations

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import config, describe
from dnnbox.checkpoints.opening import Bytes, Folder, shown
from dnnbox.checkpoints.protobuf import Budget, Field, Message, document, signed
from dnnbox.errors import Corrupt, DnnboxError
from dnnbox.records.inspection import IoField, IoHints

_KINDS = {
    200: "pipeline classifier", 201: "pipeline regressor", 202: "pipeline", 300: "linear regressor",
    301: "support vector regressor", 302: "tree ensemble regressor", 303: "neural network regressor",
    400: "linear classifier", 401: "support vector classifier", 402: "tree ensemble classifier",
    403: "neural network classifier", 500: "neural network", 502: "ML program", 555: "custom model",
    556: "linked model",
}  # fmt: skip
_ARRAYS = {65552: "float16", 65568: "float32", 65600: "float64", 131080: "int8", 131104: "int32"}
_SCALARS = {1: "int64", 2: "float64", 3: "string"}
_TEXTS = {1: "description", 2: "version", 3: "author", 4: "licence"}
_IMAGE, _ARRAY = 4, 5
_MAX_FIELDS = 200


class CoreMl:
    """Reads a lone .mlmodel: kind, inputs, outputs and what the author says; the layers are passed over."""

    def sniff(self, data: Bytes) -> Match | None:
        """A protobuf of a version, a description and one kind of model."""
        if data.head[:1] != b"\x08":
            return None
        try:
            numbers = [field.number for field in Message(data, 0, data.size, Budget(_MAX_FIELDS)).fields()]
        except DnnboxError:
            return None
        is_model = numbers[:1] == [1] and 2 in numbers and any(200 <= number <= 3000 for number in numbers)
        return Match(0.75, "a Core ML model's fields") if is_model else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the description."""
        reading.format, reading.framework = "coreml", "coreml"
        _model(data, reading)


class CoreMlPackage:
    """Reads an .mlpackage: Manifest.json names the model's file."""

    def sniff(self, folder: Folder) -> Match | None:
        """Manifest.json."""
        return Match(0.65, "Manifest.json") if folder.has("Manifest.json") else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read the description of the root model."""
        reading.format, reading.framework = "coreml-package", "coreml"
        describe(folder, reading)
        manifest = plain.mapping(config(folder, "Manifest.json"))
        entries = plain.mapping(manifest.get("itemInfoEntries"))
        root = plain.mapping(entries.get(plain.text(manifest.get("rootModelIdentifier"))))
        path = f"Data/{plain.text(root.get('path'), 1000)}"
        reading.scanned.append("Manifest.json")
        if not folder.has(path):
            raise Corrupt(f"{shown(folder.root)}: Manifest.json names no model that is there")
        with folder.open(path) as data:
            _model(data, reading)


def _model(data: Bytes, reading: Reading) -> None:
    whole = document(data)
    for field in whole.fields():
        if field.number == 1 and not field.is_bytes:
            reading.metadata["specification_version"] = field.value
        elif field.number == 2 and field.is_bytes:
            _description(whole.message(field), reading)
        elif field.number >= 200:
            reading.metadata["kind"] = _KINDS.get(field.number, f"kind {field.number}")
            if field.number == 555:
                reading.worsen("needs-code")
                reading.find("warning", "custom-model", "", "a custom model calls a class of the application")
    reading.scanned.append("description")
    reading.not_scanned.append("layers and weights: only the description was read")


def _description(message: Message, reading: Reading) -> None:
    inputs: list[IoField] = []
    outputs: list[IoField] = []
    for field in message.fields():
        if field.number in (1, 10) and field.is_bytes and len(inputs) + len(outputs) < _MAX_FIELDS:
            (inputs if field.number == 1 else outputs).append(_feature(message.message(field)))
        elif field.number == 100 and field.is_bytes:
            about = message.message(field)
            for part in about.fields():
                if part.number in _TEXTS and part.is_bytes:
                    reading.metadata[_TEXTS[part.number]] = about.text(part, 2000)
    is_image = any(found.dtype == "image" for found in inputs)
    reading.io_hints = IoHints(tuple(inputs), tuple(outputs), modality="image" if is_image else "")


def _feature(message: Message) -> IoField:
    name, dtype = "", ""
    shape: tuple[int, ...] | None = None
    for field in message.fields():
        if field.number == 1:
            name = message.text(field, 200)
        elif field.number == 3 and field.is_bytes:
            kinds = message.message(field)
            for kind in kinds.fields():
                if kind.number in _SCALARS:
                    dtype, shape = _SCALARS[kind.number], ()
                elif kind.number in (_IMAGE, _ARRAY) and kind.is_bytes:
                    dtype, shape = _tensor(kinds, kind)
    return IoField(name, shape, dtype, "observed", "description")


def _tensor(kinds: Message, kind: Field) -> tuple[str, tuple[int, ...]]:
    body = kinds.message(kind)
    fields = list(body.fields())
    if kind.number == _IMAGE:
        sizes = {field.number: field.value for field in fields if not field.is_bytes}
        return "image", (sizes.get(2, 0), sizes.get(1, 0))
    shape = tuple(signed(number) for field in fields if field.number == 1 for number in body.numbers(field, 64))
    dtype = next((field.value for field in fields if field.number == 2 and not field.is_bytes), 0)
    return _ARRAYS.get(dtype, f"type {dtype}"), shape
