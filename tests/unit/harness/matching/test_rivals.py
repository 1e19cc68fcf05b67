"""Classes of one file that explain the same names."""

from __future__ import annotations

import pytest

from dnnbox.harness.matching.rivals import error_of, rival_of

CLASSES = [
    {"ref": "code/model.py:Graph", "score": 0.9},
    {"ref": "code/model.py:Plain", "score": 0.9},
    {"ref": "code/model.py:Small", "score": 0.4, "recipes": [{}]},
    {"ref": "other.py:Graph", "score": 0.9, "distance": 3},
    {"ref": "copy/model.py:Small", "score": 0.4, "distance": 3},
]


@pytest.mark.parametrize(
    ("origin", "built", "rival"),
    [
        ("solved from shapes", {"code/model.py:Plain"}, "code/model.py:Graph"),
        ("solved from shapes", {"code/model.py:Plain", "code/model.py:Graph"}, ""),
        ("main.py:12", {"code/model.py:Plain"}, ""),
    ],
)
def test_rival__equal_class_that_was_never_built__counts_where_only_shapes_speak(
    origin: str, built: set[str], rival: str
) -> None:
    assert rival_of(CLASSES[1], origin, CLASSES, built) == rival


def test_rival__class_of_the_same_name_elsewhere_that_was_never_built__counts_where_it_is_as_near() -> None:
    small, copied = CLASSES[2], CLASSES[4]

    assert rival_of(copied, "main.py:12", CLASSES, {str(copied["ref"])}) == small["ref"]
    assert rival_of(copied, "main.py:12", CLASSES, {str(copied["ref"]), str(small["ref"])}) == ""
    assert rival_of(copied, "main.py:12", [dict(small, recipes=[])], {str(copied["ref"])}) == ""
    assert rival_of(small, "main.py:12", CLASSES, {str(small["ref"])}) == ""  # the other one is further from scripts


def test_error__of_the_rival__is_what_its_first_build_said() -> None:
    errors = ["net.py:Graph2: other", "net.py:Graph: AttributeError: no n_users", "net.py:Graph: ValueError: x"]

    assert error_of("net.py:Graph", errors) == "AttributeError: no n_users"
    assert error_of("", errors) == error_of("net.py:Plain", errors) == ""
