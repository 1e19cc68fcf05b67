"""Which match is taken, and when that is nobody's to decide."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dnnbox.errors import AdapterNeeded, RunFailed
from dnnbox.events import Silent
from dnnbox.pipeline import execute
from dnnbox.pipeline.matching import after_catalogue, decide, is_wanted, search_seconds
from dnnbox.pipeline.prepare import Prepared
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.inspection import Inspection, TensorInfo
from dnnbox.records.options import RunOptions
from dnnbox.records.source import Recipe, SourceTree


def _match(name: str, **changes: Any) -> dict[str, Any]:
    known = {"class": name, "ref": f"{name}.py:Net", "group": 0, "left_out": 0, "origin": "use.py:3", "order": 0}
    return {**known, "distance": 1, **changes}


def test_decide__one_class__is_taken() -> None:
    best, others = decide([_match("a")])

    assert best["class"] == "a"
    assert others == []


def test_decide__no_class__needs_an_adapter() -> None:
    with pytest.raises(AdapterNeeded, match="exactly these tensors"):
        decide([])


def test_decide__two_classes_with_different_outputs__asks() -> None:
    with pytest.raises(AdapterNeeded, match="outputs differ") as caught:
        decide([_match("a"), _match("b", group=1)])

    assert len(caught.value.details["choices"]) == 2


def test_decide__class_that_could_not_be_built_may_be_meant_too__asks_with_the_reason() -> None:
    match = _match("code.Plain", ref="code/model.py:Plain", rival="code/model.py:Graph", rival_error="KeyError: 'n'")

    with pytest.raises(AdapterNeeded) as caught:
        decide([match])

    assert caught.value.what == (
        "code/model.py:Plain fits every tensor, and code/model.py:Graph may too: it could not be built (KeyError: 'n')"
    )


@pytest.mark.parametrize(
    ("file_name", "taken"),
    [
        ("Wide_acc=0.9.pth", "nets.Wide"),
        ("wide_deep_0.9.pth", "nets.Wide_Deep"),
        ("best_Wide_Deep.pt", "nets.Wide_Deep"),
        ("widest.pth", ""),
        ("model_best.pth", ""),
        ("Flat.pth", ""),
    ],
)
def test_decide__several_classes__the_one_that_the_file_is_called_by(file_name: str, taken: str) -> None:
    matches = [_match("nets.Wide"), _match("nets.Wide_Deep", group=1), _match("old.Flat", group=2),
               _match("new.Flat", group=3)]  # fmt: skip

    if not taken:
        with pytest.raises(AdapterNeeded, match="4 classes fit every tensor"):
            decide(matches, file_name)
        return
    best, others = decide(matches, file_name)
    assert best["class"] == taken
    assert len(others) == 3


def test_decide__one_class_with_either_of_two_parts_that_only_the_tensors_name__asks() -> None:
    several = [
        _match("a", group=-1, origin="parts that the tensors name", kwargs={"field": {"$ref": f"b.py:{name}"}})
        for name in ("Flat", "Warped")
    ]

    with pytest.raises(AdapterNeeded, match="none of them could be run") as caught:
        decide(several)

    assert caught.value.details["choices"] == ["a (a.py:Net, b.py:Flat)", "a (a.py:Net, b.py:Warped)"]


def test_decide__class_that_the_source_builds_but_nobody_could_run__is_not_passed_over() -> None:
    actor, part = _match("actor", group=-1, origin="sac.yaml"), _match("part", origin="solved from shapes")

    with pytest.raises(AdapterNeeded, match="2 classes fit every tensor"):
        decide([part, actor])
    best, _ = decide([part, _match("actor", group=-1, origin="solved from shapes")])
    assert best["class"] == "part"


def test_decide__two_classes_with_equal_outputs__are_one() -> None:
    best, others = decide([_match("a"), _match("b")])

    assert best["class"] == "a"
    assert others == []


def test_decide__class_that_the_entry_script_imports__is_preferred_and_the_other_told() -> None:
    best, others = decide([_match("far", distance=25, group=1), _match("near", distance=0)])

    assert best["class"] == "near"
    assert len(others) == 1
    assert "far" in others[0]


def test_decide__arguments_from_shapes__give_way_to_the_sources_own() -> None:
    best, _ = decide([_match("a", origin="solved from shapes"), _match("a", group=1)])

    assert best["origin"] == "use.py:3"


def test_decide__two_classes_that_nobody_could_run__asks() -> None:
    with pytest.raises(AdapterNeeded, match="none of them could be run"):
        decide([_match("a", group=-1), _match("b", group=-1)])


def test_decide__class_that_the_source_never_builds__gives_way_to_one_that_it_does() -> None:
    best, others = decide([_match("older", origin="defaults", group=-1), _match("used", group=-1)])

    assert best["class"] == "used"
    assert "older" in others[0]


def test_decide__class_for_all_names__goes_before_one_for_which_a_prefix_is_cut() -> None:
    best, _ = decide([_match("inner", view="encoder", group=1), _match("outer", view="whole", distance=3)])

    assert best["class"] == "outer"


def test_decide__part_of_a_class_that_was_not_built__asks() -> None:
    with pytest.raises(AdapterNeeded, match=r"encoder fits a part .* net\.py:Net may hold all"):
        decide([_match("encoder", left_out=40, part_of="net.py:Net")])


@pytest.mark.parametrize("limit_s", [5.0, 60.0, 600.0])
def test_search_seconds__any_limit__leaves_time_to_answer(limit_s: float) -> None:
    assert 0 < search_seconds(limit_s) < limit_s


_NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 8)
"""


