"""Turns hits of the fingerprint index into candidates: arguments, twins, score and the reasons for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dnnbox.identify import arguments, keys, names, search
from dnnbox.identify.arguments import Inferred
from dnnbox.identify.compare import Comparison
from dnnbox.identify.index import Index, Model
from dnnbox.identify.keys import Pair
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, SameWeights

MOST = 6  # candidates kept
CLAIM = {
    "exact": "all names and shapes",
    "body": "all but the head",
    "similar": "most tensors, and nothing that contradicts",
    "family": "the layout of the names, not all sizes",
}
WEIGHT = {"exact": 0.95, "body": 0.9, "similar": 0.7, "family": 0.4}


@dataclass(frozen=True)
class Weighed:
    """A hit with what was inferred for it."""

    hit: search.Hit
    model: Model
    inferred: Inferred
    kind: search.Kind

    @property
    def rank(self) -> tuple[float, ...]:
        """Sorting key: how sure, how close with the arguments applied, how plain."""
        comparison = self.hit.comparison
        explained = 0.5 * len(self.inferred.explained) / max(1, comparison.same + len(comparison.reshaped))
        close = comparison.closeness() + explained
        layout = self.hit.layout if self.kind == "family" else 1.0
        return (list(CLAIM).index(self.kind), -round(layout, 2), -round(close, 4), self.model.plainness)


def candidates(index: Index, pairs: Sequence[Pair], hints: list[names.NameHint], format_name: str) -> list[Candidate]:
    """Return the architectures that these tensors may be, best first; an empty list where none is near."""
    counted = [(name, shape) for name, shape in pairs if keys.counts(name)]
    if not counted:
        return []
    weighed = [weigh(index, hit) for hit in search.find(index, counted)[: 4 * MOST]]
    weighed.sort(key=lambda w: w.rank)
    if not weighed:
        return []
    ties = [w for w in weighed if w.rank[:3] == weighed[0].rank[:3]]
    found = [candidate(index, w, hints, format_name) for w in weighed[:MOST]]
    if len(ties) > 1 and (settled := names.settle([w.model.name for w in ties], hints)) and settled[0] < MOST:
        position, hint = settled
        reason = Evidence(f"{ties[position].model.name} among equals", hint.source, hint.text[:80], hint.weight)
        chosen = found.pop(position)
        found.insert(0, replace(chosen, evidence=(*chosen.evidence, reason)))
    return found


def weigh(index: Index, hit: search.Hit) -> Weighed:
    """Infer the arguments of a hit, and call it a family where something contradicts."""
    model = index.model(hit.model)
    expected = index.tensors.pairs(hit.model)
    config = index.config(hit.model) if model.library == "transformers" else {}
    inferred = arguments.infer(model, config, expected, hit.comparison)
    kind = hit.kind
    if kind == "similar" and contradicted(expected, hit.comparison, inferred):
        kind = "family"
    return Weighed(hit, model, inferred, kind)


def contradicted(expected: Sequence[Pair], comparison: Comparison, inferred: Inferred) -> bool:
    """Tell whether the checkpoint cannot be this architecture, however it is built.

    Shapes that no argument explains, tensors of its own modules that the architecture lacks, and blocks that are
    gone as a whole speak against it; tensors missing here and there, and modules added beside it, do not.
    """
    odd = [t for t in comparison.reshaped if t.name not in inferred.explained and not keys.is_head(t.name)]
    roots = {name.split(".", 1)[0] for name, _ in expected}
    strange = [n for n, _ in comparison.unexpected if n.split(".", 1)[0] in roots and not keys.is_head(n)]
    return bool(odd) or bool(strange) or blocks_missing(expected, comparison)


def blocks_missing(expected: Sequence[Pair], comparison: Comparison) -> bool:
    """Tell whether most of what is missing are whole numbered blocks: another depth, not a damaged file."""
    missing = {name for name, _ in comparison.body_missing}
    if len(missing) < 4:
        return False
    present = {block(name) for name, _ in expected if name not in missing}
    whole = [name for name in missing if block(name) and block(name) not in present]
    return len(whole) > 0.5 * len(missing)


def block(name: str) -> str:
    """Return the path up to the first layer number, or ""."""
    parts = name.split(".")
    last = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    return ".".join(parts[: last + 1]) if last is not None else ""


def candidate(index: Index, weighed: Weighed, hints: list[names.NameHint], format_name: str) -> Candidate:
    """Return the record of one weighed hit, its twins settled as far as the names allow."""
    model, comparison = weighed.model, weighed.hit.comparison
    explained = len(weighed.inferred.explained)
    evidence = [tensor_evidence(index, weighed), *weighed.inferred.evidence, *difference_evidence(comparison)]
    chosen, reason = choose_twin(index, model, hints, format_name)
    if reason:
        evidence.append(reason)
    same = tuple(
        SameWeights(twin_name(index.model(other), chosen), differs) for other, differs in index.twins(chosen.number)
    )
    inferred = weighed.inferred
    if chosen.number != model.number and comparison.reshaped + comparison.missing:
        inferred = rename(inferred, model, chosen)
    return Candidate(
        library=chosen.library,
        architecture=chosen.name,
        match=weighed.kind,
        score=comparison.share(explained),
        arguments=inferred.arguments,
        same_weights=same,
        evidence=tuple(evidence),
        prefix=weighed.hit.prefix,
    )


def rename(inferred: Inferred, model: Model, chosen: Model) -> Inferred:
    """Return the arguments in the names of the twin's library, without those that it lacks."""
    if model.library == chosen.library:
        return inferred
    names_of = {"timm": {"image_size": "img_size"}, "torchvision": {"img_size": "image_size"}}.get(chosen.library, {})
    kept = {names_of.get(key, key): value for key, value in inferred.arguments.items()}
    if chosen.library == "torchvision":
        kept.pop("in_chans", None)
        if kept.get("num_classes") == 0:
            del kept["num_classes"]
    return Inferred(kept, inferred.evidence, inferred.explained)


