"""Pictures that were answered wrong, kept beside the answers: who only sees good examples learns nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnbox import reports
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
            if file is not None:
                number += 1
                own["picture"] = f"{FOLDER}/{number}{file.suffix.lower()}"
                (outputs / FOLDER).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, outputs / own["picture"])
        told.append(own)
    return tuple(told)


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
