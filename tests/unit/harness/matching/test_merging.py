"""A file read over an object of settings, and what the object held before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.matching import merging
from dnnbox.harness.matching.overlaid import of_parameters, overlaid
from dnnbox.harness.matching.recorded import recorded
from dnnbox.harness.matching.standins import settings


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    merging._KEPT.clear()


def test_merge__object_without_a_way_of_its_own__gets_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("NET:\n  WIDTH: 24\n  MORE: {A: 1}\nNEW: 2\n")
    held = settings({"NET": {"WIDTH": 8, "DEPTH": 2}, "SEED": 1})

    merging.merge(held, str(tmp_path / "a.yaml"), {"NET.DEPTH": 5})

    assert held == {"NET": {"WIDTH": 24, "DEPTH": 5, "MORE": {"A": 1}}, "SEED": 1, "NEW": 2}


def test_merge__object_with_a_way_of_its_own__is_asked(tmp_path: Path) -> None:
    class Node(dict[str, Any]):
        frozen = True

        def defrost(self) -> None:
            self.frozen = False

        def merge_from_file(self, path: str) -> None:
            self["path"] = "" if self.frozen else path

    held = Node()
    merging.merge(held, "x.yaml", {})

    assert held == {"path": "x.yaml"}


class _Greedy(dict[str, Any]):
    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("kind", [settings, lambda values: _Greedy(NET=_Greedy(values["NET"]))])
def test_restore__after_a_merge__gives_back_what_was_there(kind: Any) -> None:
    held = kind({"NET": {"WIDTH": 8}})
    merging.keep(held)
    merging.merge(held, "", {"NET.WIDTH": 24})
    merging.keep(held)
    merging.restore()

    assert held == {"NET": {"WIDTH": 8}}
    assert type(held["NET"]) is type(held)


_OBJECT = {
    "ref": "cfg.py:cfg",
    "names": ["NET"],
    "open": {"NET.CLASSES": 0, "NET.NUM": 0},
    "files": ["a.yaml", "b.yaml"],
    "readers": {"net.py": 1},
}
_CONFIGS = [{"where": name, "values": {"NET": {"NUM": 3, "PRETRAIN": True}}} for name in ("x.yaml", "b.yaml", "a.yaml")]


@pytest.mark.parametrize(
    ("callee", "given", "files"),
    [
        ("net.py:Net", [{}], ["b.yaml", "a.yaml"]),
        ("make.py:make", [{}], []),
        ("make.py:make", [{}, {"cfg": {"$ref": "cfg.py:cfg"}}], ["b.yaml", "a.yaml"]),
    ],
)
def test_overlaid__what_reads_the_object__is_called_with_each_of_its_files(
    callee: str, given: list[dict[str, Any]], files: list[str]
) -> None:
    found = list(overlaid([_OBJECT], callee, given, _CONFIGS))

    assert [file for _, file in found] == files
    assert all(kwargs[merging.BEFORE]["set"] == {"NET.CLASSES": 0, "NET.PRETRAIN": False} for kwargs, _ in found)
    assert all(
        {name: value for name, value in kwargs.items() if name != merging.BEFORE} == given[-1] for kwargs, _ in found
    )


def test_of_parameters__what_reads_settings_of_the_object__may_be_the_object() -> None:
    import inspect

    gaps = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("cfg", "width")]

    assert list(of_parameters([_OBJECT], {"cfg": ["NET"], "width": ["x"]}, gaps)) == [{"cfg": {"$ref": "cfg.py:cfg"}}]


def test_recorded__going_through_settings__asks_for_all_of_them() -> None:
    taken = []
    for read in (dict, lambda held: held.copy(), lambda held: held.items(), lambda held: (lambda **k: k)(**held)):
        held = recorded({"TYPE": "Net", "NET": {"WIDTH": 8}})
        taken.append((dict(read(held)), sorted(held.__dict__["asked"])))

    assert taken == [({"TYPE": "Net", "NET": {"WIDTH": 8}}, ["NET", "TYPE"])] * 4
