"""Arrays that cannot fit what an ONNX file declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.errors import Usage
from dnnbox.inputs.fields import require
from dnnbox.inputs.kinds import Content
from dnnbox.records.inspection import IoField, IoHints

IO = IoHints(inputs=(IoField("image", ("N", 3, 32, 32), "float32"),))


def array(*shape: int, dtype: str = "float32") -> Content:
    return Content("tensor", "", 0.0, shape, dtype)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nobody", array(1, 3, 32, 32), "no such input"),
        (
            "image",
            array(1, 3, 16, 16),
            r"is \[1, 3, 16, 16\] float32, but .* image is \[N, 3, 32, 32\]",
        ),
        ("image", array(3, 32, 32), "but the model's image is"),
        ("", array(1, 3, 32, 32, dtype="float64"), "float64, but"),
    ],
)
def test_require__does_not_fit__is_refused_with_both(name: str, content: Content, words: str) -> None:
    with pytest.raises(Usage, match=words):
        require(Path("x.npy"), name, content, IO, "onnxruntime")


@pytest.mark.parametrize(
    ("name", "content", "io", "runtime"),
    [
        ("image", array(5, 3, 32, 32), IO, "onnxruntime"),
        ("image", Content("image"), IO, "onnxruntime"),
        ("image", array(5, 3, 16, 16), IO, "torchscript"),
        ("any", array(5), IoHints(), "onnxruntime"),
        ("image", array(5), IoHints(inputs=(IoField("image", None, "float32"),)), "onnxruntime"),
    ],
)
def test_require__fits_or_nobody_can_say__is_taken(name: str, content: Content, io: IoHints, runtime: str) -> None:
    require(Path("x.npy"), name, content, io, runtime)
