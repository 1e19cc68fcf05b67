"""The tree of ``inspect --tensors``: every tensor once, totals of modules, odd names."""

from __future__ import annotations

import re

from dnnbox.cli.screens.layout import Look
from dnnbox.cli.screens.tensor_tree import tensor_tree
from dnnbox.records.inspection import TensorInfo


def shown(*tensors: TensorInfo, columns: int = 100) -> list[str]:
    lines = tensor_tree(Look(columns=columns), tensors)
    return [re.sub(r"(?<=\S) {2,}", " | ", line.replace("\u00a0", " ")).rstrip() for line in lines]


def test_tree__modules__have_the_totals_of_what_lies_below() -> None:
    lines = shown(
        TensorInfo("body.0.weight", "float32", (2, 3)),
        TensorInfo("body.0.bias", "float32", (2,)),
        TensorInfo("body.1.weight", "float16", (4,)),
        TensorInfo("head.weight", "int8", (5,)),
    )
    assert lines == [
        "all 4 tensors | 17 | 45 bytes",
        "body | 12 | 40 bytes",
        "  0 | 8 | 32 bytes",
        "    weight | float32 | [2, 3] | 6 | 24 bytes",
        "    bias | float32 | [2] | 2 | 8 bytes",
        "  1.weight | float16 | [4] | 4 | 8 bytes",
        "head.weight | int8 | [5] | 5 | 5 bytes",
    ]


def test_tree__ties__are_counted_once_and_named() -> None:
    lines = shown(TensorInfo("a", "float32", (4,)), TensorInfo("b", "float32", (4,), tied_to="a"))
    assert lines[0].endswith("| 4 | 16 bytes")
    assert lines[2] == "b | float32 | [4] | = a"


def test_tree__odd_names__lose_no_tensor() -> None:
    names = ("", ".", "a", "a.b", "a.b", "a.b.c", "x." * 40 + "y", "\x1b[31m.w")
    lines = shown(*(TensorInfo(name, "float32", (1,)) for name in names))
    assert sum("[1]" in line for line in lines) == len(names)
    assert not any("\x1b" in line for line in lines)


def test_tree__narrow_terminal__fits() -> None:
    tensors = [TensorInfo(f"encoder.layers.{n}.self_attention.weight", "float32", (1024, 1024)) for n in range(3)]
    assert all(len(line) <= 60 for line in tensor_tree(Look(columns=60), tensors))
