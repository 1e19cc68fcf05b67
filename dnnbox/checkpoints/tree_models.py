"""Boosted trees: XGBoost's JSON and UBJSON, and LightGBM's text. Trees have no tensors; what counts is said.

Source: XGBoost doc/model.schema (3.2); LightGBM src/boosting/gbdt_model_text.cpp (4.6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.checkpoints.ubjson import Parser
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints

_XGBOOST = re.compile(rb'\A\{\s*"(learner|version)"\s*:\s*[\{\[]')
_UBJSON = b"{L\x00\x00\x00\x00\x00\x00\x00"
_KEPT = re.compile(r"^(num_class|num_tree_per_iteration|label_index|max_feature_idx|objective|feature_names)=(.*)$")
_HEADER_BYTES = 1 << 20
_MAX_NAMES = 1_000


class XgBoost:
    """Reads XGBoost's JSON and UBJSON: objective, numbers of features, classes and trees."""

    def sniff(self, data: Bytes) -> Match | None:
        """JSON whose first key is `learner` or `version`, with a booster in it; UBJSON of the same."""
        if data.head.startswith(_UBJSON) and b"learner" in data.head[:20]:
            return Match(0.95, "a learner in UBJSON")
        is_model = _XGBOOST.match(data.head) and (b'"learner"' in data.head or b'"learner_' in data.head)
        return Match(0.8, "a learner") if is_model else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read what the learner says of itself; of a file that is too large for that, only the name."""
        is_binary = data.head.startswith(_UBJSON)
        reading.format, reading.framework = "xgboost-ubj" if is_binary else "xgboost", "xgboost"
        if data.size > plain.MAX_DOCUMENT_BYTES:
            reading.not_scanned.append(f"{data.size} bytes of JSON: at most {plain.MAX_DOCUMENT_BYTES} are read")
            return
        found = Parser(data).read() if is_binary else plain.loads(data.read(0, data.size), shown(data.path))
        document = plain.mapping(found)
        learner = plain.mapping(document.get("learner"))
        if not learner:
            raise Corrupt(f"{shown(data.path)}: the JSON of XGBoost has no learner")
        settings = plain.mapping(learner.get("learner_model_param"))
        booster = plain.mapping(learner.get("gradient_booster"))
        trees = plain.mapping(booster.get("model")).get("trees")
        version = document.get("version")
        reading.metadata.update(
            version=".".join(str(part)[:20] for part in version[:3]) if isinstance(version, list) else "",
            booster=plain.text(booster.get("name"), 100),
            objective=plain.text(plain.mapping(learner.get("objective")).get("name"), 100),
            trees=len(trees) if isinstance(trees, list) else 0,
        )
        names = learner.get("feature_names")
        if isinstance(names, list) and names:
            reading.metadata["feature_names"] = [plain.text(name, 200) for name in names[:_MAX_NAMES]]
        _ports(_number(settings, "num_feature"), _number(settings, "num_class"), "learner", reading)
        reading.scanned.append("learner")


class LightGbm:
    """Reads LightGBM's text: objective, features and classes; the trees are passed over."""

    def sniff(self, data: Bytes) -> Match | None:
        """`tree` in the first line, `version=` in the second."""
        return Match(0.9, "tree, version=") if data.head.startswith(b"tree\nversion=") else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the lines before the first tree."""
        reading.format, reading.framework = "lightgbm", "lightgbm"
        head = data.up_to(0, _HEADER_BYTES).decode("utf-8", "replace").partition("\nTree=")[0]
        found = {match[1]: match[2] for line in head.splitlines() if (match := _KEPT.match(line))}
        names = found.pop("feature_names", "").split(" ")
        if names != [""]:
            reading.metadata["feature_names"] = [name[:200] for name in names[:_MAX_NAMES]]
        reading.metadata.update({key: value[:200] for key, value in found.items()})
        _ports(_number(found, "max_feature_idx") + 1, _number(found, "num_class"), "header", reading)
        reading.scanned.append("header")
        reading.not_scanned.append("the trees")


def _number(values: Mapping[str, Any], key: str) -> int:
    digits = str(values.get(key, ""))
    return int(digits) if digits.isdecimal() and len(digits) < 12 else 0


def _ports(features: int, classes: int, source: str, reading: Reading) -> None:
    """A table of features goes in, a score or one for each class comes out."""
    if features:
        inputs = (IoField("features", ("batch", features), "float32", "declared", source),)
        outputs = (IoField("scores", ("batch", classes) if classes > 1 else ("batch",), "float32", "declared", source),)
        reading.io_hints = IoHints(inputs, outputs)
