"""Shapes by what a method asserts of its input."""

from __future__ import annotations

import ast
import types

import pytest

from dnnbox.harness.matching.asserting import asserted, demanded, remainders

_MODULE = types.SimpleNamespace(joints=17, config=types.SimpleNamespace(width=2), name="net")


@pytest.mark.parametrize(
    ("code", "shapes"),
    [
        (
            "assert len(x.shape) == 4 and x.shape[-2] == self.joints\nassert x.shape[-1] == self.config.width",
            [[1, 128, 17, 2], [1, 16, 17, 2], [1, 1024, 17, 2]],
        ),
        ("assert x.dim() == 2\nassert x.size(1) == 80", [[1, 80]]),
        ("assert x.shape[1] == self.joints", [[1, 17]]),
        ("assert x.ndim == 3", []),
        ("assert y.shape[1] == 80", []),
        ("assert x.shape[1] == self.name\nassert x.shape[-1] == self.absent", []),
    ],
)
def test_asserted__sizes_of_a_parameter__give_shapes_to_try(code: str, shapes: list[list[int]]) -> None:
    assert asserted(_MODULE, ast.parse(code), "x") == shapes


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("assert (x.size(2) - 1) % 8 == 0 and (x.size(3) - 1) % 8 == 0", [(8, 1)]),
        ("assert height % 32 == 0", [(32, 0)]),
        ("assert height == 32", []),
        ("assert height % self.stride == 0", []),
    ],
)
def test_remainders__sizes_that_a_method_divides__are_divisor_and_rest(code: str, found: list[tuple[int, int]]) -> None:
    assert remainders(ast.parse(code)) == found


def test_demanded__names_that_have_to_be_given__are_those_that_it_asserts_or_raises_without() -> None:
    code = """
assert (y is not None) == (self.classes is not None), "y or no classes"
if mask is None:
    raise ValueError
if other is None:
    other = 1
"""
    assert demanded(ast.parse(code)) == {"y", "mask"}
