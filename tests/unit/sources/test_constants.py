"""Constants around a model, read from small repositories: the value, its line, and what is left to a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dnnbox.sources.constants import Constant, constants_of

NET = "class Net:\n    pass\n"


def found(root: Path, model: str = "net.py", **files: str) -> dict[str, Constant]:
    for name, text in {"net": NET, **files}.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return constants_of(root, model)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("t = Normalize([0.1, 0.2, 0.3], [1.0, 1.0, 1.0])", "mean", [0.1, 0.2, 0.3]),
        ("t = Normalize(mean=NUMBERS, std=(0.5,) * 3)", "std", [0.5, 0.5, 0.5]),
        ("t = Compose([Resize(256), CenterCrop(224), ToTensor()])", "size", 224),
        ("t = Compose([Resize(256), CenterCrop(224), ToTensor()])", "scale", "1/255"),
        ("t = letterbox(x, new_shape=(640, 640))", "resize", "letterbox"),
        ("p.add_argument('--img-size', '--imgsz', default=640)", "size", 640),
        ("p.add_argument('--conf-thres', type=float, default=0.25)", "confidence", 0.25),
        ("p.add_argument('--iou-thres', type=float, default=0.45)", "iou", 0.45),
        ("x = cv2.resize(x, (9, 9), interpolation=cv2.INTER_CUBIC)", "interpolation", "bicubic"),
        ("x = x / 255.0", "scale", "1/255"),
        ("x = Image.open(path).convert('RGB')", "channels", "RGB"),
        ("x = cv2.imread(path)", "channels", "BGR"),
        ("x = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)", "channels", "RGB"),
        ("x = cv2.imread(path)[:, ::-1]", "channels", "BGR"),
        ("x = cv2.imread(path).transpose(2, 0, 1)[::-1]", "channels", "RGB"),
        ("x = cv2.imread(path)\norder = scores.argsort()[::-1]", "channels", "BGR"),
        ("x = cv2.imread(path)\ndef plot_it(x):\n    return x[:, :, ::-1]", "channels", "BGR"),
        ("x = cv2.imread(path)[:, :, ::-1]", "channels", "RGB"),
        ("SAMPLE_RATE = 16000", "sample_rate", 16000),
        ("enc = tiktoken.get_encoding('gpt2')", "tokenizer", "gpt2"),
        ("mean = IMAGENET_DEFAULT_MEAN", "mean", [0.485, 0.456, 0.406]),
    ],
)
def test_constants_of__one_line_of_a_script__is_read_with_its_place(
    line: str, field: str, value: Any, tmp_path: Path
) -> None:
    constants = found(tmp_path, predict=f"import net\nNUMBERS = (0.1, 0.2, 0.3)\n{line}\n")
    assert constants[field].value == value
    assert constants[field].place == "predict.py:3"
    assert not constants[field].ambiguous


def test_constants_of__training_and_use_differ__takes_what_is_done_in_use(tmp_path: Path) -> None:
    script = """import net
def transforms(image_set):
    if image_set == 'train':
        return Normalize((0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
    if image_set == 'val':
        return Normalize((0.2, 0.2, 0.2), (1.0, 1.0, 1.0))
"""
    mean = found(tmp_path, main=script)["mean"]
    assert (mean.value, mean.place, mean.ambiguous) == ([0.2, 0.2, 0.2], "main.py:6", False)


def test_constants_of__two_values_alike__is_ambiguous_and_shows_both(tmp_path: Path) -> None:
    script = "import net\na = Normalize((0.1,) * 3, (1.0,) * 3)\nb = Normalize((0.2,) * 3, (1.0,) * 3)\n"
    mean = found(tmp_path, predict=script)["mean"]
    assert mean.ambiguous
    assert mean.others == (([0.2, 0.2, 0.2], "predict.py:3"),)


def test_constants_of__channels_turned_by_a_switch__is_ambiguous(tmp_path: Path) -> None:
    script = "import net\nx = cv2.imread(path)\nif options.legacy:\n    x = x[::-1, :, :]\n"
    channels = found(tmp_path, predict=script)["channels"]
    assert (channels.value, channels.others) == ("BGR", (("RGB", "predict.py:4"),))


def test_constants_of__imported_constant__is_followed_to_its_file(tmp_path: Path) -> None:
    constants = found(
        tmp_path, demo="import net\nfrom conf.numbers import STD\nt = Normalize((0.5,) * 3, STD)\n",
        conf__numbers="STD = [0.3, 0.3, 0.3]\n",
    )  # fmt: skip
    assert constants["std"].value == [0.3, 0.3, 0.3]


def test_constants_of__entry_and_another_script__the_one_that_runs_the_model_wins(tmp_path: Path) -> None:
    constants = found(
        tmp_path,
        predict="from net import Net\nt = Normalize((0.1,) * 3, (1.0,) * 3)\n",
        train="from net import Net\nt = Normalize((0.2,) * 3, (1.0,) * 3)\n",
        other="t = Normalize((0.3,) * 3, (1.0,) * 3)\n",
    )
    assert constants["mean"].value == [0.1, 0.1, 0.1]
    assert not constants["mean"].ambiguous


def test_constants_of__only_far_from_any_script__is_marked(tmp_path: Path) -> None:
    constants = found(tmp_path, lib__data="t = Normalize((0.3,) * 3, (1.0,) * 3)\n")
    assert constants["mean"].value == [0.3, 0.3, 0.3]
    assert constants["mean"].ambiguous


def test_constants_of__configuration_in_json__has_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{\n "audio": {\n  "sampling_rate": 22050\n }\n}\n', encoding="utf-8")
    rate = found(tmp_path)["sample_rate"]
    assert (rate.value, rate.place) == (22050, "config.json:3")


def test_constants_of__nothing_there__is_empty(tmp_path: Path) -> None:
    assert found(tmp_path) == {}
