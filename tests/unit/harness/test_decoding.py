"""What the runtimes do without their libraries: guesses, classes, speech segments, weights of error kinds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dnnbox.harness.failures import explain
from dnnbox.harness.protocol import InputFile, RunRequest
from dnnbox.harness.runtimes import RUNTIMES, create, guesses
from dnnbox.harness.runtimes.base import Runtime
from dnnbox.harness.runtimes.silero import speech_segments
from dnnbox.harness.runtimes.vision import Pipeline, best_classes


def layer(*shape: int, **attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(weight=SimpleNamespace(shape=shape), **attributes)


@pytest.mark.parametrize(
    ("kind", "module", "first"),
    [
        ("Conv2d", layer(8, 3, 7, 7), ("float32", (2, 3, 224, 224))),
        ("Conv2d", layer(6, 1, 3, 3, groups=6), ("float32", (2, 6, 224, 224))),
        ("Conv1d", layer(8, 1, 10), ("float32", (2, 1, 16000))),
        ("Linear", layer(10, 42), ("float32", (2, 42))),
        ("Embedding", layer(500, 16), ("int64", (2, 32))),
    ],
)
def test_guesses__first_layer__tells_the_shape(kind: str, module: Any, first: tuple[str, tuple[int, ...]]) -> None:
    found = guesses.from_layers(
        [("", "Net", SimpleNamespace()), ("norm", "LayerNorm", layer(3)), ("a", kind, module)], 2
    )
    assert (found[0].dtype, found[0].shape) == first
    assert kind in found[0].why


def test_guesses__no_layer_that_reads__none() -> None:
    assert guesses.from_layers([("", "Net", SimpleNamespace())], 1) == []


def test_best_classes__logits__softmax_and_labels() -> None:
    (decoded,) = best_classes([[0.0, 2.0, 1.0]], ["a", "b"], [InputFile("/x/cat.png", "image")])
    assert [(entry["class"], entry["label"]) for entry in decoded["top"]] == [(1, "b"), (2, None), (0, "a")]
    assert sum(entry["probability"] for entry in decoded["top"]) == pytest.approx(1, abs=1e-5)
    assert decoded["source"] == "cat.png"


def test_best_classes__probabilities__are_taken_as_such() -> None:
    (decoded,) = best_classes([[0.25, 0.75]], [], [])
    assert decoded["top"][0]["probability"] == 0.75


def test_pipeline__options__win_over_convention() -> None:
    options = {"preprocess": {"size": [32, 48], "resize": 40, "mean": [0, 0, 0], "status": "declared", "source": "a:1"}}
    made = Pipeline.of_options(options, (224, 224))
    assert (made.height, made.width, made.resize, made.mean) == (32, 48, 40, (0.0, 0.0, 0.0))
    assert (made.status, made.source) == ("declared", "a:1")
    assert Pipeline.of_options({}, (224, 224)).status == "assumed"


def test_speech_segments__short_gaps_close__short_bursts_drop() -> None:
    chances = [0.1] * 5 + [0.9] * 10 + [0.2] * 2 + [0.8] * 10 + [0.0] * 10 + [0.9] * 2 + [0.0] * 5
    (segment,) = speech_segments(chances, 0.032)
    assert (segment["start_s"], segment["end_s"]) == (0.16, 0.864)
    assert 0.7 < segment["probability"] < 0.9


@pytest.mark.parametrize("name", sorted(RUNTIMES))
def test_create__every_runtime__imports_without_its_library(name: str) -> None:
    assert isinstance(create(RunRequest("infer", name, "x")), Runtime)


def test_batches__last_one__is_filled_up_from_the_start() -> None:
    runtime = Runtime(RunRequest("infer", "adapter", "x", batch_size=2))
    assert runtime.batches(["a", "b", "c"]) == [["a", "b"], ["c", "c"]]
    tensors = [InputFile("a.npy"), InputFile("b.npy"), InputFile("c.npy")]
    assert runtime.batches(tensors) == [tensors]


@pytest.mark.parametrize(
    ("error", "stage", "kind"),
    [
        (RuntimeError("CUDA error: out of memory"), "first", "vram_oom"),
        (type("OutOfMemoryError", (RuntimeError,), {})("x"), "load", "vram_oom"),
        (RuntimeError("std::bad_alloc"), "measure", "oom"),
        (
            ImportError("AutoTokenizer requires the SentencePiece library but it was not found"),
            "load",
            "missing_module",
        ),
        (ImportError("cannot import name 'x' from 'json'"), "import", "import_failed"),
        (ModuleNotFoundError("No module named 'json.nothing'", name="json.nothing"), "import", "import_failed"),
        (ValueError("what"), "", "internal"),
    ],
)
def test_explain__foreign_exception__kind(error: Exception, stage: str, kind: str) -> None:
    assert explain(error, stage).kind == kind


def test_explain__endless_message__is_clipped_in_the_middle() -> None:
    record = explain(ValueError("a" * 9000 + "end"), "load")
    assert len(record.detail) < 2200
    assert record.detail.endswith("end")
