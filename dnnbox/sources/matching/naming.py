"""The quick part of matching: which classes of a tree may be meant by a state dict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dnnbox.records.evidence import Evidence
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree
from dnnbox.sources.matching.builders import library_builders, made_at_import
from dnnbox.sources.matching.classes import Classes
from dnnbox.sources.matching.ranking import Ranking, best_views
from dnnbox.sources.matching.reading import read_tree
from dnnbox.sources.matching.views import views_of, words_of

MOST_NAMED = 3
LEAST_SCORE = 0.2


def named(tree: SourceTree, inspection: Inspection) -> SourceTree:
    """Return the tree with the classes that explain the tensors' names best; as it is where none does."""
    if not tree.root or not inspection.tensor_list:
        return tree
    code = read_tree(Path(tree.root), words_of(inspection))
    ranked = best_views(Ranking(Classes(code)), views_of(inspection), MOST_NAMED)
    found = [each for _, each in ranked if each.score >= LEAST_SCORE]
    if not found:
        places = [f"{module.path}:{node.name}" for module, node in library_builders(code, {})]
        places += [f"{module.path}:{name}" for module, name, _ in made_at_import(code, {})]
        return replace(tree, searched=tuple(places))
    evidence = tuple(
        Evidence(
            f"{each.info.name} explains the tensors' names", each.info.place, f"score {each.score:.2f}", each.score
        )
        for each in found
    )
    refs = tuple(dict.fromkeys(each.info.ref for each in found))
    return replace(tree, searched=refs, evidence=(*tree.evidence, *evidence))
