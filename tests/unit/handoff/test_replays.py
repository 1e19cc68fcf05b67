"""Comparing two runs: tensor by tensor, and what differs around them."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.cli.screens.layout import Look
from dnnbox.cli.screens.replay import replay_screen
from dnnbox.handoff.explaining import Facts, causes
from dnnbox.handoff.manifest import Expected
from dnnbox.handoff.replay_report import Replayed, headline, markdown_report
from dnnbox.handoff.replaying import filled
from dnnbox.handoff.tensors import compare
from dnnbox.handoff.timings import Timing
from dnnbox.harness.arrays import Array, difference, write_npy
from dnnbox.harness.protocol import ArrayRecord

FACTS = Facts(
    packages={"numpy": "2.0", "torch": "2.13"},
    machine={"cpu": "A", "cores_available": 2, "gpu": []},
    effective={"threads": 1},
    python="3.11.7",
    box="venv",
    sandbox="bubblewrap",
    dnnbox="0.1.0",
)


def floats(*values: float) -> Array:
    return Array("float32", (len(values),), array("f", values).tobytes())


def compared(tmp_path: Path, before: Array, now: Array) -> str:
    """Return the verdict on one output."""
    wanted = Expected("y", before.dtype, before.shape, before.sha256(), "y.npy", 1e-4, 1e-5)
    write_npy(str(tmp_path / "y.npy"), *before)
    write_npy(str(tmp_path / "now.npy"), *now)
    record = ArrayRecord("y", "output", "arrays/y.npy", now.dtype, list(now.shape), now.sha256())
    (answer,) = compare([wanted], tmp_path, [record], {"arrays/y.npy": str(tmp_path / "now.npy")})
    return answer.verdict


def test_compare__outputs__same_near_and_different(tmp_path: Path) -> None:
    base = floats(1.0, -2.0, 3.0)
    assert compared(tmp_path, base, floats(1.0, -2.0, 3.0)) == "same bits"
    assert compared(tmp_path, base, floats(1.00001, -2.0, 3.0)) == "within tolerance"
    assert compared(tmp_path, base, floats(1.01, -2.0, 3.0)) == "different"
    assert compared(tmp_path, base, floats(float("nan"), -2.0, 3.0)) == "different"
    assert compared(tmp_path, base, floats(1.0, -2.0)) == "different"
    assert compared(tmp_path, base, Array("int32", (3,), bytes(12))) == "different"


def test_compare__missing_and_added_outputs__different(tmp_path: Path) -> None:
    wanted = Expected("gone", "float32", (1,), "0" * 64)
    added = ArrayRecord("new", "output", "arrays/n.npy", "float32", [1], "1" * 64)
    ignored = ArrayRecord("x", "input", "arrays/x.npy", "float32", [1], "1" * 64)

    answers = compare([wanted], tmp_path, [added, ignored], {})

    assert [(a.name, a.verdict) for a in answers] == [("gone", "different"), ("new", "different")]


def test_difference__nan_equals_nan_and_infinity_counts() -> None:
    nan, inf = float("nan"), float("inf")
    assert difference(floats(nan, 1.0), floats(nan, 1.0), 0, 0).outside == 0
    assert difference(floats(inf, 1.0), floats(-inf, 1.0), 1e-4, 1e-5).outside == 1
    with pytest.raises(ValueError, match="is not"):
        difference(floats(1.0), floats(1.0, 2.0), 0, 0)


def test_causes__changed_package_and_machine__named_packages_first() -> None:
    now = replace(
        FACTS, packages={"numpy": "2.1", "torch": "2.13"}, machine={**FACTS.machine, "cpu": "B"}, python="3.11.9"
    )

    found = causes(FACTS, now)

    assert [cause.what for cause in found] == ["package numpy", "Python", "processor"]
    assert (found[0].before, found[0].now) == ("2.0", "2.1")
    assert not causes(FACTS, FACTS)


def test_filled__placeholders__only_whole_ones() -> None:
    places = {"@checkpoint": "/c/m.onnx", "@experiment": "/b"}
    document = {"a": "@checkpoint", "b": ["@experiment/inputs/x", "@experimental"], "c": 3}
    assert filled(document, places) == {"a": "/c/m.onnx", "b": ["/b/inputs/x", "@experimental"], "c": 3}


def test_report__only_a_package_differs__headline_names_it(tmp_path: Path) -> None:
    changed = replace(FACTS, packages={"numpy": "2.1", "torch": "2.13"})
    record = ArrayRecord("y", "output", "p", "float32", [1], "1" * 64)
    outputs = compare([Expected("y", "float32", (1,), "1" * 64)], tmp_path, [record], {})
    answer = Replayed(
        "aaaaaa", "0" * 64, "m.onnx", "f", False, outputs, Timing("same", "", 1.0, 1.0), causes(FACTS, changed)
    )

    assert "numpy 2.0 → 2.1" in headline(answer)
    assert "package numpy" in markdown_report(answer)
    screen = replay_screen(answer, folder="tmp/replay", look=Look(unicode=False))
    assert "different" in screen
    assert all(len(line) <= 100 for line in screen.splitlines())
