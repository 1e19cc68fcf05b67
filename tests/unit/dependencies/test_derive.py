"""Which runtime, which packages, which options: decided by what inspection and identity say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnnbox import codec
from dnnbox.dependencies import derive
from dnnbox.errors import AdapterNeeded, Unsupported
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.identity import Candidate, Identity
from dnnbox.records.inspection import FileRole, Inspection, IoField, IoHints
from dnnbox.records.source import SourceTree

NO_SOURCE = SourceTree("none")


def file_of(kind: str, **more: Any) -> Inspection:
    return Inspection("model", "file", kind, "pytorch", 10, more.pop("verdict", "data-only"), **more)


def folder_of(config: dict[str, Any], *names: str, kind: str = "hf-directory", **documents: Any) -> Inspection:
    files = tuple(FileRole(name, "other", 1) for name in names)
    return Inspection("model", "directory", kind, "pytorch", 10, "no-code", files=files,
                      metadata={"config.json": config, **documents})  # fmt: skip


def named(library: str, architecture: str, match: str = "exact", score: float = 1.0, **more: Any) -> Identity:
    return Identity(False, (Candidate(library, architecture, match, score, **more),))  # type: ignore[arg-type]


BERT = named("transformers", "BertModel", "config")


def names(dependencies: Dependencies) -> set[str]:
    return {requirement.name for requirement in dependencies.requirements}


@pytest.mark.parametrize(
    ("inspection", "identity", "runtime"),
    [
        (file_of("onnx"), Identity(), "onnxruntime"),
        (file_of("torchscript"), Identity(), "torchscript"),
        (file_of("torchscript"), named("silero-vad", "silero_vad", "family", 0), "torchscript"),
        (file_of("torch-export"), Identity(), "torch_export"),
        (file_of("torch-zip"), named("timm", "resnet18"), "timm"),
        (file_of("torch-legacy"), named("torchvision", "resnet18", "body", 0.98), "torchvision"),
        (file_of("safetensors"), named("timm", "resnet18", "similar", 1.0), "timm"),
        (folder_of({}), BERT, "transformers"),
        (folder_of({}), named("timm", "resnet18", "config"), "timm"),
        (folder_of({}, kind="sentence-transformers"), named("sentence-transformers", "BertModel", "config"),
         "sentence_transformers"),
        (file_of("torch-zip", verdict="needs-code", needs_code=("net.Net",)), Identity(), "torch_module"),
        (file_of("torch-zip", verdict="needs-code", needs_code=("ultralytics.nn.tasks.DetectionModel",),
                 metadata={"top_class": "ultralytics.nn.tasks.DetectionModel"}), Identity(), "ultralytics"),
        (file_of("keras-v3"), Identity(), "keras"),
        (file_of("keras-h5", metadata={"model_config": {}}), Identity(), "keras"),
        (folder_of({}, kind="tf-saved-model"), Identity(), "tensorflow"),
        (folder_of({}, kind="diffusers"), named("diffusers", "DDPMPipeline", "config"), "diffusers"),
        (folder_of({}, kind="open-clip-directory"), named("open_clip", "CLIP", "config"), "open_clip"),
        (file_of("gguf"), Identity(), "llama_cpp"),
        (file_of("executorch"), Identity(), "executorch"),
        (file_of("ncnn-param"), Identity(), "ncnn"),
        (file_of("mnn"), Identity(), "mnn"),
        (folder_of({}, kind="paddle"), Identity(), "paddle"),
        (file_of("jax-export"), Identity(), "jax"),
        (file_of("tensorrt"), Identity(), "tensorrt"),
    ],
)  # fmt: skip
def test_derive__what_it_is__its_runtime(inspection: Inspection, identity: Identity, runtime: str) -> None:
    found = derive(inspection, identity, NO_SOURCE)

    assert found.runtime == runtime
    assert found.evidence[0].claim == f"runs with {runtime}"
    assert found.python.startswith(">=3")
    assert all(requirement.evidence for requirement in found.requirements)
    assert json.loads(codec.dumps(found))["options"]["format"] == inspection.format


@pytest.mark.parametrize(
    ("inspection", "identity", "said"),
    [
        (file_of("torch-zip"), Identity(), "no weights that could be read"),
        (file_of("torch-zip"), named("timm", "resnet18", "similar", 0.71), "71%"),
        (file_of("torch-zip"), named("timm", "vit", "family", 0.0), "key pattern"),
        (file_of("safetensors"), named("diffusers", "UNet", "signal", 0.0), "diffusers UNet"),
        (file_of("torch-zip"), named("", "nanogpt", "signal", 0.0), "nanogpt"),
        (folder_of({}), named("diffusers", "StableDiffusionPipeline", "config"), "diffusers"),
        (folder_of({}), Identity(), "this is a directory"),
    ],
)
def test_derive__not_enough_to_build_it__adapter_needed_with_what_is_missing(
    inspection: Inspection, identity: Identity, said: str
) -> None:
    with pytest.raises(AdapterNeeded) as caught:
        derive(inspection, identity, NO_SOURCE)

    assert said in caught.value.what
    assert "--adapter" in caught.value.hint


def test_derive__adapter_given__runs_anything_with_its_imports(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import torch\nfrom einops import rearrange\nimport helper\n")
    (tmp_path / "helper.py").write_text("import cv2\n")

    found = derive(file_of("gguf"), Identity(), NO_SOURCE, adapter=tmp_path / "mine.py")

    assert found.runtime == "adapter"
    assert names(found) == {"numpy", "torch", "einops", "opencv-python-headless"}
    assert next(r for r in found.requirements if r.name == "einops").evidence[0].source == "mine.py:2"


def test_derive__format_without_a_runtime__unsupported() -> None:
    with pytest.raises(Unsupported, match="rknn"):
        derive(file_of("rknn"), Identity(), NO_SOURCE)


def test_derive__lone_file_of_a_transformers_directory__says_give_the_directory() -> None:
    with pytest.raises(Unsupported) as caught:
        derive(file_of("safetensors"), BERT, NO_SOURCE)

    assert "directory" in caught.value.hint


def test_derive__tensorflow_weights_only__unsupported() -> None:
    files = (FileRole("tf_model.h5", "weights", 1),)

    with pytest.raises(Unsupported, match="tf_model"):
        derive(replace(folder_of({}), files=files), BERT, NO_SOURCE)


@pytest.mark.parametrize(
    ("inspection", "extra"),
    [
        (folder_of({}, "tokenizer.json", "spiece.model"), set()),
        (folder_of({}, "spiece.model"), {"sentencepiece", "protobuf"}),
        (folder_of({}, "tokenizer.model"), {"sentencepiece", "protobuf"}),
        (folder_of({}, "qwen.tiktoken"), {"tiktoken"}),
        (folder_of({"quantization_config": {"quant_method": "gptq"}}), {"gptqmodel", "accelerate"}),
        (folder_of({"use_timm_backbone": True}), {"timm", "torchvision"}),
        (folder_of({}, **{"preprocessor_config.json": {"image_processor_type": "ViTImageProcessor"}}), {"pillow"}),
        (folder_of({}, **{"preprocessor_config.json": {"feature_size": 80}}), set()),
    ],
)
def test_derive__files_of_a_transformers_directory__what_they_need(inspection: Inspection, extra: set[str]) -> None:
    plain = names(derive(folder_of({}), BERT, NO_SOURCE))

    assert names(derive(inspection, BERT, NO_SOURCE)) - plain == extra


def test_derive__image_input__pillow() -> None:
    inspection = file_of("onnx", io_hints=IoHints(modality="image"))

    assert "pillow" in names(derive(inspection, Identity(), NO_SOURCE))


def test_derive__onnx_with_custom_operators__their_package() -> None:
    inspection = file_of("onnx", metadata={"opset_import": {"": 18, "ai.onnx.contrib": 1}})

    assert "onnxruntime-extensions" in names(derive(inspection, Identity(), NO_SOURCE))


@pytest.mark.parametrize(
    ("version", "pins"), [("4.57.1", ["transformers==4.57.1"]), ("4.2.0.dev0", []), (None, []), ("evil @ x", [])]
)
def test_derive__config_says_who_wrote_it__tried_when_the_latest_fails(version: str | None, pins: list[str]) -> None:
    found = derive(folder_of({"transformers_version": version}), BERT, NO_SOURCE)

    assert [requirement.line() for requirement in found.fallback] == pins
    assert "transformers" in {r.line() for r in found.requirements}


def test_derive__pickled_module_with_source__imports_of_its_files_and_pins_beside(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch\nfrom einops import rearrange\n")
    (tmp_path / "train.py").write_text("import wandb\n")
    (tmp_path / "requirements.txt").write_text("einops==0.6.1\nwandb==0.15\ntorch==1.13.1\n")
    source = SourceTree("adjacent", str(tmp_path), ("net.Net",), ("net.py",))

    found = derive(file_of("torch-zip", verdict="needs-code", needs_code=("net.Net",)), Identity(), source)

    assert names(found) == {"torch", "numpy", "einops"}
    assert [pin.line() for pin in found.fallback] == ["einops==0.6.1", "torch==1.13.1"]
    assert found.options["classes"] == ["net.Net"]


def test_derive__class_of_a_script__the_harness_is_told_which(tmp_path: Path) -> None:
    source = SourceTree("adjacent", str(tmp_path), ("__main__.Net",), ("code/train.py",), main="code/train.py")

    found = derive(file_of("torch-zip", verdict="needs-code", needs_code=("__main__.Net",)), Identity(), source)

    assert (found.runtime, found.options["main"]) == ("torch_module", "code/train.py")
    assert "main" not in derive(file_of("onnx"), Identity(), NO_SOURCE).options


def test_derive__pickled_module_of_an_installed_library__that_library() -> None:
    inspection = file_of("torch-zip", verdict="needs-code", needs_code=("timm.models.resnet.ResNet",))

    assert "timm" in names(derive(inspection, Identity(), NO_SOURCE))


def test_derive__own_code_in_a_hub_directory__its_imports(tmp_path: Path) -> None:
    (tmp_path / "modeling_x.py").write_text("import einops\n")
    inspection = replace(
        folder_of({"auto_map": {"AutoModel": "modeling_x.X"}}),
        path=str(tmp_path),
        files=(FileRole("modeling_x.py", "code", 1),),
    )

    assert "einops" in names(derive(inspection, BERT, NO_SOURCE))


def test_derive__options__all_that_the_harness_reads() -> None:
    hints = IoHints(
        (IoField("x", ("N", 3), "float32", "declared", "header"),), (), "image", "image-classification", ("a",)
    )
    inspection = file_of("torch-zip", entry="state_dict", io_hints=hints)
    identity = named("timm", "resnet18", arguments={"num_classes": 2}, prefix="module.")

    assert derive(inspection, identity, NO_SOURCE).options == {
        "format": "torch-zip",
        "entry": "state_dict",
        "library": "timm",
        "architecture": "resnet18",
        "arguments": {"num_classes": 2},
        "prefix": "module.",
        "classes": [],
        "modality": "image",
        "task": "image-classification",
        "labels": ["a"],
        "inputs": [{"name": "x", "shape": ["N", 3], "dtype": "float32", "status": "declared", "source": "header"}],
    }


def test_derive__timm_configuration__its_image_pipeline() -> None:
    published = {"input_size": [3, 256, 256], "crop_pct": 0.9, "mean": [0.5] * 3, "interpolation": "bicubic"}

    found = derive(folder_of({"pretrained_cfg": published}), named("timm", "vit", "config"), NO_SOURCE)

    assert found.options["preprocess"] == {
        "status": "declared",
        "source": "config.json: pretrained_cfg",
        "size": [256, 256],
        "resize": 284,
        "mean": [0.5] * 3,
        "interpolation": "bicubic",
    }


def test_derive__two_reasons_for_one_package__one_requirement_with_both() -> None:
    inspection = folder_of({"use_timm_backbone": True}, **{"preprocessor_config.json": {"image_mean": [0]}})
    inspection = replace(inspection, io_hints=IoHints(modality="image"))

    (pillow,) = (r for r in derive(inspection, BERT, NO_SOURCE).requirements if r.name == "pillow")

    assert [evidence.source for evidence in pillow.evidence] == ["io hints", "preprocessor_config.json"]


@pytest.mark.parametrize(
    ("inspection", "runtime"),
    [
        (file_of("torch-zip", metadata={"meta": {"mmengine_version": "0.10.7"}}), "mmengine"),
        (file_of("nemo"), "nemo"),
        (file_of("flax-msgpack"), "flax"),
        (folder_of({}, kind="orbax"), "flax"),
        (file_of("torch-zip"), "adapter"),
    ],
)
def test_derive__adapter_given__requirements_of_the_checkpoints_library(
    tmp_path: Path, inspection: Inspection, runtime: str
) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text("class Adapter: ...\n")

    assert derive(inspection, Identity(), NO_SOURCE, adapter=adapter).runtime == runtime


def test_derive__keras_with_own_layers__adapter_needed_names_them() -> None:
    own = file_of("keras-v3", verdict="needs-code", needs_code=("mine>Scale",))

    with pytest.raises(AdapterNeeded, match="mine>Scale"):
        derive(own, Identity(), NO_SOURCE)


def test_derive__keras_weights_without_configuration__adapter_needed() -> None:
    with pytest.raises(AdapterNeeded, match="weights only"):
        derive(file_of("keras-h5"), Identity(), NO_SOURCE)


LIGHTNING = {"pytorch-lightning_version": "2.6.6"}
MODULE = "import lightning as L\n\nclass {}(L.LightningModule):\n    pass\n"


def test_derive__lightning_with_its_source__its_one_module(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text(MODULE.format("Net"))
    (tmp_path / "other.py").write_text("class Net:\n    pass\n")

    derived = derive(file_of("torch-zip", metadata=LIGHTNING), Identity(), SourceTree("given", str(tmp_path)))

    assert (derived.runtime, derived.options["classes"]) == ("lightning", ["models.net.Net"])


def test_derive__lightning_with_two_modules_or_none__adapter_needed(tmp_path: Path) -> None:
    weights = file_of("torch-zip", metadata=LIGHTNING)
    with pytest.raises(AdapterNeeded):
        derive(weights, Identity(), NO_SOURCE)
    for name in ("One", "Two"):
        (tmp_path / f"{name.lower()}.py").write_text(MODULE.format(name))
    with pytest.raises(AdapterNeeded):
        derive(weights, Identity(), SourceTree("given", str(tmp_path)))
