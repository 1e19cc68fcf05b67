"""The table of the zoo: every checkpoint that tests may ask for, and what dnnbox should say about it.

Standard library only: the maker reads it in the frameworks' environment, the tests in dnnbox's own.
File names are neutral on purpose, so that an identity has to come from the bytes and not from a name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One checkpoint. ``path`` is relative to its own folder in the zoo.

    ``identities`` holds the acceptable (library, architecture) pairs, best first; "" where the format names none.
    ``inputs`` names files under examples/ that `dnnbox run --input` takes for real input. ``verdict`` is
    inspection's risk verdict. ``real`` marks trained weights.
    """

    name: str
    path: str
    format: str
    runtime: str
    verdict: str
    identities: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()
    num_classes: int | None = None
    real: bool = False


@dataclass(frozen=True)
class Bad:
    """A broken checkpoint and the exit code that it must get. FIFOs and permissions are made by the tests."""

    name: str
    path: str
    error: str


KINDS: tuple[Kind, ...] = (
    Kind("onnx", "net.onnx", "onnx", "onnxruntime", "no-code"),
    Kind("onnx_external", "net.onnx", "onnx", "onnxruntime", "no-code"),
    Kind("torchscript", "traced.pt", "torchscript", "torchscript", "inert-known"),
    Kind("torch_export", "exported.pt2", "torch-export", "torch_export", "data-only"),
    Kind("timm_zip", "weights.pth", "torch-zip", "timm", "data-only", (("timm", "resnet10t"),), num_classes=1000),
    Kind(
        "timm_legacy",
        "weights.pth",
        "torch-legacy",
        "timm",
        "data-only",
        (("timm", "convnext_atto"),),
        num_classes=1000,
    ),
    Kind(
        "timm_safetensors",
        "weights.safetensors",
        "safetensors",
        "timm",
        "no-code",
        (("timm", "vit_tiny_patch16_224"), ("timm", "deit_tiny_patch16_224")),
        num_classes=1000,
    ),
    Kind(
        "timm_nested",
        "checkpoint.pth",
        "torch-zip",
        "timm",
        "data-only",
        (("timm", "mobilenetv3_small_050"),),
        num_classes=7,
    ),
    Kind(
        "torchvision_zip",
        "weights.pth",
        "torch-zip",
        "torchvision",
        "data-only",
        (("torchvision", "resnet18"), ("timm", "resnet18")),  # the two libraries name every tensor alike
        num_classes=1000,
    ),
    Kind(
        "torchvision_legacy",
        "weights.pth",
        "torch-legacy",
        "torchvision",
        "data-only",
        (("torchvision", "mobilenet_v3_small"),),
        num_classes=1000,
    ),
    Kind(
        "torchvision_safetensors",
        "weights.safetensors",
        "safetensors",
        "torchvision",
        "no-code",
        (("torchvision", "shufflenet_v2_x0_5"), ("torchvision", "quantized_shufflenet_v2_x0_5")),
        num_classes=1000,
    ),
    Kind(
        "hf_encoder",
        "model",
        "hf-directory",
        "transformers",
        "no-code",
        (("transformers", "BertForSequenceClassification"),),
    ),
    Kind("hf_decoder", "model", "hf-directory", "transformers", "no-code", (("transformers", "LlamaForCausalLM"),)),
    Kind(
        "hf_vision",
        "model",
        "hf-directory",
        "transformers",
        "no-code",
        (("transformers", "ViTForImageClassification"),),
    ),
    Kind(
        "minilm",
        "all-MiniLM-L6-v2",
        "sentence-transformers",
        "sentence_transformers",
        "no-code",
        (("sentence-transformers", "BertModel"),),
        inputs=("sentences.txt",),
        real=True,
    ),
    Kind("silero_onnx", "silero_vad.onnx", "onnx", "onnxruntime", "no-code", inputs=("speech.wav",), real=True),
    Kind(
        "silero_torchscript",
        "silero_vad.jit",
        "torchscript",
        "torchscript",
        "inert-known",
        inputs=("speech.wav",),
        real=True,
    ),
    Kind("pickled_module", "model.pt", "torch-zip", "torch_module", "needs-code", (("", "tinynet.model.TinyNet"),)),
)

BAD: tuple[Bad, ...] = (
    Bad("bad_empty", "empty.pt", "CORRUPT"),
    Bad("bad_truncated_zip", "truncated.pth", "CORRUPT"),
    Bad("bad_text", "text.pt", "UNSUPPORTED"),
    Bad("bad_onnx_half", "half.onnx", "CORRUPT"),
    Bad("bad_empty_directory", "directory", "UNSUPPORTED"),
)

BY_NAME: dict[str, Kind | Bad] = {entry.name: entry for entry in (*KINDS, *BAD)}
