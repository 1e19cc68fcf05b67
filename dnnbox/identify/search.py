"""Finds the architectures of the index that a list of tensors may be: exact, body, then similarity.

Pure: tensors in, ranked :class:`Hit` out. What a hit means (arguments, twins, evidence) is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from dnnbox.identify import keys
from dnnbox.identify.compare import Comparison, compare
from dnnbox.identify.index import Index
from dnnbox.identify.keys import Pair
from dnnbox.identify.tensor_table import Tensors

Kind = Literal["exact", "body", "similar", "family"]
WHOLE_SHARE = 0.45  # a prefix that holds less of the checkpoint is a component, not the model
SHORTLIST = 24
SIMILAR_LEAST = 0.4
FAMILY_LEAST = 0.55


class Hit(NamedTuple):
    """One architecture (a model number of the index) under one prefix."""

    model: int
    prefix: str
    kind: Kind
    comparison: Comparison
    layout: float = 1.0  # share of the names, layers collapsed, that both have: what "family" rests on


def find(index: Index, pairs: Sequence[Pair]) -> list[Hit]:
    """Return hits; twins of a hit are not listed besides it.

    A match of a part (a backbone inside a detector) is followed by what the whole resembles.
    """
    prefixes = keys.prefixes([name for name, _ in pairs])
    parts = {prefix: keys.stripped(pairs, prefix) for prefix in prefixes}
    hits = exact_or_body(index, parts, len(pairs))
    if hits and not hits[0].comparison.outside:
        return hits
    known = {(hit.model, hit.prefix) for hit in hits}
    return hits + [hit for hit in similar(index, parts, len(pairs)) if (hit.model, hit.prefix) not in known]


def exact_or_body(index: Index, parts: dict[str, list[Pair]], total: int) -> list[Hit]:
    """Return the models with these names and shapes, all of them or all but the head's."""
    body: list[tuple[int, str, list[int]]] = []
    for prefix, part in parts.items():
        if len(part) < max(1, WHOLE_SHARE * total):
            continue
        everything, without_head = keys.set_hashes(part)
        if members := index.exact(everything):
            agreed = Comparison(len(part), (), (), (), total - len(part))
            return fold(index, [Hit(m, prefix, "exact", agreed) for m in members])
        if len(part) > 3 and (members := index.body(without_head)):
            body.append((len(part), prefix, members))
    if not body:
        return []
    longest = max(size for size, _, _ in body)  # under two prefixes: a backbone, and a whole that has lost its head
    found = [(prefix, members) for size, prefix, members in body if size == longest]
    return [hit for prefix, members in found for hit in ranked(index, members, prefix, parts[prefix], total, "body")]


def ranked(
    index: Index, members: Iterable[int], prefix: str, part: Sequence[Pair], total: int, kind: Kind
) -> list[Hit]:
    """Return hits for these models, the closest first and the plainest of equals; twins are folded into the first."""
    outside = total - len(part)
    hits = [Hit(m, prefix, kind, compare(index.tensors.pairs(m), part, outside)) for m in members]
    hits.sort(key=lambda hit: (-round(hit.comparison.closeness(), 6), index.model(hit.model).plainness))
    return fold(index, hits)


def fold(index: Index, hits: list[Hit]) -> list[Hit]:
    """Drop every hit that is a twin of a better one."""
    kept: list[Hit] = []
    covered: set[int] = set()
    for hit in hits:
        if hit.model not in covered:
            kept.append(hit)
            covered.update(other for other, _ in index.twins(hit.model))
    return kept


def similar(index: Index, parts: dict[str, list[Pair]], total: int) -> list[Hit]:
    """Return the closest models by their tensors, and families by their layout."""
    near: list[tuple[float, float, int, str]] = []
    large = {prefix: part for prefix, part in parts.items() if len(part) >= max(4, 0.3 * total)}
    for prefix, part in large.items():
        coverage = len(part) / total
        near += [(s * coverage, y * coverage, m, prefix) for s, y, m in overlaps(index, part)]
    found: list[Hit] = []
    for score, layout, model, prefix in nearest(near):
        part = parts[prefix]
        comparison = compare(index.tensors.pairs(model), part, total - len(part))
        if score >= 0.3 and comparison.closeness() >= SIMILAR_LEAST and comparison.same >= 4:
            found.append(Hit(model, prefix, "similar", comparison, layout * total / len(part)))
        elif layout * total / len(part) >= FAMILY_LEAST:
            found.append(Hit(model, prefix, "family", comparison, layout * total / len(part)))
    found.sort(key=lambda hit: order(index, hit, total))
    return fold(index, found)


def nearest(near: list[tuple[float, float, int, str]]) -> list[tuple[float, float, int, str]]:
    """Return the entries worth a full comparison: the best by tensors, then the best by layout, near the top only."""
    by_tensors = sorted(near, key=lambda n: (-n[0], -n[1]))[:SHORTLIST]
    by_layout = sorted(near, key=lambda n: (-n[1], -n[0]))[: SHORTLIST // 2]
    kept = [n for n in by_tensors if n[0] >= 0.8 * by_tensors[0][0]]
    kept += [n for n in by_layout if n[1] >= 0.8 * by_layout[0][1]]
    return list(dict.fromkeys(kept))


def order(index: Index, hit: Hit, total: int) -> tuple[float, ...]:
    """Return the sorting key: similar before family, then closeness, the plainest of equals."""
    coverage = 1 - 0.7 * hit.comparison.outside / total
    close = hit.comparison.closeness()
    value = close if hit.kind == "similar" else round(hit.layout * coverage, 2)
    return (hit.kind != "similar", -round(value, 6), -round(close, 3), index.model(hit.model).plainness)


def overlaps(index: Index, part: Sequence[Pair]) -> list[tuple[float, float, int]]:
    """Return (closeness, layout, model) of every model that shares a collapsed name.

    closeness is Σ min(counts) of equal (template, shape), half for an equal template, over the union; layout is the
    same with templates only, each counted once.
    """
    tensors = index.tensors
    by_template: dict[str, Counter[str]] = defaultdict(Counter)
    for name, shape in part:
        by_template[keys.template(name)]["x".join(map(str, shape))] += 1
    shared: dict[int, list[tuple[int, Counter[str]]]] = defaultdict(list)
    for template, shapes in by_template.items():
        if (number := tensors.number_of(template)) is not None:
            for model in tensors.models_with(number):
                shared[model].append((number, shapes))
    scored = []
    for model, members in shared.items():
        if model in index.hidden:
            continue
        closeness = sum(overlap(tensors, model, template, shapes) for template, shapes in members)
        union = len(part) + index.size(model) - closeness
        layout = len(members) / (len(by_template) + tensors.templates_in(model) - len(members))
        scored.append((closeness / union, layout, model))
    return scored


def overlap(tensors: Tensors, model: int, template: int, asked: Counter[str]) -> float:
    """Return how many tensors of one template both have, those with another shape as halves."""
    same = have = 0
    for shape, count in tensors.rows(model, template):
        have += count
        same += min(count, asked[shape])
    return same + 0.5 * min(have - same, asked.total() - same)
