"""What an architecture implies about inputs and outputs, and that the checkpoint's own word goes first."""

from __future__ import annotations

from typing import Any

import pytest

from dnnbox.identify import io_hints
from dnnbox.records.identity import Candidate
from dnnbox.records.inspection import IoField, IoHints
from tests.unit.identify.made import inspection


def candidate(library: str, architecture: str, **arguments: Any) -> Candidate:
    return Candidate(library, architecture, "exact", 1.0, arguments)


def test_hints__timm__gives_size_constants_and_classes() -> None:
    hints = io_hints(inspection(), candidate("timm", "resnet10t"))
    assert hints.inputs == (IoField("x", ("N", 3, 176, 176), "float32", "assumed", hints.inputs[0].source),)
    assert hints.inputs[0].source.startswith("timm 1.")
    assert hints.outputs[0].shape == ("N", 1000)
    assert (hints.modality, hints.task) == ("image", "image-classification")
    assert hints.preprocess["mean"] == [0.485, 0.456, 0.406]
    assert hints.preprocess["status"] == "assumed"


def test_hints__arguments__change_size_channels_and_classes() -> None:
    hints = io_hints(inspection(), candidate("timm", "vit_base_patch16_224", in_chans=1, img_size=96, num_classes=3))
    assert hints.inputs[0].shape == ("N", 1, 96, 96)
    assert hints.outputs[0].shape == ("N", 3)
    assert hints.preprocess["input_size"] == [1, 96, 96]


def test_hints__no_classes__is_feature_extraction() -> None:
    hints = io_hints(inspection(), candidate("timm", "convnext_atto", num_classes=0))
    assert (hints.task, hints.outputs) == ("feature-extraction", ())


@pytest.mark.parametrize(
    ("architecture", "size", "task"),
    [
        ("resnet18", 224, "image-classification"),
        ("inception_v3", 299, "image-classification"),
        ("fcn_resnet50", 224, "image-segmentation"),
        ("ssdlite320_mobilenet_v3_large", 224, "object-detection"),
    ],
)
def test_hints__torchvision__follows_the_published_weights(architecture: str, size: int, task: str) -> None:
    hints = io_hints(inspection(), candidate("torchvision", architecture))
    assert hints.inputs[0].shape == ("N", 3, size, size)
    assert hints.task == task


def test_hints__timm_config__is_declared_and_wins() -> None:
    published = {"input_size": [3, 64, 64], "mean": [0.1, 0.1, 0.1], "num_classes": 4}
    config = {"architecture": "resnet18", "pretrained_cfg": published, "label_names": ["a", "b", "c", "d"]}
    hints = io_hints(inspection(metadata={"config.json": config}), candidate("timm", "resnet18"))
    assert hints.inputs[0].shape == ("N", 3, 64, 64)
    assert (hints.inputs[0].status, hints.inputs[0].source) == ("declared", "config.json")
    assert hints.labels == ("a", "b", "c", "d")
    assert hints.preprocess["mean"] == [0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("architecture", "modality", "task", "first_input"),
    [
        ("BertForSequenceClassification", "text", "text-classification", "input_ids"),
        ("LlamaForCausalLM", "text", "text-generation", "input_ids"),
        ("BertModel", "text", "feature-extraction", "input_ids"),
        ("ViTForImageClassification", "image", "image-classification", "pixel_values"),
        ("Wav2Vec2ForCTC", "audio", "automatic-speech-recognition", "input_values"),
        ("WhisperForConditionalGeneration", "audio", "automatic-speech-recognition", "input_features"),
        ("T5ForConditionalGeneration", "text", "text2text-generation", "input_ids"),
        ("ViTModel", "image", "feature-extraction", "pixel_values"),
    ],
)
def test_hints__transformers__task_and_modality_by_class(
    architecture: str, modality: str, task: str, first_input: str
) -> None:
    hints = io_hints(inspection(), candidate("transformers", architecture))
    assert (hints.modality, hints.task, hints.inputs[0].name) == (modality, task, first_input)


def test_hints__labels__are_in_the_order_of_their_numbers() -> None:
    config = {"model_type": "bert", "id2label": {str(n): f"label {n}" for n in (10, 2, 0)}}
    hints = io_hints(
        inspection(metadata={"config.json": config}), candidate("transformers", "BertForSequenceClassification")
    )
    assert hints.labels == ("label 0", "label 2", "label 10")


def test_hints__own_declaration__is_kept() -> None:
    own = IoHints(inputs=(IoField("image", ("batch", 3, 32, 32), "float32", "observed", "graph"),), task="detection")
    hints = io_hints(inspection(io_hints=own), candidate("timm", "resnet18"))
    assert hints.inputs == own.inputs
    assert (hints.task, hints.modality) == ("detection", "image")


def test_hints__no_candidate__changes_nothing() -> None:
    own = IoHints(modality="tensor")
    assert io_hints(inspection(io_hints=own), None) == own


@pytest.mark.parametrize(("format_name", "samples"), [("onnx", 576), ("torchscript", 512)])
def test_hints__silero__window_with_context_where_no_code_adds_it(format_name: str, samples: int) -> None:
    one = candidate("silero-vad", "silero_vad", sample_rate=16000, window=512, context=64)
    hints = io_hints(inspection(format_name=format_name), one)
    assert hints.inputs[0].shape == ("N", samples)
    assert (hints.modality, hints.task) == ("audio", "voice-activity-detection")
    assert hints.preprocess["sample_rate"] == 16000
