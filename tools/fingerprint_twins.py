"""Finds architectures with the same tensors and says, pair by pair, how their graphs differ.

Two models are twins when they have the same names, and the same shapes but for the head: built with the same
``num_classes`` their weights are interchangeable, and strict loading cannot tell which of them was trained. The
differences come from the modules (classes and settings) and from the published preprocessing; forward code is not
compared, so "no difference found" is not "the same".
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from dnnbox.identify import keys

Record = dict[str, Any]
VARIANT = re.compile(r"^tf_|^quantized_|^flexi|quickgelu|blur|_tv$|^legacy_")
COMMON = ("bert", "llama", "gpt2", "vit", "t5", "roberta", "qwen2", "mistral", "clip", "whisper", "distilbert",
          "resnet", "deit",
          "swin", "wav2vec2", "gemma", "qwen3", "xlm-roberta", "electra", "albert", "bart", "mpnet", "opt",
          "gpt_neox", "phi", "phi3", "bloom", "mixtral", "deberta-v2", "dinov2", "hubert", "detr", "segformer", "sam",
          "siglip", "blip", "beit", "convnext", "mobilenet_v2", "efficientnet",
          "marian", "mbart", "pegasus")  # fmt: skip
LIMIT = 220  # characters of one description
PASSIVE = {"Identity", "Dropout", "DropPath", "Sequential", "ModuleList", "ModuleDict", "Flatten"}
SILENT = {"inplace", "momentum", "track_running_stats", "num_batches_tracked", "grad_checkpointing", "drop_prob", "p",
          "layer_idx", "layer_id", "layer_index", "out_features", "num_classes", "num_labels", "out_dim"}  # fmt: skip
TASKS = ("Model", "ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "ForSequenceClassification",
         "ForImageClassification", "ForTokenClassification", "ForQuestionAnswering")  # fmt: skip


def twins(records: list[Record]) -> dict[int, list[tuple[int, str]]]:
    """Return for each model that has twins the others, the plainest first, with what differs."""
    classes: dict[Any, list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        names = frozenset(name for name, _ in record["pairs"])
        classes[names, keys.set_hashes(record["pairs"])[1]].append(i)
    order = plain_first(records)
    found: dict[int, list[tuple[int, str]]] = {}
    for members in classes.values():
        members.sort(key=order.__getitem__)
        if 2 <= len(members) <= 16:
            for a in members:
                found[a] = [(b, difference(records[a], records[b])) for b in members if b != a]
    return found


def plain_first(records: list[Record]) -> list[int]:
    """Return each model's rank among all: with the most published weights first, common kinds and tasks first."""
    ranked = sorted(range(len(records)), key=lambda i: plainness(records[i]))
    rank = [0] * len(records)
    for position, i in enumerate(ranked):
        rank[i] = position
    return rank


def plainness(record: Record) -> tuple[Any, ...]:
    """Return the sorting key of one model."""
    name = record["name"]
    if record["library"] == "transformers":
        kind = record["model_type"]
        known = COMMON.index(kind) if kind in COMMON else len(COMMON)
        task = next((i for i, suffix in enumerate(TASKS) if name.endswith(suffix)), len(TASKS))
        return (1, known, task, len(name), name)
    variant = VARIANT.search(name) is not None or not record.get("weights")
    return (0, variant, -record.get("weights", 0), len(name), name)


