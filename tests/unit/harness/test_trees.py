"""Whatever a library returns becomes named arrays."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from dnnbox.harness import trees


class Pair(NamedTuple):
    """Two of anything."""

    left: Any
    right: Any


@dataclass
class Output:
    """A library's answer."""

    logits: Any
    extra: Any = None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (1.5, ["output"]),
        ([1.0, 2.0], ["output"]),
        (array("f", [1]), ["output"]),
        ({"a": 1, "b": [2]}, ["a", "b"]),
        (OrderedDict(z=1, a={"deep": [1]}), ["z", "a.deep"]),
        ((array("d"), array("d")), ["0", "1"]),
        (Pair(1, [array("b")]), ["left", "right.0"]),
        (Output([1.0]), ["logits"]),
        ([{"boxes": [[1.0]]}, {"boxes": []}], ["0.boxes"]),
    ],
)
def test_named_arrays__containers__paths_as_names(value: object, names: list[str]) -> None:
    assert [name for name, _ in trees.named_arrays(value)[0]] == names


def test_named_arrays__things_that_are_no_arrays__are_named_as_left_out() -> None:
    found, skipped = trees.named_arrays({"y": 1.0, "text": "hello", "odd": object()})
    assert [name for name, _ in found] == ["y"]
    assert skipped == ["text is a str, not an array", "odd is a object, not an array"]


def test_named_arrays__endless_nesting__ends() -> None:
    loop: dict[str, object] = {"y": 1.0}
    loop["again"] = loop
    assert trees.named_arrays(loop)[0][0][0] == "y"


def test_plain__numbers_without_json_form__become_null() -> None:
    value = {"a": float("nan"), 1: [float("inf"), {2}], "deep": object}
    assert trees.plain(value) == {"a": None, "1": [None, [2]], "deep": "<class 'object'>"}


def test_plain__long_text_and_lists__are_cut() -> None:
    assert len(trees.plain("x" * 99999)) == 10001
    assert len(trees.plain(list(range(5000)))) == 1000


def test_convert__nested_tensors__same_nesting() -> None:
    class Tensor:
        shape, dtype = (1,), "float32"

    first = Tensor()
    assert trees.convert({"a": [first, 3], "b": (first,)}, lambda _: "moved") == {"a": ["moved", 3], "b": ("moved",)}
