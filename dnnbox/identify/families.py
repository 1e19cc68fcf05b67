"""Recognises well-known families that no index covers: by key patterns, graph inputs or the class a pickle names.

The result is a signal, not a build recipe, except where a runtime knows the family (silero-vad).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.identify.family_table import FAMILIES, SILERO_ARGUMENTS, Family
from dnnbox.identify.keys import Pair
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, Match
from dnnbox.records.inspection import Inspection

WHISPER_SIZES = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}
CLASS_LIBRARIES = (
    ("torchvision.models.", "torchvision"),
    ("timm.models.", "timm"),
    ("transformers.models.", "transformers"),
    ("sentence_transformers.", "sentence-transformers"),
    ("diffusers.", "diffusers"),
    ("ultralytics.nn.tasks.", "ultralytics"),
    ("models.yolo.", "yolov5"),
    ("segmentation_models_pytorch.", "segmentation-models-pytorch"),
    ("open_clip.", "open_clip"),
    ("monai.networks.", "monai"),
    ("speechbrain.", "speechbrain"),
    ("fairseq.", "fairseq"),
)


def by_keys(pairs: Sequence[Pair], source: str = "tensor names") -> Candidate | None:
    """Return the first family whose patterns all match."""
    text = "\n".join(name for name, _ in pairs)
    for family in FAMILIES:
        if not all(literal(pattern) in text for pattern in family.patterns):
            continue  # compiling all patterns takes longer than everything else that identification does
        if all(re.search(pattern, text, re.MULTILINE) for pattern in family.patterns):
            return as_candidate(family, pairs, source)
    return None


def literal(pattern: str) -> str:
    """Return the longest text that is in whatever the pattern matches: groups, classes and repeats are left out."""
    plain = re.sub(r"\([^()]*\)|\[[^\]]*\]|\\d|[^)\]\\][?*+]|[?*+^$]", "\n", pattern.replace("\\.", "\t"))
    return max(plain.split("\n"), key=len).replace("\t", ".")


def as_candidate(family: Family, pairs: Sequence[Pair], source: str) -> Candidate:
    """Return the family as a candidate, with what its shapes tell."""
    seen = ", ".join(pattern.replace("\\", "").strip("^$") for pattern in family.patterns)
    evidence = [Evidence(f"{family.library} {family.architecture}", source, f"pattern {seen}"[:200], 0.5)]
    arguments = dict(family.arguments)
    if arguments:
        evidence.append(Evidence("constants of the family", "dnnbox", _listed(arguments), 0.6))
    if family.library == "openai-whisper":
        width = dict(pairs).get("decoder.token_embedding.weight", (0, 0))[-1]
        if width in WHISPER_SIZES:
            arguments["size"] = WHISPER_SIZES[width]
            evidence.append(Evidence(f"size {WHISPER_SIZES[width]}", "shape of decoder.token_embedding.weight",
                                     f"inferred: width {width}", 0.8))  # fmt: skip
    kind: Match = "family" if family.library == "silero-vad" else "signal"  # its weights files have one layout only
    score = 1.0 if kind == "family" else 0.0
    return Candidate(family.library, family.architecture, kind, score, arguments, evidence=tuple(evidence))


def _listed(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in arguments.items())


def silero_graph(inspection: Inspection) -> Candidate | None:
    """Return silero-vad for an ONNX graph with its inputs and outputs.

    The forms that are published: one window and a state in, a probability and the next state out, with or without
    the sample rate as an input; and ``sequence``: many windows at once, with h and c for the state.
    """
    inputs = {field.name: field for field in inspection.io_hints.inputs}
    outputs = {field.name for field in inspection.io_hints.outputs}
    stateful = {"input", "state"} <= set(inputs) <= {"input", "state", "sr"} and {"output", "stateN"} <= outputs
    sequence = set(inputs) == {"input", "h", "c"} and "speech_probs" in outputs
    state = inputs["state" if stateful else "h"].shape if stateful or sequence else None
    if not inspection.format.startswith("onnx") or state is None or len(state) != 3 or state[-1] != 128:
        return None
    arguments = dict(SILERO_ARGUMENTS) | ({"form": "sequence"} if sequence else {})
    evidence = (
        Evidence("silero-vad", "graph inputs and outputs", f"{', '.join(inputs)} → {', '.join(sorted(outputs))}", 0.8),
        Evidence("constants of the family", "dnnbox", _listed(arguments), 0.6),
    )
    return Candidate("silero-vad", "silero_vad", "family", 1.0, arguments, evidence=evidence)


def by_class(inspection: Inspection) -> Candidate | None:
    """Return the class that a pickled module names; library "" where it is the checkpoint's own code."""
    top = inspection.metadata.get("top_class")
    own = [top] if isinstance(top, str) and "." in top else []
    for name in [*own, *inspection.needs_code]:
        for prefix, library in CLASS_LIBRARIES:
            if name.startswith(prefix):
                evidence = (Evidence(f"{library} {name.rsplit('.', 1)[1]}", "pickled class", name[:200], 0.8),)
                return Candidate(library, name.rsplit(".", 1)[1], "signal", 0.0, evidence=evidence)
    pickled = inspection.format in ("torch-zip", "torch-legacy", "torch-tar", "pickle")
    if own and pickled and own[0] in inspection.needs_code:
        evidence = (Evidence(f"class {own[0]}"[:200], "pickled class", "the object in the file is of this class"),)
        return Candidate("", own[0], "config", 1.0, evidence=evidence)
    return None