def _of_catalogue(tmp_path: Path, recipe: Recipe | None) -> Prepared:
    (tmp_path / "net.py").write_text(_NET)
    known: dict[str, Any] = dict.fromkeys(field.name for field in fields(Prepared))
    known["options"] = RunOptions("w.pt", tmp_path, adapter=tmp_path / "adapter.py")
    tensors = (TensorInfo("stem.weight", "float32", (8, 3)), TensorInfo("stem.bias", "float32", (8,)))
    known["inspection"] = Inspection("w.pt", "file", "torch-zip", "pytorch", 1, "data-only", tensor_list=tensors)
    known["source"] = SourceTree("git", root=str(tmp_path), classes=("other.Net",), recipe=recipe)
    return Prepared(**known)


def test_after_catalogue__its_adapter_does_not_load__source_is_searched(tmp_path: Path) -> None:
    prepared = _of_catalogue(tmp_path, Recipe("family", "Family", "other.Net", "other.py"))

    searched = after_catalogue(prepared, RunFailed("does not fit", details={"kind": "load_failed"}))

    assert searched is not None
    assert searched.source.searched == ("net.py:Net",)
    assert is_wanted(searched)


@pytest.mark.parametrize(
    ("family", "kind"),
    [("family", "infer_failed"), ("", "load_failed")],
    ids=["another stage", "an adapter that was found by searching"],
)
def test_after_catalogue__other_failures__are_not_searched_again(family: str, kind: str, tmp_path: Path) -> None:
    prepared = _of_catalogue(tmp_path, Recipe(family, "Family", "other.Net", "other.py"))

    assert after_catalogue(prepared, RunFailed("no", details={"kind": kind})) is None


def _search_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> tuple[Any, list[str]]:
    """Search where only an older transformers helps; returns what came out and the requirements of every try."""
    given = _of_catalogue(tmp_path, Recipe("", "", "", ""))
    needs = Dependencies("adapter", (Requirement("transformers", "", "model"),))
    prepared = replace(
        given, packages="new", dependencies=needs, source=replace(given.source, recipe=None, searched=("net.py:Net",)),
        options=replace(given.options, adapter=None),
    )  # fmt: skip
    tries: list[str] = []

    def searched(_: Any, prepared: Prepared, *__: Any) -> Prepared:
        tries.append(prepared.dependencies.requirements[0].line())
        if "<5" not in tries[-1]:
            raise AdapterNeeded("nothing fits", details={"errors": [said]})
        return prepared

    monkeypatch.setattr(execute.matching, "matched", searched)
    monkeypatch.setattr(execute, "resolved", lambda prepared, *_: prepared)
    experiment = SimpleNamespace(logs=tmp_path)
    return lambda: execute.with_match(experiment, prepared, None, Silent()), tries  # type: ignore[arg-type]


def test_with_match__library_broke_in_a_known_way__searches_again_with_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, tries = _search_again(tmp_path, monkeypatch, "'BertModel' object has no attribute 'get_head_mask'")

    search()

    assert tries == ["transformers", "transformers<5"]


def test_with_match__nothing_known_helps__the_search_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, tries = _search_again(tmp_path, monkeypatch, "ValueError: no such layer")

    with pytest.raises(AdapterNeeded):
        search()

    assert tries == ["transformers"]