def difference(a: Record, b: Record) -> str:
    """Return what ``b`` has that differs from ``a``, in words."""
    told = [*layer_differences(a, b), *preprocess_differences(a, b)]
    if a["library"] != b["library"]:
        told.insert(0, f"another library ({b['library']})")
    if not told or told == [f"another library ({b['library']})"]:
        told.append("no difference found in layers and their settings; forward code was not compared")
    text = "; ".join(told)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def layer_differences(a: Record, b: Record) -> list[str]:
    """Return differences of the modules: kinds of layers first, then settings of the kinds that both have."""
    facts_a, facts_b = facts(a), facts(b)
    told = []
    only_a, only_b = sorted(set(facts_a) - set(facts_b)), sorted(set(facts_b) - set(facts_a))
    if only_a or only_b:
        told.append(f"layers {listed(only_b)} instead of {listed(only_a)}")
    moved = bool(told)  # layers of another kind take some of the values with them
    for kind in sorted(set(facts_a) & set(facts_b)):
        for setting in sorted(set(facts_a[kind]) & set(facts_b[kind])):
            extra_b = facts_b[kind][setting] - facts_a[kind][setting]
            extra_a = facts_a[kind][setting] - facts_b[kind][setting]
            if (extra_a and extra_b) if moved else (extra_a or extra_b):
                told.append(f"{kind}.{setting} {listed(sorted(extra_b))} instead of {listed(sorted(extra_a))}")
    if not told and a["library"] == b["library"]:
        told = placed_differences(a, b)
    if a["library"] == "transformers" and a["class"].rsplit(".", 1)[1] != b["class"].rsplit(".", 1)[1]:
        told.insert(0, f"class {b['name']}")
    return told


def facts(record: Record) -> dict[str, dict[str, set[str]]]:
    """Return kind of layer → setting → values, over the layers that compute something."""
    paths = [row[0] for row in record["layers"]]
    parents = {path.rsplit(".", 1)[0] for path in paths if "." in path}
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path, class_name, settings in record["layers"]:
        kind = class_name if path else "model"  # the outermost class has another name in every library
        if kind in PASSIVE or (path and path in parents and "Norm" not in kind):
            continue
        for setting, value in settings.items():
            if setting not in SILENT:
                found[family(kind)][setting].add(value_text(value))
        found.setdefault(family(kind), defaultdict(set))
    if "model" in found and record["library"] != "timm":
        found["model"] = defaultdict(set)
    return found


def value_text(value: Any) -> str:
    """Return a setting as text, ``(1, 1)`` and ``1`` alike."""
    if isinstance(value, list) and value and all(v == value[0] for v in value):
        value = value[0]
    return str(value)


def family(kind: str) -> str:
    """Return the common name of layer classes that the libraries wrap under their own names."""
    return re.sub(r"^(LayerNorm|BatchNorm)(2d|NormAct2d|Act2d)?$", r"\1", kind)


def placed_differences(a: Record, b: Record) -> list[str]:
    """Return settings that differ at a place, where the sets of values are the same."""
    often = Counter((path, kind) for path, kind, _ in [*a["layers"], *b["layers"]])
    rows_b = {(path, kind): settings for path, kind, settings in b["layers"] if often[path, kind] <= 2}
    told: list[str] = []
    for path, kind, settings in a["layers"]:
        other = rows_b.get((path, kind))
        if other is None or kind in PASSIVE:
            continue
        for key in settings.keys() & other.keys() - SILENT:
            if settings[key] != other[key] and len(told) < 2:
                told.append(f"{path or 'model'}.{key} {other[key]} instead of {settings[key]}")
    return sorted(told)


def preprocess_differences(a: Record, b: Record) -> list[str]:
    """Return differences of the published preprocessing."""
    mine, theirs = a.get("preprocess", {}), b.get("preprocess", {})
    both = sorted(set(mine) & set(theirs) - {"classifier", "transforms", "num_classes"})
    return [f"{key} {short(theirs[key])} instead of {short(mine[key])}" for key in both if mine[key] != theirs[key]]


def short(value: Any) -> str:
    """Return a value with floats cut to three digits."""
    if isinstance(value, list):
        return "(" + ", ".join(short(v) for v in value) + ")"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def listed(values: list[str]) -> str:
    """Return up to three values, or "none"."""
    return ", ".join(values[:3]) + (" …" if len(values) > 3 else "") if values else "none"
