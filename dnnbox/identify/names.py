"""What a checkpoint is called: training arguments inside it, and the names of file and folder.

Names settle which of several architectures with the same weights it is; alone they are the weakest signal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from dnnbox.identify.index import Index

_NAME_KEYS = ("arch", "architecture", "model", "model_name", "model_arch", "model_type", "backbone", "backbone_name",
              "encoder", "encoder_name", "net", "network", "timm_model", "base_model")  # fmt: skip
_INSIDE = (
    "args",
    "hyper_parameters",
    "hparams",
    "config",
    "cfg",
    "opt",
    "train_args",
    "meta",
    "model_args",
    "checkpoint",
)
_LONGEST = 200


class NameHint(NamedTuple):
    """Some text that may contain an architecture's name, where it stands, and how much it weighs."""

    text: str
    source: str
    weight: float


def hints(metadata: Mapping[str, Any], path: str) -> list[NameHint]:
    """Return the hints, strongest first: the file's own arguments, then the file's name, then the folder's."""
    found = list(_inside(metadata, "", 0))
    pure = PurePath(path)
    found.append(NameHint(pure.name, "file name", 0.3))
    if pure.parent.name and pure.parent.name not in ("checkpoints", "weights", "models", "tmp"):
        found.append(NameHint(pure.parent.name, "folder name", 0.15))
    return found


def _inside(values: Mapping[str, Any], where: str, level: int) -> Iterator[NameHint]:
    for key in _NAME_KEYS:
        value = values.get(key)
        if isinstance(value, str) and 2 <= len(value) <= _LONGEST:
            yield NameHint(value, f"{where}{key}", 0.9)
    for key, value in list(values.items())[:500]:
        if isinstance(value, Mapping) and level < 3 and (str(key) in _INSIDE or str(key).endswith(".json")):
            yield from _inside(value, f"{where}{key}.", level + 1)


def normal(text: str) -> str:
    """Return text in the form of architecture names: lower case, underscores."""
    lowered = text.lower()
    if lowered.isascii() and "__" not in lowered and lowered.replace("_", "").isalnum():
        return lowered.strip("_")  # nearly all names are in this form, and there are thousands of them
    return re.sub(r"[^a-z0-9]+", "_", lowered).strip("_")


def length_in(name: str, text: str) -> int:
    """Return the length of the architecture's name if it stands in the text as whole words, else 0."""
    wanted = normal(name)
    return len(wanted) if wanted and f"_{wanted}_" in f"_{normal(text)}_" else 0


def settle(names: list[str], found: list[NameHint]) -> tuple[int, NameHint] | None:
    """Return (position in ``names``, the hint) where one hint names exactly one of them best, else None."""
    for hint in found:
        lengths = [length_in(name, hint.text) for name in names]
        best = max(lengths, default=0)
        if best and lengths.count(best) == 1:
            return lengths.index(best), hint
    return None


def named_in_index(index: Index, hint: NameHint) -> tuple[str, str] | None:
    """Return (library, architecture) of the longest architecture name that stands in the text, if one does."""
    words = normal(hint.text).split("_")[:24]
    spans = {"_".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
    known = [span for span in spans if len(span) >= 5 and span in index.by_flat_name]
    return index.by_flat_name[max(known, key=lambda span: (len(span), span))] if known else None
