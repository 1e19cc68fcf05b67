"""Inspection → Identity: asks every signal in order of its strength and ranks what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dnnbox.identify import configs, families, fingerprint, index, names
from dnnbox.identify.components import components
from dnnbox.identify.index import Index
from dnnbox.identify.keys import Pair
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, Identity
from dnnbox.records.inspection import Inspection

MOST_TENSORS = 200_000  # beyond any architecture; a file with more is not compared
ALL_BUT_THE_HEAD = 0.9  # a family with so many of the tensors says more than a pattern or a class
SURE = ("config", "exact", "body", "similar", "family")


def identify(inspection: Inspection, *, family: str | None = None) -> Identity:
    """Return the ranked candidates for a checkpoint, each with its evidence.

    Signals in order: configs beside or inside the file; fingerprints (exact, body, similar); the class that a pickle
    names; key patterns of known families; names of file and folder, which alone leave the identity unknown.
    ``family`` is what the user says ("timm", "resnet50", "torchvision/resnet50"): it goes before all of them.
    """
    known = index.load()
    hints = names.hints(inspection.metadata, inspection.path)
    ranked = candidates(known, inspection, hints)
    if family:
        ranked = stated(known, family, ranked)
    best = ranked[0] if ranked else None
    sure = best is not None and (best.match in SURE or any(e.weight >= 0.5 for e in best.evidence))
    parts = components(known, inspection, pairs_of(inspection)) if described_by_keys(inspection) else ()
    return Identity(unknown=not sure, candidates=tuple(ranked), components=parts)


def candidates(known: Index, inspection: Inspection, hints: list[names.NameHint]) -> list[Candidate]:
    """Return what the signals say, best first."""
    if named := configs.candidate(known, inspection):
        return [named]
    if graph := families.silero_graph(inspection):
        return [graph]
    pairs = pairs_of(inspection)
    pattern, pickled = families.by_keys(pairs), families.by_class(inspection)
    for named in (pattern, pickled):
        if named is not None and named.match in SURE:
            return [named]
    prints = fingerprint.candidates(known, pairs, hints, inspection.format) if described_by_keys(inspection) else []
    if prints and (prints[0].match != "family" or prints[0].score >= ALL_BUT_THE_HEAD):
        return [with_class(prints[0], pickled), *prints[1:]]
    found = [c for c in (pickled, pattern) if c is not None]
    found += prints
    return found or name_only(known, hints)


def pairs_of(inspection: Inspection) -> list[Pair]:
    """Return the names and shapes, none where there are absurdly many."""
    if len(inspection.tensor_list) > MOST_TENSORS:
        return []
    return [(tensor.name, tensor.shape) for tensor in inspection.tensor_list]


def described_by_keys(inspection: Inspection) -> bool:
    """Tell whether tensor names are those of PyTorch modules: not so in ONNX graphs, TensorFlow, GGUF …"""
    return inspection.framework in ("", "pytorch", "torch", "safetensors") or "safetensors" in inspection.format


def with_class(best: Candidate, pickled: Candidate | None) -> Candidate:
    """Add the pickled class to the evidence of the best fingerprint; it also decides between libraries."""
    if pickled is None:
        return best
    chosen = replace(best, evidence=(*best.evidence, *pickled.evidence))
    if pickled.library == best.library:
        return chosen
    twin = next((t for t in best.same_weights if t.architecture.startswith(f"{pickled.library}/")), None)
    if twin is None:
        return chosen
    return replace(chosen, library=pickled.library, architecture=twin.architecture.split("/", 1)[1], same_weights=())


def name_only(known: Index, hints: Sequence[names.NameHint]) -> list[Candidate]:
    """Return what a name alone suggests, as a signal."""
    for hint in hints:
        if named := names.named_in_index(known, hint):
            evidence = Evidence("/".join(named), hint.source, hint.text[:80], min(hint.weight, 0.4))
            return [Candidate(*named, match="signal", score=0.0, evidence=(evidence,))]
    return []


def stated(known: Index, family: str, ranked: list[Candidate]) -> list[Candidate]:
    """Put what the user states first: a candidate that fits it, an architecture of the index, or the words as given."""
    library, _, name = family.rpartition("/")
    reason = Evidence(f"family {family}", "--family", "stated by the user", 1.0)
    for position, one in enumerate(ranked):
        words = {one.library.lower(), one.architecture.lower(), one.architecture.rsplit("/", 1)[-1].lower()}
        if name.lower() in words and (not library or library == one.library):
            chosen = replace(one, evidence=(reason, *one.evidence))
            return [chosen, *ranked[:position], *ranked[position + 1 :]]
    for one in ranked:
        if twin := next((t for t in one.same_weights if name == t.architecture.rsplit("/", 1)[-1]), None):
            owner = twin.architecture.rsplit("/", 1)[0] if "/" in twin.architecture else one.library
            return [replace(one, library=owner, architecture=name, evidence=(reason, *one.evidence)), *ranked]
    for owner in (library,) if library else index.LIBRARIES:
        if (owner, name) in known.by_name:
            return [Candidate(owner, name, "config", 0.0, evidence=(reason,)), *ranked]
    return [Candidate(library, name, "signal", 0.0, evidence=(reason,)), *ranked]
