"""What the machine usually does at its best is remembered, and a broken memory does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox import paces


def test_usual__runs__quartile_of_the_last(tmp_path: Path) -> None:
    assert paces.usual(tmp_path, "cpu", 140.0) == 140.0
    for best_us in (220.0, 141.0, 230.0, 142.0, 100.0, 143.0):
        found = paces.usual(tmp_path, "cpu", best_us)
    assert found == 140.0  # a boost of once does not count
    assert paces.usual(tmp_path, "other", 90.0) == 90.0
    for _ in range(paces.KEPT):
        found = paces.usual(tmp_path, "cpu", 120.0)
    assert found == 120.0


def test_known__before_and_after_runs__the_same_quartile(tmp_path: Path) -> None:
    assert paces.known(tmp_path, "cpu") == 0.0
    told = [paces.usual(tmp_path, "cpu", best_us) for best_us in (120.0, 112.0, 131.0)][-1]
    assert paces.known(tmp_path, "cpu") == told == 112.0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cpu": 3}', '{"cpu": [null, -1, "x", true]}'])
def test_usual__broken_memory__begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "paces.json").write_text(content)
    assert paces.usual(tmp_path, "cpu", 140.0) == 140.0
    assert paces.usual(tmp_path, "cpu", 140.0) == 140.0


def test_usual__place_that_cannot_be_written__is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert paces.usual(tmp_path / "file", "cpu", 140.0) == 140.0
