"""Composite checkpoints are split by component, each with what is known of it."""

from __future__ import annotations

from dnnbox.identify import identify
from tests.unit.identify import made

SINGLE_FILE = [
    ("model.diffusion_model.input_blocks.0.0.weight", (320, 4, 3, 3)),
    ("model.diffusion_model.output_blocks.0.0.in_layers.0.weight", (320,)),
    ("first_stage_model.encoder.down.0.block.0.norm1.weight", (128,)),
    ("first_stage_model.decoder.up.0.block.0.norm1.weight", (128,)),
    ("cond_stage_model.transformer.text_model.embeddings.position_ids", (1, 77)),
    ("cond_stage_model.transformer.text_model.final_layer_norm.bias", (768,)),
]


def test_components__single_file_diffusion__denoiser_autoencoder_and_text() -> None:
    found = identify(made.inspection(SINGLE_FILE)).components
    assert [(part.name, part.prefix, part.tensors) for part in found] == [
        ("denoiser", "model.diffusion_model.", 2),
        ("text encoder", "cond_stage_model.", 2),
        ("autoencoder", "first_stage_model.", 2),
    ]
    assert found[0].architecture == "diffusion U-Net (original layout)"
    assert found[0].parameters == 320 * 4 * 9 + 320


def test_components__backbone_of_a_library__is_named_by_its_tensors() -> None:
    vision = [(f"vision_tower.{name}", shape) for name, shape in made.pairs("torchvision", "resnet18")]
    others = [("language_model.a.weight", (2, 3)), ("language_model.b.weight", (2,)), ("logit_scale", ())]
    found = identify(made.inspection([*vision, *others])).components
    assert [part.name for part in found] == ["vision encoder", "language model"]
    assert (found[0].architecture, found[0].match) == ("resnet18", "exact")
    assert (found[1].library, found[1].architecture) == ("", "")


def test_components__multimodal_config__names_its_parts() -> None:
    config = {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "vision_config": {"model_type": "clip_vision_model"},
        "text_config": {"model_type": "llama"},
    }
    tensors = [(f"{part}.{n}.weight", (4, 4)) for part in ("vision_tower", "language_model") for n in range(3)]
    identity = identify(made.inspection(tensors, metadata={"config.json": config}))
    assert {part.name: part.architecture for part in identity.components} == {
        "vision encoder": "clip_vision_model",
        "language model": "llama",
    }


def test_components__diffusers_directory__by_the_configuration_of_each() -> None:
    metadata = {
        "components": {"unet": "diffusers.UNet2DConditionModel", "text_encoder": "transformers.CLIPTextModel"},
        "unet/config.json": {"_class_name": "UNet2DConditionModel"},
        "text_encoder/config.json": {"architectures": ["CLIPTextModel"]},
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
    }
    tensors = [("unet.a.weight", (9, 9)), ("text_encoder.b.weight", (2, 2))]
    found = identify(made.inspection(tensors, metadata=metadata, format_name="diffusers")).components
    assert [(part.name, part.library, part.architecture, part.match) for part in found] == [
        ("unet", "diffusers", "UNet2DConditionModel", "config"),
        ("text_encoder", "transformers", "CLIPTextModel", "config"),
    ]


def test_components__diffusers_without_their_configs__by_the_pipelines_index() -> None:
    index = {"_class_name": "Pipe", "unet": ["diffusers", "UNet2DModel"]}
    metadata = {"components": {"unet": "diffusers.UNet2DModel"}, "model_index.json": index}
    tensors = [("unet.a.weight", (9, 9))]
    (part,) = identify(made.inspection(tensors, metadata=metadata, format_name="diffusers")).components
    assert (part.library, part.architecture, part.match) == ("diffusers", "UNet2DModel", "config")


def test_components__one_model__has_none() -> None:
    assert identify(made.inspection(made.pairs("timm", "vit_tiny_patch16_224"))).components == ()


def test_timm_config__before_pretrained_cfg__is_named() -> None:
    config = {"architecture": "resnet18", "num_classes": 7, "num_features": 512, "input_size": [3, 224, 224]}
    best = identify(made.inspection(metadata={"config.json": config})).best
    assert best is not None
    assert (best.library, best.architecture, best.arguments) == ("timm", "resnet18", {"num_classes": 7})
