"""Pictures that were answered wrong, kept beside the answers: who only sees good examples learns nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnbox import reports
from dnnbox.files import copying
from dnnbox.records.evaluation import LabelledSet

FOLDER = "wrong"
"""Under ``outputs/``, because reports are made from there alone."""


def kept(answers: Sequence[Mapping[str, Any]], dataset: LabelledSet | None, outputs: Path) -> tuple[Any, ...]:
    """Return the answers, the first wrong ones with ``picture``: where a copy of theirs lies, under ``outputs``."""
    told: list[Any] = []
    number = 0
    for answer in answers:
        own = {key: value for key, value in answer.items() if key != "picture"}  # the box names no file of the host
        if dataset is not None and answer.get("right") is False and number < reports.MOST_WRONG:
            file = _file(answer, dataset)
            name = f"{FOLDER}/{number + 1}{file.suffix.lower()}" if file is not None else ""
            if file is not None and _copied(file, outputs / name):
                number += 1
                own["picture"] = name
        told.append(own)
    return tuple(told)


def _copied(picture: Path, target: Path) -> bool:
    """Copy one picture; False where it can no longer be read. Raises HostFull, HostPermission."""
    try:
        with copying(picture, target, durable=False) as (file, copy):
            shutil.copyfileobj(file, copy)
    except OSError:
        return False
    return True


def _file(answer: Mapping[str, Any], dataset: LabelledSet) -> Path | None:
    """Return the picture that an answer is of, where its name and its label leave no doubt which one that is."""
    said = (str(answer.get("item", "")), str(answer.get("label", "")))
    files = [
        Path(row["path"])
        for row in dataset.rows
        if row.get("kind") == "image" and (Path(row["path"]).name, str(row.get("label"))) == said
    ]
    is_small = len(files) == 1 and files[0].is_file() and files[0].stat().st_size <= reports.PICTURE_BYTES
    return files[0] if is_small else None
