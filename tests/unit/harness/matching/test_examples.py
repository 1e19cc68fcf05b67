"""Calls that a source shows, as inputs."""

from __future__ import annotations

from typing import Any

import pytest

from dnnbox.harness.matching import examples


def made(name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"$call": [{"$ref": f"torch:{name}"}, list(args), kwargs]}


PAIR = {"$tuple": [2, 3]}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (made("randn", 2, 3), ["float32", [2, 3], 0]),
        (made("rand", PAIR, device="cuda"), ["float32", [2, 3], 0]),
        (made("randn", size=PAIR), ["float32", [2, 3], 0]),
        (made("zeros", 2, 3, dtype={"$ref": "torch:long"}), ["int64", [2, 3], 1]),
        (made("ones", [2, 3], dtype={"$ref": "torch:float32"}), ["float32", [2, 3], 0]),
        (made("randint", 0, 9, PAIR), ["int64", [2, 3], 9]),
        (made("randint", 9, PAIR), ["int64", [2, 3], 9]),
        (made("randint", 0, 9, size=PAIR), ["int64", [2, 3], 9]),
        (made("randint", 9, size=PAIR), ["int64", [2, 3], 9]),
        (made("randint", low=0, high=9, size=[2]), ["int64", [2], 9]),
        (made("arange", 4), ["int64", [4], 4]),
        (made("tensor", [3, 7]), ["int64", [2], 8]),
        (made("tensor", [0.5]), ["float32", [1], 0]),
        (made("Variable", made("Tensor", 2, 3)), ["float32", [2, 3], 0]),
    ],
)
def test_of_example__tensor_that_the_source_makes__is_one_of_its_kind(value: Any, wanted: list[Any]) -> None:
    example = {"method": "", "args": [value, 5], "kwargs": {}, "where": "net.py:7"}

    assert examples.of_example(example) == {
        "method": "",
        "args": [{"$tensor": wanted}, 5],
        "kwargs": {},
        "why": "as net.py:7 does",
    }


@pytest.mark.parametrize("value", [made("load", "x"), made("randn", "x"), made("randint", 9), {"$ref": "net.py:x"}])
def test_of_example__value_that_is_not_known__is_no_call(value: Any) -> None:
    assert examples.of_example({"method": "", "args": [value], "kwargs": {}, "where": "net.py:7"}) is None
