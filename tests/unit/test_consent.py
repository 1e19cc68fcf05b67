"""What a typed line means at the one question."""

from __future__ import annotations

import pytest

from dnnbox.consent import Choice, answer_of

OFFERED = (Choice("", "run", "run"), Choice("c", "container", "container"), Choice("q", "quit", "quit"))


@pytest.mark.parametrize(
    ("line", "answer"),
    [("\n", "run"), ("y\n", "run"), (" YES\n", "run"), ("c\n", "container"), ("q\n", "quit"), ("No\n", "quit")],
)
def test_answer_of__what_people_type__is_understood(line: str, answer: str) -> None:
    assert answer_of(line, OFFERED) == answer


@pytest.mark.parametrize("line", ["x\n", "cc\n", "run\n"])
def test_answer_of__no_such_key__none(line: str) -> None:
    assert answer_of(line, OFFERED) is None


def test_answer_of__a_key_that_is_also_a_word__is_the_key() -> None:
    assert answer_of("y\n", (*OFFERED, Choice("y", "venv", "venv"))) == "venv"
