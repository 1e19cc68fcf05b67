"""Which fits count: a part, or what holds the part."""

from __future__ import annotations

import types

import pytest

from dnnbox.harness.matching import search
from dnnbox.harness.matching.building import Fit
from dnnbox.harness.matching.weights import Shapes


def test_fuller__function_for_a_part_returns_the_whole__fits_all_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [{"name": "whole", "prefix": ""}, {"name": "base", "prefix": "base."}]
    wanted: dict[str, Shapes] = {"whole": {"base.w": (2,)}, "base": {"w": (2,)}}
    found = object.__new__(search.Search)
    found.plan = {"views": views}
    monkeypatch.setattr(found, "wanted", lambda view: wanted[view["name"]], raising=False)
    monkeypatch.setattr(search, "best_fit", lambda shapes, made: (Fit(shapes, made), ""))

    view, fit, _ = found._fuller(views[1], {"base.w": (2,)}, Fit(wanted["base"], {"base.w": (2,)}), "")

    assert view["name"] == "whole"
    assert fit is not None
    assert fit.strict


@pytest.mark.parametrize(
    ("view", "whole_score", "is_enough"),
    [
        ("whole", 0.9, True),
        ("part", 0.7, False),
        ("part", 0.1, True),
        ("most", 0.9, False),
        ("most", 0.7, False),
        ("most", 0.4, True),
        ("prefixed", 0.9, False),
    ],
)
def test_is_found__part_of_what_another_class_explains_better__is_not_enough(
    view: str, whole_score: float, is_enough: bool
) -> None:
    found = object.__new__(search.Search)
    sizes = {"whole": (100, 0), "part": (60, 40), "most": (95, 5), "prefixed": (100, 0)}
    views = [{"name": name, "count": count, "left_out": out} for name, (count, out) in sizes.items()]
    found.views = {each["name"]: each for each in views}
    found.plan = {"classes": [{"ref": "net.py:Net", "view": "whole", "score": whole_score}]}
    found.strict = [types.SimpleNamespace(view=found.views[view], entry={"ref": "part.py:Part", "score": 0.8})]  # type: ignore[list-item]

    assert found._is_found() is is_enough
