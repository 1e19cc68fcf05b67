"""Preprocessing that is not what is declared is pointed out: size, range, statistics, colour order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dnnbox.harness.protocol import RunResult
from dnnbox.records.measurements import Contract, ContractField
from dnnbox.records.run import RunOutcome
from dnnbox.results.doubts import Expected, completed

EXPECTED = Expected(
    size=(224, 224),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    colour_order="RGB",
    source={"size": "config.json", "normalize": "config.json", "colour_order": "timm takes pictures as RGB"},
)
RIGHT = ContractField("x", ("N", 3, 224, 224), "float32", "NCHW", (-2.0, 2.4))
SEEN = {"colour_order": "RGB", "channel_means": [0.1, 0.0, -0.2], "source_means": [0.5, 0.46, 0.36]}


def completed_with(field: ContractField, seen: dict[str, Any], **more: Any) -> Contract:
    first = RunOutcome("infer", RunResult("infer", "3.11", findings={"inputs": {"x": seen}}), 0, 0, 1.0)
    given: dict[str, Any] = {"memory": None, "sizes": None, "sizes_reason": "", "labels": (), **more}
    return completed(Contract(inputs=(field,)), first=first, expected=EXPECTED, **given)


def test_doubts__as_declared__none() -> None:
    found = completed_with(RIGHT, SEEN)
    assert found.warnings == ()
    assert found.inputs[0].colour_order == "RGB"
    assert found.inputs[0].status["colour_order"] == "observed"


@pytest.mark.parametrize(
    ("classes", "labels", "doubted"), [(10, 2, True), (2, 2, False), (1, 2, False), (10, 0, False)]
)
def test_labels__another_number_than_classes__is_doubted(classes: int, labels: int, doubted: int) -> None:
    output = ContractField("logits", ("N", classes), "float32")
    names = tuple(f"class {number}" for number in range(labels))
    first = RunOutcome("infer", RunResult("infer", "3.11"), 0, 0, 1.0)
    given = Contract(outputs=(output,), decoded=({"kind": "classes"},))
    found = completed(given, first=first, memory=None, sizes=None, sizes_reason="", expected=EXPECTED, labels=names)
    assert ["2 labels are given for 10 classes" in one["text"] for one in found.warnings] == [True] * doubted


def test_colour_order__seen_in_a_tensor_of_unknown_layout__it_is_a_picture() -> None:
    (field,) = completed_with(replace(RIGHT, layout=None), SEEN).inputs
    assert (field.layout, field.status["layout"]) == ("NCHW", "assumed")


@pytest.mark.parametrize(
    ("field", "seen", "fact", "words"),
    [
        (RIGHT, {**SEEN, "colour_order": "BGR"}, "colour_order", "BGR, RGB is expected"),
        (replace(RIGHT, range=(0.0, 1.0)), {}, "range", "normalisation seems to be missing"),
        (replace(RIGHT, range=(0.0, 255.0)), {}, "range", "bytes that were not scaled"),
        (replace(RIGHT, shape=("N", 3, 192, 192)), SEEN, "size", "192 × 192, 224 × 224 is expected (config.json)"),
        (RIGHT, {**SEEN, "channel_means": [2.0, 2.0, 2.0]}, "statistics", "the file's colours normalised"),
    ],
)
def test_doubts__planted_mistake__is_named_with_both_values(
    field: ContractField, seen: dict[str, Any], fact: str, words: str
) -> None:
    warnings = completed_with(field, seen).warnings
    assert [warning["fact"] for warning in warnings] == [fact]
    assert words in warnings[0]["text"]


def test_completed__sizes_and_feeding_back__are_in_the_contract() -> None:
    tried = [
        {"dimension": "batch", "size": 2, "runs": True, "outputs": {"y": [2, 10]}},
        {"dimension": "height of x", "size": 16, "runs": False, "problem": "too small"},
        {"size": "many"},
    ]
    sizes = RunOutcome("sizes", RunResult("sizes", "3.11", findings={"tried": tried}), 0, 0, 1.0)
    back = {"fed_back": {"runs": True, "detail": "ran"}}
    memory = RunOutcome("memory", RunResult("memory", "3.11", findings=back), 0, 0, 1.0)
    found = completed_with(RIGHT, SEEN, sizes=sizes, memory=memory)
    assert [(one.dimension, one.size, one.runs) for one in found.sizes] == [
        ("batch", 2, True),
        ("height of x", 16, False),
    ]
    assert found.fed_back == {"runs": True, "detail": "ran"}