def twin_name(twin: Model, chosen: Model) -> str:
    """Return a twin's name, with its library where that is another."""
    return twin.name if twin.library == chosen.library else f"{twin.library}/{twin.name}"


def tensor_evidence(index: Index, weighed: Weighed) -> Evidence:
    """Return the reason that rests on the tensors."""
    model, comparison = weighed.model, weighed.hit.comparison
    version = index.versions.get(model.library, "")
    parts = [f"{comparison.same} of {model.tensors} tensors agree in name and shape"]
    parts += [f"{len(comparison.reshaped)} have another shape"] if comparison.reshaped else []
    parts += [f"{len(comparison.missing)} are missing"] if comparison.missing else []
    parts += [f"{len(comparison.unexpected)} are not the architecture's"] if comparison.unexpected else []
    parts += [f"{comparison.outside} lie outside the prefix"] if comparison.outside else []
    detail = f"{CLAIM[weighed.kind]}: {', '.join(parts)} (index of {model.library} {version})"
    return Evidence(f"{model.library} {model.name}", "tensor names and shapes", detail, WEIGHT[weighed.kind])


def difference_evidence(comparison: Comparison) -> list[Evidence]:
    """Return what speaks against, by example."""
    told = []
    for claim, listed in (("missing", comparison.missing), ("unexpected", comparison.unexpected)):
        if listed:
            examples = ", ".join(name[:80] for name, _ in listed[:3]) + (", …" if len(listed) > 3 else "")
            told.append(Evidence(f"{len(listed)} tensors {claim}", "tensor names and shapes", examples, 0.3))
    return told


def choose_twin(
    index: Index, model: Model, hints: list[names.NameHint], format_name: str
) -> tuple[Model, Evidence | None]:
    """Return the architecture of the class that the names speak for, else the plainest, and why."""
    others = [index.model(other) for other, _ in index.twins(model.number)]
    if not others:
        return model, None
    members = sorted([model, *others], key=lambda m: m.plainness)
    if settled := settle_twin(members, hints):
        chosen, hint = settled
        return chosen, Evidence(f"{chosen.name} among {len(members)} with the same weights", hint.source,
                                hint.text[:80], hint.weight)  # fmt: skip
    chosen = preferred(members, format_name)
    detail = "not settled: strict loading cannot tell them apart, and no argument or name says which; plainest first"
    return chosen, Evidence(
        f"one of {len(members)} architectures with the same weights", "fingerprint index", detail, 0.2
    )


def settle_twin(members: list[Model], hints: list[names.NameHint]) -> tuple[Model, names.NameHint] | None:
    """Return the member that a hint names; a library's name in the hint decides between libraries."""
    for hint in hints:
        lengths = [names.length_in(m.name, hint.text) + names.length_in(m.library, hint.text) for m in members]
        best = max(lengths)
        if best and lengths.count(best) == 1:
            return members[lengths.index(best)], hint
    return None


def preferred(members: list[Model], format_name: str) -> Model:
    """Return the plainest; between libraries with the same name, timm for safetensors, else torchvision.

    timm publishes safetensors; torchvision publishes .pth only.
    """
    first = members[0]
    same_name = {m.library: m for m in members if m.name == first.name}
    wanted = "timm" if "safetensors" in format_name else "torchvision"
    return same_name.get(wanted, first)
