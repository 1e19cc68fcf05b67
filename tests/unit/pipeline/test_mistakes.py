"""Pictures that were answered wrong are kept, where it is sure which ones they are."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from dnnbox.errors import HostFull
from dnnbox.pipeline.mistakes import kept
from dnnbox.records.evaluation import LabelledSet, Quality
from dnnbox.reports.blocks import Beside, Gallery
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.quality import quality

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (8).to_bytes(4, "big") * 2


def dataset(folder: Path, *names: str) -> LabelledSet:
    rows: list[dict[str, Any]] = []
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
        rows.append({"path": str(path), "kind": "image", "label": path.parent.name})
    return LabelledSet(str(folder), folder.name, "folders", "classes", tuple(rows))


def wrong(item: str, label: str, **more: Any) -> dict[str, Any]:
    return {"item": item, "label": label, "answer": "other", "right": False, **more}


def test_kept__wrong_answers__first_three_have_their_picture(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", *(f"cat/{number}.png" for number in range(5)))
    answers = [{"item": "0.png", "label": "cat", "right": True}, *(wrong(f"{n}.png", "cat") for n in range(1, 5))]
    told = kept(answers, data, tmp_path / "outputs")
    assert [answer.get("picture") for answer in told] == [None, "wrong/1.png", "wrong/2.png", "wrong/3.png", None]
    assert (tmp_path / "outputs" / "wrong" / "3.png").read_bytes() == PNG


def test_kept__same_name_in_two_classes__the_label_decides(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", "cat/1.png", "dog/1.png")
    (told,) = kept([wrong("1.png", "dog")], data, tmp_path / "outputs")
    assert told["picture"] == "wrong/1.png"


def test_kept__in_doubt_or_named_by_the_box__has_none(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", "a/cat/1.png", "b/cat/1.png")
    answers = [wrong("1.png", "cat"), wrong("2.png", "cat", picture="../../secret.png")]
    assert [answer.get("picture") for answer in kept(answers, data, tmp_path / "outputs")] == [None, None]
    assert not (tmp_path / "outputs").exists()


def test_kept__full_disk__is_told_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    data = dataset(tmp_path / "data", "cat/1.png")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(HostFull, match=r"no space left while writing 1\.png"):
        kept([wrong("1.png", "cat")], data, tmp_path / "outputs")
    assert list((tmp_path / "outputs" / "wrong").iterdir()) == []


def test_quality__wrong_answer_with_a_picture__shows_both(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", "cat/1.png")
    told = kept([wrong("1.png", "cat")], data, tmp_path / "outputs")
    section = quality(Outputs(quality=Quality(n=1), predictions=told), tmp_path)
    assert section is not None
    (beside,) = (block for block in section.blocks if isinstance(block, Beside))
    (gallery,) = beside.left
    assert isinstance(gallery, Gallery)
    assert gallery.pictures[0].title.plain() == "Labelled cat, taken for other"
    assert gallery.pictures[0].data_uri.startswith("data:image/png;base64,")
