"""Decoded outputs as blocks: what people read of key points, depth and long lists."""

from __future__ import annotations

from typing import Any

from dnnbox.reports import decoded
from dnnbox.reports.blocks import Cell, Graphic, Pairs, Table
from dnnbox.reports.prose import Prose


def plain(cell: Cell) -> str:
    assert isinstance(cell, Prose)
    return cell.plain()


def table(entry: dict[str, Any]) -> Table:
    block = decoded.block(entry, "a.png")
    assert isinstance(block, Table)
    return block


def test_block__key_points__are_a_table_in_the_colours_of_the_picture() -> None:
    entry = {"keypoints": [[8.25, 9, 0.9], [16, 17, 0.1]], "keypoint_colours": ["#009e73", ""], "picture": "pose-0.png"}
    found = table(entry)
    assert found.title.plain() == "2 key points in a.png"
    assert [column.title for column in found.columns] == ["Point", "X", "Y", "Score", "", ""]
    assert [plain(cell) for cell in found.rows[0][:4]] == ["1", "8.250", "9", "0.900"]
    assert isinstance(found.rows[0][4], Graphic)
    assert not found.rows[1][4]


def test_block__no_key_points__says_so() -> None:
    found = decoded.block({"keypoints": []}, "a.png")
    assert isinstance(found, Pairs)
    assert found.title.plain() == "No key points in a.png"
    assert [(name, value.plain()) for name, value in found.items] == [("Result", "nothing was found")]


def test_block__key_points_of_several_people__are_one_table() -> None:
    found = table({"keypoints": [[[1, 2, 0.5], [3, 4, 0.5]], [[5, 6, 0.5]]]})
    assert [plain(row[1]) for row in found.rows] == ["1", "3", "5"]


def test_block__key_points_that_nobody_understands__are_shown_as_they_are() -> None:
    found = decoded.block({"keypoints": [["left", "right"]]}, "a.png")
    assert isinstance(found, Pairs)
    assert dict(found.items)["Keypoints"].plain() == "[[left, right]]"


def test_block__depth__says_what_the_colours_mean_and_no_more() -> None:
    found = decoded.block({"kind": "depth", "lowest": 1.5, "highest": 5.25, "picture": "depth-0.png"}, "a.png")
    assert isinstance(found, Pairs)
    items = {name: value.plain() for name, value in found.items}
    assert (items["Lowest value"], items["Highest value"]) == ("1.5", "5.25")
    assert "convention" in items["Colours"]


def test_block__more_records_than_are_shown__says_how_many() -> None:
    boxes = [{"label": "cat", "score": 0.5, "box_xyxy": [0, 0, 1, 1]}] * 30
    found = table({"kind": "boxes", "boxes": boxes})
    assert len(found.rows) == 10
    assert found.note.plain() == "The first 10 of 30."
