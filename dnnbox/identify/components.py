"""Splits composite checkpoints by component: diffusers pipelines, single-file diffusion models, multimodal models.

A component is named by its own configuration, by an exact or body match of its tensors, or by its keys; where none of
them says anything, by the place that it has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

from dnnbox.identify import configs, families, fingerprint, keys, search
from dnnbox.identify.index import Index
from dnnbox.identify.keys import Pair
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, Component
from dnnbox.records.inspection import Inspection

_MOST = 40
_LEAST_TENSORS = 2
# (what the prefix must be, what stands there, the configuration's part that describes it)
_PLACES: tuple[tuple[str, str, str], ...] = (
    (r"model\.diffusion_model\.", "denoiser", ""),
    (r"first_stage_model\.|vae\.", "autoencoder", ""),
    (r"cond_stage_model\.|conditioner\.embedders\.\d+\.|text_encoders?\.(?:clip_[lg]|t5xxl)\.", "text encoder", ""),
    (r"model_ema\.", "averaged denoiser", ""),
    (r"(?:model\.)?(?:vision_tower|vision_model|vision_encoder|visual|image_encoder)\.", "vision encoder", "vision"),
    (r"(?:model\.)?(?:audio_tower|audio_encoder|audio_model|speech_encoder)\.", "audio encoder", "audio"),
    (r"(?:model\.)?(?:language_model|text_model|text_encoder|text_decoder|thinker|llm)\.", "language model", "text"),
    (r"(?:model\.)?(?:multi_modal_projector|mm_projector|connector|visual_projection|aligner)\.", "projector", ""),
    (r"(?:model\.)?qformer\.", "query transformer", "qformer"),
    (r"prompt_encoder\.", "prompt encoder", ""),
    (r"mask_decoder\.", "mask decoder", ""),
)


@cache
def _compiled(prefix: str) -> re.Pattern[str]:
    return re.compile(prefix)


def _possible(pairs: Sequence[Pair]) -> list[tuple[re.Pattern[str], str, str]]:
    """Return the places of which a word occurs at all: most checkpoints have none, and nothing need be compiled."""
    text = "\n".join(name for name, _ in pairs)
    rows = [row for row in _PLACES if any(word in text for word in set(re.findall("[a-z_]{3,}", row[0])) - {"model"})]
    return [(_compiled(prefix), place, part) for prefix, place, part in rows]


def components(known: Index, inspection: Inspection, pairs: Sequence[Pair]) -> tuple[Component, ...]:
    """Return the components of a composite checkpoint, the largest first; none where it is one model."""
    declared = inspection.metadata.get("components")
    if inspection.format == "diffusers" and isinstance(declared, Mapping):
        groups = _declared(declared, pairs)
    else:
        groups = _placed(pairs)
        if len({place for _, place, _ in groups}) < 2:
            return ()
    documents = configs.documents(inspection)
    found = [_component(known, group, members, documents) for group, members in groups.items() if members]
    found.sort(key=lambda one: -one.parameters)
    return tuple(found[:_MOST])


Group = tuple[str, str, str]
"""(prefix, place, part of the configuration)."""


def _declared(names: Mapping[str, Any], pairs: Sequence[Pair]) -> dict[Group, list[Pair]]:
    found: dict[Group, list[Pair]] = {(f"{name}.", str(name), ""): [] for name in list(names)[:_MOST]}
    for name, shape in pairs:
        group = (f"{(first := name.partition('.')[0])}.", first, "")
        if group in found:
            found[group].append((name[len(first) + 1 :], shape))
    return found


def _placed(pairs: Sequence[Pair]) -> dict[Group, list[Pair]]:
    found: dict[Group, list[Pair]] = defaultdict(list)
    possible = _possible(pairs)
    for name, shape in pairs:
        for pattern, place, part in possible:
            if match := pattern.match(name):
                found[match[0], place, part].append((name[match.end() :], shape))
                break
    return {group: members for group, members in found.items() if len(members) >= _LEAST_TENSORS}


def _component(known: Index, group: Group, pairs: list[Pair], documents: Mapping[str, Any]) -> Component:
    prefix, place, part = group
    named = _by_config(documents, prefix, part) or _by_index(documents, place)
    best = named or _by_tensors(known, pairs) or families.by_keys(pairs)
    return Component(
        name=place,
        prefix=prefix,
        tensors=len(pairs),
        parameters=sum(prod(shape) for _, shape in pairs),
        library=best.library if best else "",
        architecture=best.architecture if best else "",
        match=best.match if best else "signal",
        evidence=best.evidence if best else (Evidence(place, "tensor names", f"below {prefix}"[:200], 0.4),),
    )


def _by_config(documents: Mapping[str, Any], prefix: str, part: str) -> Candidate | None:
    """Return what the component's own configuration says, or its part of the whole model's."""
    where = f"{prefix.removesuffix('.')}/config.json"
    own = documents.get(where)
    if isinstance(own, Mapping):
        names = own.get("architectures")
        if isinstance(own.get("_class_name"), str):
            return _named("diffusers", own["_class_name"], where, "_class_name")
        if isinstance(names, list) and names and isinstance(names[0], str):
            return _named("transformers", names[0], where, "architectures")
    whole = documents.get("config.json")
    about = whole.get(f"{part}_config") if part and isinstance(whole, Mapping) else None
    kind = about.get("model_type") if isinstance(about, Mapping) else None
    return _named("transformers", kind, "config.json", f"{part}_config.model_type") if isinstance(kind, str) else None


def _by_index(documents: Mapping[str, Any], place: str) -> Candidate | None:
    """Return the class that a pipeline's index names for a component: [library, class]."""
    index = documents.get("model_index.json")
    about = index.get(place) if isinstance(index, Mapping) else None
    if isinstance(about, list) and len(about) == 2 and all(isinstance(item, str) for item in about):
        return _named(about[0][:100], about[1], "model_index.json", place)
    return None


def _named(library: str, name: str, source: str, detail: str) -> Candidate:
    evidence = (Evidence(f"{library} {name}"[:200], source, detail),)
    return Candidate(library, name[:200], "config", 1.0, evidence=evidence)


def _by_tensors(known: Index, pairs: list[Pair]) -> Candidate | None:
    """Return an architecture with exactly these names and shapes, or all but the head's."""
    counted = [(name, shape) for name, shape in pairs if keys.counts(name)]
    if not counted:
        return None
    prefixes = keys.prefixes([name for name, _ in counted])
    parts = {prefix: keys.stripped(counted, prefix) for prefix in prefixes}
    hits = search.exact_or_body(known, parts, len(counted))
    return fingerprint.candidate(known, fingerprint.weigh(known, hits[0]), [], "") if hits else None
