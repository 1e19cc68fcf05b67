"""Turns hits of the fingerprint index into candidates: arguments, twins, score and the reasons for each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from dnnbox.identify import arguments, keys, names, search
from dnnbox.identify.arguments import Inferred
from dnnbox.identify.compare import Comparison, compare
from dnnbox.identify.index import Index, Model
from dnnbox.identify.keys import Pair
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, SameWeights

LOOSE = 0.5  # a mere family this far from the tensors is noise beside a better match
PART_ONLY = 0.1  # so much beside an exact match makes it the match of a part
FEW = 0.08  # share of an architecture's tensors
MOST = 6  # candidates kept
CLAIM = {
    "exact": "all names and shapes",
    "body": "all but the head",
    "similar": "most tensors, and nothing that contradicts",
    "family": "the layout of the names, not all sizes",
}
WEIGHT = {"exact": 0.95, "body": 0.9, "similar": 0.7, "family": 0.4}


class Weighed(NamedTuple):
    """A hit with what was inferred for it."""

    hit: search.Hit
    model: Model
    inferred: Inferred
    kind: search.Kind

    @property
    def rank(self) -> tuple[float, ...]:
        """Sorting key: how sure, how close with the arguments applied, how plain."""
        comparison = self.hit.comparison
        close = comparison.closeness(frozenset(self.inferred.explained))
        layout = self.hit.layout if self.kind == "family" else 1.0
        part_only = self.kind in ("exact", "body") and comparison.outside > 0
        sureness = list(CLAIM).index("similar" if part_only else self.kind)
        open_head = 0  # a head that nothing accounts for: the whole goes before a part of it
        if self.kind == "body" and not accounted(comparison, self.inferred):
            open_head = 1 + self.hit.prefix.count(".")
        return (sureness, open_head, -round(layout, 2), -round(close, 4), self.model.plainness)


def candidates(index: Index, pairs: Sequence[Pair], hints: list[names.NameHint], format_name: str) -> list[Candidate]:
    """Return the architectures that these tensors may be, best first; an empty list where none is near."""
    counted = [(name, shape) for name, shape in pairs if keys.counts(name)]
    if not counted:
        return []
    weighed = [weigh(index, hit) for hit in search.find(index, counted)[: 4 * MOST]]
    weighed.sort(key=lambda w: w.rank)
    if not weighed:
        return []
    ties = [w for w in weighed if w.rank[:4] == weighed[0].rank[:4]]
    found = [candidate(index, w, hints, format_name) for w in weighed[:MOST]]
    found = [c for c in found if c.match != "family" or found[0].match == "family" or c.score >= LOOSE]
    if len(ties) > 1 and (settled := names.settle([w.model.name for w in ties], hints)) and settled[0] < len(found):
        position, hint = settled
        reason = Evidence(f"{ties[position].model.name} among equals", hint.source, hint.text[:80], hint.weight)
        chosen = found.pop(position)
        found.insert(0, replace(chosen, evidence=(*chosen.evidence, reason)))
    return found


def weigh(index: Index, hit: search.Hit) -> Weighed:
    """Infer the arguments of a hit, and call it a family where something contradicts."""
    model = index.model(hit.model)
    if hit.kind == "exact":  # nothing to infer, and the tensor table need not be read
        part_only = hit.comparison.outside > PART_ONLY * hit.comparison.same
        return Weighed(hit, model, Inferred(), "similar" if part_only else "exact")
    expected = index.tensors.pairs(hit.model)
    config = index.config(hit.model) if model.library == "transformers" else {}
    inferred = arguments.infer(model, config, expected, hit.comparison)
    kind = hit.kind
    if kind == "similar" and contradicted(index, hit, expected, inferred):
        kind = "family"
    if kind == "body" and hit.comparison.outside > PART_ONLY * hit.comparison.same:
        kind = "similar"
    return Weighed(hit, model, inferred, kind)


def contradicted(index: Index, hit: search.Hit, expected: Sequence[Pair], inferred: Inferred) -> bool:
    """Tell whether the checkpoint cannot be this architecture, however it is built.

    Against it speak: shapes that no argument explains, tensors that its own modules or its relatives have and it
    has not, and a pattern in what is missing. Tensors missing here and there, and modules added beside it, do not.
    """
    comparison, known = hit.comparison, inferred.explained
    if any(t.name not in known and not keys.is_head(t.name) for t in comparison.reshaped):
        return True
    extra = [name for name, _ in comparison.unexpected if name not in known and not keys.is_head(name)]
    roots = {name.split(".", 1)[0] for name, _ in expected}
    relatives = index.templates_of_module(hit.model) if extra else frozenset()
    if any(name.split(".", 1)[0] in roots or keys.template(name) in relatives for name in extra):
        return True
    return structure_missing(expected, comparison, inferred)


def structure_missing(expected: Sequence[Pair], comparison: Comparison, inferred: Inferred) -> bool:
    """Tell whether most of what is missing is missing as a pattern: another architecture, not a damaged file.

    A pattern is a numbered block (of at least four tensors) that is gone as a whole, or a tensor that every block
    lacks. A few missing tensors are taken for a pattern too: a variant is likelier than so little damage.
    """
    missing = {name for name, _ in comparison.body_missing if name not in inferred.explained}
    if not missing:
        return False
    sizes = Counter(place for name, _ in expected for place in blocks(name))
    instances = Counter(without_digits(name) for name, _ in expected)
    present = [name for name, _ in expected if name not in missing]
    alive = {place for name in present for place in blocks(name)} | set(map(without_digits, present))
    regular = 0
    for name in missing:
        block_gone = any(sizes[place] >= 4 and place not in alive for place in blocks(name))
        pattern = without_digits(name)
        regular += block_gone or (instances[pattern] > 1 and pattern not in alive)
    return len(missing) < FEW * len(expected) or regular > 0.5 * len(missing)


def without_digits(name: str) -> str:
    """Return the name with all digits as one sign, those inside words too (``layer1``, ``s2``)."""
    return re.sub(r"\d+", "*", name)


def blocks(name: str) -> list[str]:
    """Return the paths of the numbered blocks that a tensor lies in: every start of its name that ends in a number."""
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i, part in enumerate(parts[:-1]) if part.isdigit()]


def candidate(index: Index, weighed: Weighed, hints: list[names.NameHint], format_name: str) -> Candidate:
    """Return the record of one weighed hit, its twins settled as far as the names allow."""
    missing = weighed.hit.comparison.missing
    headless = bool(missing) and not (weighed.hit.comparison.body_missing or weighed.hit.comparison.head_found)
    chosen, reason = choose_twin(index, weighed.model, hints, "safetensors" if headless else format_name)
    if chosen.number != weighed.model.number:
        weighed = as_twin(index, weighed, chosen)
    inferred, comparison = weighed.inferred, weighed.hit.comparison
    evidence = [tensor_evidence(index, weighed), *inferred.evidence, *difference_evidence(comparison, inferred)]
    same = [SameWeights(twin_name(index.model(other), chosen), text) for other, text in index.twins(chosen.number)]
    gone = sum(name in inferred.explained for name, _ in comparison.body_missing)
    return Candidate(
        library=chosen.library,
        architecture=chosen.name,
        match="family" if weighed.kind == "body" and not accounted(comparison, inferred) else weighed.kind,
        score=comparison.share(explained_tensors(comparison, inferred), gone),
        arguments=inferred.arguments,
        same_weights=tuple(same),
        evidence=(*evidence, reason) if reason else tuple(evidence),
        prefix=weighed.hit.prefix,
    )


def accounted(comparison: Comparison, inferred: Inferred) -> bool:
    """Tell whether the architecture, built with these arguments, has exactly the checkpoint's tensors.

    A head that differs in more than the number of its classes may be that of a relative that the index does not know.
    """
    odd = [*comparison.reshaped, *comparison.unexpected, *comparison.body_missing]
    headless = len(comparison.missing) > len(comparison.body_missing)
    return len(odd) == explained_tensors(comparison, inferred) + sum(
        name in inferred.explained for name, _ in comparison.body_missing
    ) and (not headless or inferred.arguments.get("num_classes") == 0)


def explained_tensors(comparison: Comparison, inferred: Inferred) -> int:
    """Return how many reshaped or unexpected tensors the arguments account for."""
    odd = [t.name for t in comparison.reshaped] + [name for name, _ in comparison.unexpected]
    return sum(name in inferred.explained for name in odd)


def as_twin(index: Index, weighed: Weighed, twin: Model) -> Weighed:
    """Return the same hit for a twin: its names are the same, its default head and argument names may not be."""
    before = weighed.hit.comparison
    same_names = twin.library == weighed.model.library or not weighed.inferred.arguments
    if same_names and not before.missing and index.same_tensors(weighed.model.number, twin.number):
        return Weighed(weighed.hit._replace(model=twin.number), twin, weighed.inferred, weighed.kind)
    expected = index.tensors.pairs(twin.number)
    shapes = {t.name: t.found for t in before.reshaped}
    gone = {name for name, _ in before.missing}
    own = dict(index.tensors.pairs(weighed.model.number))
    found = [(name, shapes.get(name, own.get(name, shape))) for name, shape in expected if name not in gone]
    comparison = compare(expected, [*found, *before.unexpected], before.outside)
    config = index.config(twin.number) if twin.library == "transformers" else {}
    inferred = arguments.infer(twin, config, expected, comparison)
    kind: search.Kind = "body" if weighed.kind == "exact" else weighed.kind
    return Weighed(weighed.hit._replace(model=twin.number, comparison=comparison), twin, inferred, kind)


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


def difference_evidence(comparison: Comparison, inferred: Inferred) -> list[Evidence]:
    """Return what speaks against, by example."""
    told = []
    for claim, both in (("missing", comparison.missing), ("unexpected", comparison.unexpected)):
        if listed := [pair for pair in both if pair[0] not in inferred.explained]:
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
    alike = [m for m in members if index.same_tensors(model.number, m.number)]  # the head's size speaks for these
    chosen = preferred(alike, format_name)
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

    timm publishes safetensors, and it alone builds a model without its head; torchvision publishes .pth only.
    """
    first = members[0]
    same_name = {m.library: m for m in members if m.name == first.name}
    wanted = "timm" if "safetensors" in format_name else "torchvision"
    return same_name.get(wanted, first)
