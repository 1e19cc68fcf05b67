"""What later jobs are told of the verified inference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnnbox.harness.protocol import InputFile, RunRequest, RunResult, TensorRecord
from dnnbox.pipeline import execute
from dnnbox.records.run import RunOutcome

REQUEST = RunRequest("infer", "torchscript", "model.pt", options={"format": "torchscript", "inputs": []})
GUESSED = TensorRecord("x", "float32", ["N", 3, 64, 64], "assumed", "tried: Conv2d of layer stem")


def told(request: RunRequest, *inputs: TensorRecord) -> RunRequest:
    result = RunResult("infer", "3.11", inputs=list(inputs))
    return execute._without_guessing(request, RunOutcome("infer", result, 0, 0, 1.0))


def test_later_jobs__input_was_found_by_trying__get_its_shape() -> None:
    request = told(REQUEST, GUESSED)

    assert request.options["inputs"] == [
        {"name": "x", "shape": ["N", 3, 64, 64], "dtype": "float32", "status": "observed"}
    ]
    assert request.options["format"] == "torchscript"


@pytest.mark.parametrize(
    ("request_", "record"),
    [
        (REQUEST, replace(GUESSED, status="observed")),
        (REQUEST, replace(GUESSED, dtype="int64")),
        (replace(REQUEST, runtime="timm"), GUESSED),
        (replace(REQUEST, inputs=[InputFile("/dnnbox/inputs/x.npy")]), GUESSED),
    ],
)
def test_later_jobs__nothing_was_guessed__are_asked_as_before(request_: RunRequest, record: TensorRecord) -> None:
    assert told(request_, record) == request_
