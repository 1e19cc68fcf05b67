"""Classes of one file that explain the same names."""

from __future__ import annotations

import pytest

from dnnbox.harness.matching.rivals import rival_of

CLASSES = [
    {"ref": "code/model.py:Graph", "score": 0.9},
    {"ref": "code/model.py:Plain", "score": 0.9},
    {"ref": "code/model.py:Small", "score": 0.4},
    {"ref": "other.py:Graph", "score": 0.9},
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
