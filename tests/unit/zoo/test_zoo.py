"""The zoo itself: the table and the makers are one set, and what is asked for is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.zoo import BAD, KINDS, Zoo
from tests.zoo.kinds import BY_NAME

MAKE = Path(__file__).parents[2] / "zoo" / "make.py"


def test_makers__table__are_one_set() -> None:
    decorators = [
        call
        for node in ast.walk(ast.parse(MAKE.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "maker"
    ]
    made = {argument.value for call in decorators for argument in call.args if isinstance(argument, ast.Constant)}
    assert made == set(BY_NAME)


@pytest.mark.zoo
@pytest.mark.parametrize("name", [entry.name for entry in (*KINDS, *BAD)])
def test_path__every_entry__exists(zoo: Zoo, name: str) -> None:
    assert zoo.path(name).exists()
