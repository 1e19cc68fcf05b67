"""What is told of a search that took nothing: in the skeleton, in the error, in the report."""

from __future__ import annotations

from typing import Any

from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree
from dnnbox.sources.matching import evidence, skeleton

START = {"ref": "net.py:Near", "callee": "net.py:Near", "kwargs": {"dim": 3}, "score": 0.8, "share": 0.8}
ANSWER: dict[str, Any] = {
    "matches": [
        {
            "class": "net.Net",
            "ref": "net.py:Net",
            "callee": "net.py:make",
            "kwargs": {"n": 2},
            "origin": "train.py:7",
            "tried": [],
        }
    ],
    "best": [{**START, "missing": ["a"], "unexpected": ["b"], "differing": []}, {**START, "ref": "net.py:Net"}],
    "ranked": {"net.py:Net": 1.0, "net.py:Near": 0.5, "net.py:Unbuilt": 0.4},
    "complete": False,
    "cut": ["3,000 files were not read"],
    "errors": [["net.py:Unbuilt: ImportError: \x1b[31mno module\n", 4]],
    "import_errors": ["net.py: SyntaxError"],
}
SOURCE = SourceTree(origin="given", root="src", searched=("net.py:Net", "other.py:Other"))


def test_evidence__each_class_once__what_fits_first() -> None:
    found = evidence(ANSWER, SOURCE)
    assert found[0] == "fits every tensor: net.Net by net.py:make({'n': 2}), train.py:7"
    assert found[1] == "near: net.py:Near by net.py:Near({'dim': 3}), 80% of the tensors fit"
    assert found[2] == "  lacks ['b'], has instead ['a'], differs in []"
    assert [line for line in found if "net.py:Net" in line.split(" by ")[0]] == []
    assert "explains the names: net.py:Unbuilt, 40%" in found
    assert "explains the names: other.py:Other" in found


def test_evidence__search_that_was_cut__says_so_and_is_harmless() -> None:
    found = evidence(ANSWER, SOURCE)
    assert "the search was stopped at its limit, so more may fit" in found
    assert "the source is large: 3,000 files were not read" in found
    assert not any("\x1b" in line or "\n" in line for line in found)


def test_skeleton__holds_the_same_evidence() -> None:
    text = skeleton(Inspection("m.pt", "file", "torch-zip", "pytorch", 1, "data-only"), "the class", ANSWER, SOURCE)
    compile(text, "adapter.py", "exec")
    assert all(repr(line) in text for line in evidence(ANSWER, SOURCE))
