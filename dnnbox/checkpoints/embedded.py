"""Task, class names and licence that exporters and trainers leave in a file's own metadata, where no config says them.

Source: ultralytics' exporter and trainer, mmengine's dataset_meta, mmcv's CLASSES, timm's label_names, GGUF's general.
and safetensors' modelspec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Reading

TASKS = {
    "detect": ("object-detection", "image"),
    "segment": ("image-segmentation", "image"),
    "classify": ("image-classification", "image"),
    "pose": ("pose-estimation", "image"),
    "obb": ("oriented-object-detection", "image"),
    "semantic": ("image-segmentation", "image"),
}
_NAMES = (
    "names",
    "label_names",
    "class_names",
    "classes",
    "CLASSES",
    "categories",
    "labels",
    "id2label",
    "idx_to_class",
)
_PLACES = frozenset((
    "metadata_props", "extra", "meta", "dataset_meta", "hyper_parameters", "attributes", "model", "ema", "args",
    "README.md", "config.json",
))  # fmt: skip
_LICENCES = ("license", "licence", "modelspec.license", "general.license", "license_name")
_PAIR = re.compile(r"(\d{1,6}): (?:'((?:[^'\\]|\\.){0,500})'|\"((?:[^\"\\]|\\.){0,500})\")")
_MAX_LABELS = 50_000


def complete(reading: Reading) -> None:
    """Add task, modality, labels and licence from the metadata where the reader found none."""
    places = _places(reading.metadata)
    reading.licence = reading.licence or _licence(places)
    hints = reading.io_hints
    task = next((found for place in places if (found := plain.text(place.get("task"), 60)) in TASKS), "")
    if task and not hints.task:
        hints = replace(hints, task=TASKS[task][0], modality=hints.modality or TASKS[task][1])
    if not hints.labels:
        hints = replace(hints, labels=_labels(places))
    reading.io_hints = hints


def _places(metadata: Mapping[str, Any], depth: int = 0) -> list[Mapping[str, Any]]:
    found = [metadata]
    for name, value in metadata.items():
        if isinstance(value, Mapping) and depth < 3 and (name in _PLACES or name.endswith((".txt", "train_args"))):
            found.extend(_places(value, depth + 1))
    return found


def _licence(places: list[Mapping[str, Any]]) -> str:
    found = (plain.text(place.get(name), 100).strip() for place in places for name in _LICENCES)
    return next((text for text in found if text and "\n" not in text), "")


def _labels(places: list[Mapping[str, Any]]) -> tuple[str, ...]:
    for place in places:
        for name in _NAMES:
            if labels := _read(place.get(name)):
                return labels
    return ()


def _read(value: object) -> tuple[str, ...]:
    """Return class names in order from a list, a numbered table, or the text of a numbered table."""
    if isinstance(value, str):
        value = {number: single or double for number, single, double in _PAIR.findall(value[:1_000_000])}
    if isinstance(value, Mapping):
        numbered = {int(key): item for key, item in value.items() if str(key).isdecimal() and isinstance(item, str)}
        complete_table = len(numbered) == len(value) and sorted(numbered) == list(range(len(numbered)))
        value = [numbered[n] for n in range(len(numbered))] if complete_table else []
    if not isinstance(value, list) or not 2 <= len(value) <= _MAX_LABELS:
        return ()
    return tuple(item[:500] for item in value) if all(isinstance(item, str) for item in value) else ()
