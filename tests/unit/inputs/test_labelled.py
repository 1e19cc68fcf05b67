"""Labelled data in its three forms, and what is wrong with the rest of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnnbox.errors import NotReadable, Usage
from dnnbox.inputs import labelled
from dnnbox.inputs.labelled import MOST_ROWS


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    return path


def test_labelled__class_folders__label_is_the_folder(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        picture(tmp_path / "pets" / name / "1.png")
    found = labelled(tmp_path / "pets")
    assert (found.form, found.goal, found.classes) == ("folders", "classes", ("cat", "dog"))
    assert [row["label"] for row in found.rows] == ["cat", "dog"]


def test_labelled__splits__the_held_out_one_is_taken_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "cat" / "1.png")
    picture(tmp_path / "val" / "cat" / "2.png")
    found = labelled(tmp_path)
    assert [Path(row["path"]).name for row in found.rows] == ["2.png"]
    assert "val" in found.notes[0]


@pytest.mark.parametrize(
    ("table", "goal"),
    [
        ("path,label\na.png,cat\nb.png,dog\n", "classes"),
        ("a.png,cat\nb.png,dog\n", "classes"),
        ("image;label\na.png;1.5\nb.png;2\n", "numbers"),
        ("image,mask\na.png,b.png\n", "masks"),
        ("image,target\na.png,b.png\n", "pictures"),
        ("audio,transcript\ns.wav,hello there\n", "transcripts"),
        ("text,label\nfine day,good\n", "classes"),
        ("sentence1,sentence2,score\na b,a c,0.8\n", "pairs"),
    ],
)
def test_labelled__table__columns_say_what_is_judged(table: str, goal: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "s.wav"):
        picture(tmp_path / name)
    (tmp_path / "rows.csv").write_text(table)
    found = labelled(tmp_path / "rows.csv")
    assert found.goal == goal
    assert found.rows


def test_labelled__coco__boxes_lie_beside_their_picture(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "1.png")
    document = {
        "images": [{"id": 7, "file_name": "1.png"}, {"id": 8, "file_name": "gone.png"}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    found = labelled(tmp_path / "annotations.json")
    assert (found.goal, len(found.rows)) == ("boxes", 1)
    assert found.rows[0]["boxes"] == [{"bbox": [1.0, 2.0, 3.0, 4.0], "category_id": 3, "iscrowd": 0}]
    assert "1 of 2" in found.notes[0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("path,label\n../out.png,cat\n", "outside"),
        ("path,label\ngone.png,cat\n", "line 2"),
        ("colour,size\nred,3\n", "columns"),
        ("path\na.png\n", "no column label"),
        ("sentence1,sentence2,score\na,b,much\n", "line 2 .* no number"),
        ("path,label\na.png,cat\na.png,\n", "line 3 of the dataset has no label"),
        ("path,label\na.png,cat\n\na.png\n", "line 4 of the dataset has no label"),
        ("path,mask\na.png,gone.png\n", "line 2 .* is not there"),
        ("path,label\n", "no rows"),
    ],
)
def test_labelled__bad_table__names_the_line(table: str, words: str, tmp_path: Path) -> None:
    picture(tmp_path / "out.png")
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "rows.csv").write_text(table)
    with pytest.raises(Usage, match=words):
        labelled(tmp_path / "in" / "rows.csv")


def test_labelled__nothing_there__is_said(tmp_path: Path) -> None:
    with pytest.raises(NotReadable, match="does not exist"):
        labelled(tmp_path / "gone")
    picture(tmp_path / "flat" / "1.png")
    with pytest.raises(Usage, match="folder per class"):
        labelled(tmp_path / "flat")
    assert labelled(tmp_path / "flat", has_own=True).goal == "own"


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"path,label\na.png,\xff\xfe\n", "no text in UTF-8"), (b'path,label\na.png,"cat\n', "end of data")],
)
def test_labelled__no_readable_table__is_said(data: bytes, words: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_bytes(data)
    with pytest.raises(NotReadable, match=words):
        labelled(tmp_path / "rows.csv")


def test_labelled__many_rows__a_seeded_sample(tmp_path: Path) -> None:
    lines = [f"sentence number {number},good" for number in range(MOST_ROWS + 5)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(lines))
    first, again = labelled(tmp_path / "rows.csv", seed=3), labelled(tmp_path / "rows.csv", seed=3)
    assert (len(first.rows), first.total) == (MOST_ROWS, MOST_ROWS + 5)
    assert first == again
    assert "seed 3" in first.notes[-1]
