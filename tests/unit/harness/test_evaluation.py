"""The judges over a model that is known by heart, in a process of its own, and their formulas against known values."""

from __future__ import annotations

import math
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.evaluation.classes import macro
from dnnbox.harness.evaluation.pairs import area, pearson, ranks, spearman
from dnnbox.harness.evaluation.words import normal
from dnnbox.harness.protocol import RunRequest, RunResult
from tests.unit.harness import box

ADAPTER = """
class Adapter:
    def load(self, checkpoint, device, precision):
        self.weights = open(checkpoint).read()

    def example_inputs(self, batch_size):
        return {"x": [[0.0]]}

    def preprocess(self, paths):
        return {"x": [[float(open(path).read())] for path in paths]}

    def infer(self, inputs):
        return {"scores": [[-row[0], row[0], 0.1] for row in inputs["x"]]}

    def postprocess(self, outputs, out_dir):
        row = outputs["scores"][0]
        order = sorted(range(3), key=lambda place: -row[place])
        top = [{"class": place, "label": "abc"[place], "probability": row[place]} for place in order]
        return [{"kind": "classes", "top": top, "text": "Hello, the world"}]
"""
METRICS = """
def metrics(items):
    values = [float(item["decoded"]["top"][0]["class"] == 1) for item in items]
    return {"ones": {"values": values, "definition": "share of ones"}, "count": len(values)}
"""


def evaluate(folder: Path, items: list[dict[str, Any]], **work: Any) -> RunResult:
    (folder / "adapter.py").write_text(ADAPTER)
    (folder / "weights.txt").write_text("none")
    (folder / "mine.py").write_text(textwrap.dedent(METRICS))
    request = RunRequest(
        "evaluate",
        "adapter",
        str(folder / "weights.txt"),
        options={"adapter": str(folder / "adapter.py")},
        work={"items": items, **work},
    )
    return box.run(sys.executable, folder / "run", request).answer


def files(folder: Path, *values: float) -> list[str]:
    paths = []
    for number, value in enumerate(values):
        path = folder / f"{number}.txt"
        path.write_text(str(value))
        paths.append(str(path))
    return paths


def figure(result: RunResult, name: str) -> dict[str, Any]:
    assert result.error is None, result.error
    found: dict[str, Any] = next(entry for entry in result.findings["figures"] if entry["name"] == name)
    return found


def test_evaluate__classes__accuracy_and_f1_by_hand(tmp_path: Path) -> None:
    labels = ["1", "1", "0", "0", "2"]
    paths = files(tmp_path, 1.0, -1.0, -1.0, 1.0, 0.0)  # answers 1, 0, 0, 1, 2
    items = [{"path": path, "kind": "tensor", "label": label} for path, label in zip(paths, labels, strict=True)]
    result = evaluate(tmp_path, items, goal="classes", classes=["0", "1", "2"])
    assert (figure(result, "top1")["hits"], figure(result, "top1")["n"]) == (3, 5)
    assert figure(result, "f1_macro")["value"] == pytest.approx((0.5 + 0.5 + 1.0) / 3)
    assert figure(result, "f1_macro")["interval"][0] < figure(result, "f1_macro")["value"]
    assert [entry["right"] for entry in result.findings["answers"]] == [True, False, True, False, True]


def test_evaluate__unreadable_item__costs_itself_only(tmp_path: Path) -> None:
    items = [{"path": path, "kind": "tensor", "label": "1"} for path in (*files(tmp_path, 1.0), str(tmp_path / "gone"))]
    result = evaluate(tmp_path, items, goal="classes", classes=["0", "1", "2"])
    assert (result.findings["n"], result.findings["failed"]) == (1, 1)
    assert result.findings["failures"][0]["item"] == "gone"


def test_evaluate__own_metrics__beside_the_built_in_ones(tmp_path: Path) -> None:
    items = [{"path": path, "kind": "tensor", "label": "1"} for path in files(tmp_path, 1.0, -1.0)]
    result = evaluate(tmp_path, items, goal="classes", classes=["1"], own=str(tmp_path / "mine.py"))
    assert figure(result, "ones")["values"] == [1.0, 0.0]
    assert figure(result, "ones")["value"] == 0.5
    assert figure(result, "count")["value"] == 2
    assert figure(result, "top1")["value"] == 0.5


def test_evaluate__labels_of_another_world__are_refused_by_name(tmp_path: Path) -> None:
    items = [{"path": path, "kind": "tensor", "label": "zebra"} for path in files(tmp_path, 1.0)]
    error = evaluate(tmp_path, items, goal="classes", classes=["zebra"]).error
    assert error is not None
    assert "zebra" in error.detail


def test_evaluate__judge_without_its_library__names_the_package(tmp_path: Path) -> None:
    items = [{"path": path, "kind": "audio", "transcript": "hello"} for path in files(tmp_path, 1.0)]
    error = evaluate(tmp_path, items, goal="transcripts").error
    assert error is not None
    assert (error.kind, error.detail) == ("missing_module", "jiwer")


def test_macro__class_that_is_never_answered__counts_as_zero() -> None:
    precision, recall, f1 = macro([0, 0, 1, 2], [0, 1, 1, 1])
    assert precision == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert recall == pytest.approx((0.5 + 1 + 0) / 3)
    assert f1 == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_correlations__known_rows__by_hand() -> None:
    assert ranks([3.0, 1.0, 3.0]) == [2.5, 1.0, 2.5]
    assert pearson([1, 2, 3], [2, 4, 6]) == pytest.approx(1.0)
    assert spearman([1, 10, 100], [3, 2, 1]) == pytest.approx(-1.0)
    assert math.isnan(pearson([1, 1], [1, 2]))
    assert area([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0]) == pytest.approx(0.75)


def test_normal__punctuation_and_case__do_not_count() -> None:
    assert normal("  Hello, WORLD!  It's ") == "hello world it's"
