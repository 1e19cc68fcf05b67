"""Signals besides fingerprints: configs, pickled classes, key patterns, graph inputs, names, what the user states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dnnbox.identify import identify
from dnnbox.identify.families import literal
from dnnbox.records.identity import Candidate
from dnnbox.records.inspection import IoField, IoHints
from tests.unit.identify.made import claims, inspection, pairs


def by_config(**documents: Any) -> Candidate:
    metadata = {name.replace("__", "/") + ".json": content for name, content in documents.items()}
    found = identify(inspection(metadata=metadata)).best
    assert found is not None
    assert found.match == "config"
    return found


def test_config__transformers__names_the_class() -> None:
    found = by_config(config={"architectures": ["BertForSequenceClassification"], "model_type": "bert"})
    assert (found.library, found.architecture) == ("transformers", "BertForSequenceClassification")
    assert found.evidence[0].source == "config.json"


def test_config__model_type_only__takes_the_plain_class() -> None:
    assert by_config(config={"model_type": "gpt2"}).architecture == "GPT2Model"


def test_config__own_code__is_said() -> None:
    config = {"architectures": ["OddForCausalLM"], "model_type": "odd", "auto_map": {"AutoModel": "odd.Odd"}}
    assert "own code beside the weights" in claims(by_config(config=config))


def test_config__sentence_transformers__wins_over_its_transformer() -> None:
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    found = by_config(modules=modules, config={"architectures": ["BertModel"], "model_type": "bert"})
    assert (found.library, found.architecture) == ("sentence-transformers", "BertModel")
    assert found.evidence[0].detail == "Transformer → Pooling"


def test_config__timm__gives_only_arguments_that_differ() -> None:
    config = {"architecture": "resnet18", "num_classes": 10, "pretrained_cfg": {"num_classes": 10}, "model_args": {}}
    found = by_config(config=config)
    assert (found.library, found.architecture, dict(found.arguments)) == ("timm", "resnet18", {"num_classes": 10})
    plain = by_config(config=config | {"num_classes": 1000})
    assert plain.arguments == {}


@pytest.mark.parametrize(
    ("name", "content", "library", "architecture"),
    [
        ("model_index", {"_class_name": "StableDiffusionPipeline"}, "diffusers", "StableDiffusionPipeline"),
        ("adapter_config", {"peft_type": "LORA", "base_model_name_or_path": "x/y"}, "peft", "LORA"),
        ("open_clip_config", {"model_cfg": {"embed_dim": 512, "vision_cfg": {"layers": 12}}}, "open_clip", "CLIP"),
    ],
)
def test_config__other_libraries__are_named(name: str, content: Any, library: str, architecture: str) -> None:
    found = by_config(**{name: content})
    assert (found.library, found.architecture) == (library, architecture)


@pytest.mark.parametrize("config", [[], "text", {"architectures": "BertModel"}, {"architecture": 3}, {"other": 1}])
def test_config__of_another_kind__is_ignored(config: Any) -> None:
    assert identify(inspection(metadata={"config.json": config})).unknown


def test_config__gguf__names_the_architecture_and_its_sizes() -> None:
    header = {"general.architecture": "llama", "general.name": "Tiny", "llama.block_count": 22}
    found = inspection(metadata=header, format_name="gguf", framework="llama.cpp")
    (best,) = identify(found).candidates
    assert (best.library, best.architecture, best.match) == ("llama.cpp", "llama", "config")
    assert best.arguments == {"block_count": 22}
    assert best.evidence[0].detail == "Tiny"


def test_config__beside_a_standard_weights_file__is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}))
    for name, wanted in (("model.safetensors", "config"), ("epoch3.safetensors", None)):
        found = identify(inspection(path=str(tmp_path / name))).best
        assert (found.match if found else None) == wanted


def test_config__beside_but_broken__is_left_out(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert identify(inspection(path=str(tmp_path / "model.safetensors"))).unknown


def silero(*inputs: tuple[str, tuple[int | str, ...]], outputs: tuple[str, ...]) -> IoHints:
    return IoHints(
        inputs=tuple(IoField(name, shape, "float32") for name, shape in inputs),
        outputs=tuple(IoField(name) for name in outputs),
    )


@pytest.mark.parametrize(
    ("hints", "form"),
    [
        (silero(("input", ()), ("state", (2, "n", 128)), ("sr", ()), outputs=("output", "stateN")), None),
        (silero(("input", (1, 576)), ("state", (2, 1, 128)), outputs=("output", "stateN")), None),
        (
            silero(("input", ("n", 576)), ("h", (1, 1, 128)), ("c", (1, 1, 128)), outputs=("speech_probs", "hn", "cn")),
            "sequence",
        ),
    ],
)
def test_family__silero_graphs__are_known_with_their_constants(hints: IoHints, form: str | None) -> None:
    found = identify(inspection(format_name="onnx", framework="onnx", io_hints=hints)).best
    assert found is not None
    assert found.library == "silero-vad"
    assert found.arguments["sample_rate"] == 16000
    assert (found.arguments["window"], found.arguments["context"]) == (512, 64)
    assert found.arguments.get("form") == form


def test_family__another_graph_with_a_state__is_not_silero() -> None:
    hints = silero(("input", ()), ("state", (2, "n", 64)), outputs=("output", "stateN"))
    assert identify(inspection(format_name="onnx", framework="onnx", io_hints=hints)).unknown


@pytest.mark.parametrize(
    ("names", "library"),
    [
        (["_model.stft.forward_basis_buffer", "_model.decoder.rnn.weight_ih"], "silero-vad"),
        (["encoder.blocks.0.attn.query.weight", "decoder.token_embedding.weight"], "openai-whisper"),
        (["visual.conv1.weight", "transformer.resblocks.0.ln_1.weight", "logit_scale"], "clip"),
        (["image_encoder.blocks.0.attn.qkv.weight", "prompt_encoder.x", "mask_decoder.y"], "segment-anything"),
        (["model.0.conv.weight", "model.22.cv2.0.0.conv.weight"], "ultralytics"),
        (["model.0.conv.weight", "model.24.m.0.weight", "model.24.anchors"], "yolov5"),
        (["transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"], "nanogpt"),
        (["base.layers.0.q_proj.lora_A.weight", "base.layers.0.q_proj.lora_B.weight"], "peft"),
        (["model.diffusion_model.a", "first_stage_model.b", "cond_stage_model.c"], "diffusers"),
        (["tok_embeddings.weight", "layers.0.attention.wq.weight"], "llama"),
    ],
)
def test_family__key_patterns__are_recognised(names: list[str], library: str) -> None:
    found = identify(inspection([(name, (8, 8)) for name in names])).best
    assert found is not None
    assert found.library == library
    assert found.match in ("signal", "family")
    assert found.evidence


def test_family__whisper__says_its_size() -> None:
    tensors = [("encoder.blocks.0.attn.query.weight", (384, 384)), ("decoder.token_embedding.weight", (51865, 384))]
    found = identify(inspection(tensors)).best
    assert found is not None
    assert found.arguments == {"size": "tiny"}


def test_pickled_class__of_the_user__is_the_architecture() -> None:
    one = inspection(
        [("body.0.weight", (4, 4))], metadata={"top_class": "shop.nets.Net"}, needs_code=("shop.nets.Net",)
    )
    found = identify(one).best
    assert found is not None
    assert (found.library, found.architecture, found.match) == ("", "shop.nets.Net", "config")


def test_pickled_class__of_torchvision__decides_between_libraries() -> None:
    one = inspection(pairs("timm", "resnet18"), format_name="torch-legacy", needs_code=("timm.models.resnet.ResNet",))
    found = identify(one).best
    assert found is not None
    assert (found.library, found.architecture) == ("timm", "resnet18")
    assert "pickled class" in [evidence.source for evidence in found.evidence]


def test_file_name__alone__is_a_signal_and_stays_unknown() -> None:
    identity = identify(inspection(path="downloads/resnet50-v2-7.onnx", format_name="onnx", framework="onnx"))
    assert identity.unknown
    assert [(c.architecture, c.match) for c in identity.candidates] == [("resnet50", "signal")]


def test_stated_family__among_twins__goes_first() -> None:
    found = identify(inspection(pairs("timm", "resnet50")), family="timm/resnetblur50").best
    assert found is not None
    assert (found.library, found.architecture) == ("timm", "resnetblur50")
    assert found.evidence[0].source == "--family"


def test_stated_family__that_no_tensor_supports__is_taken_all_the_same() -> None:
    found = identify(inspection([("w", (1,))]), family="resnet50").best
    assert found is not None
    assert (found.library, found.architecture, found.match) == ("timm", "resnet50", "config")


def test_stated_family__unheard_of__is_passed_on() -> None:
    found = identify(inspection(), family="mynet").best
    assert found is not None
    assert (found.library, found.architecture) == ("", "mynet")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^(text\.)?transformer\.resblocks\.0\.", "transformer.resblocks.0."),
        (r"model\.\d+\.(one2one_)?cv[23]\.0\.0\.(0\.)?conv\.weight$", "conv.weight"),
        (r"^lora_(unet|te\d?)_.*\.lora_(down|up)\.weight$", ".weight"),
        (r"^colou?r\.bias$", "r.bias"),
    ],
)
def test_literal__pattern__is_the_longest_text_that_every_match_has(pattern: str, text: str) -> None:
    assert literal(pattern) == text
