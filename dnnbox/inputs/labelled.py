"""Labelled data → rows: folders named by class, a CSV table, or a COCO annotation file. Nothing is decoded here."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox.errors import NotReadable, Usage
from dnnbox.inputs.kinds import SUFFIXES
from dnnbox.records.evaluation import LabelledSet
from dnnbox.text import visible

MOST_ROWS = 2000
_MOST_FILES = 200_000
_MOST_BYTES = 512 << 20
_SPLITS = ("val", "validation", "valid", "test", "train")
_INPUT = ("path", "file", "filename", "file_name", "image", "image_path", "audio", "audio_path", "input")
_TEXT = ("text", "sentence", "sentence1", "text1", "a")
_OTHER = ("other", "sentence2", "text2", "b", "path2")
_LABEL = ("label", "class", "target", "mask", "transcript", "reference", "score", "similarity", "y", "caption")
_PICTURES = tuple(suffix for suffix, kind in SUFFIXES.items() if kind == "image")


def labelled(path: Path, *, task: str = "", has_own: bool = False, seed: int = 0) -> LabelledSet:
    """Return the rows of ``--dataset``; above 2000 a seeded sample of them.

    Raises:
        NotReadable: there is no such file or folder, or it cannot be read.
        Usage: it is none of the forms, or its labels fit no metric.
    """
    if not path.exists():
        raise NotReadable(f"--dataset `{visible(path.name, 80)}` does not exist", hint=_FORMS, phase="inputs")
    try:
        found = _read(path, task, has_own=has_own)
    except UnicodeDecodeError as error:
        what = f"--dataset `{visible(path.name, 80)}` is no text in UTF-8"
        raise NotReadable(what, hint="save the table as UTF-8", phase="inputs") from error
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise NotReadable(f"--dataset `{visible(path.name, 80)}`: {visible(why, 120)}", phase="inputs") from error
    return _sampled(found, seed)


_FORMS = "give a folder with a folder per class, a CSV file with the columns path and label, or COCO's JSON"


def _read(path: Path, task: str, *, has_own: bool) -> LabelledSet:
    if path.is_dir():
        return _folders(path, has_own=has_own)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _table(path, task, has_own=has_own)
    if path.suffix.lower() == ".json":
        return _coco(path)
    raise _unknown(path)


def _unknown(path: Path) -> Usage:
    return Usage(f"--dataset `{visible(path.name, 80)}` is no labelled data", hint=_FORMS, phase="inputs")


def _sampled(found: LabelledSet, seed: int) -> LabelledSet:
    from dataclasses import replace

    digest = hashlib.sha256()
    for row in found.rows:
        told = {key: Path(value).name if key in _PATHS else value for key, value in row.items()}
        digest.update(json.dumps(told, sort_keys=True, default=str).encode())
    total, rows, notes = len(found.rows), found.rows, found.notes
    if total > MOST_ROWS:
        rows = tuple(random.Random(seed).sample(rows, MOST_ROWS))  # noqa: S311 - a sample, no secret
        notes = (*notes, f"{MOST_ROWS} of {total} items, drawn with seed {seed}")
    return replace(found, rows=rows, total=total, sha256=digest.hexdigest(), notes=notes)


_PATHS = ("path", "mask", "target")


# -- folders ---------------------------------------------------------------------------------------------------------


def _folders(root: Path, *, has_own: bool) -> LabelledSet:
    notes: tuple[str, ...] = ()
    inner = {entry.name.lower(): entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink()}
    split = next((name for name in _SPLITS if name in inner), "")
    if split and all(name in _SPLITS for name in inner):
        root, notes = inner[split], (f"the split {split} of {', '.join(sorted(inner))}",)
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink())
    rows: list[dict[str, Any]] = [
        {"path": str(file), "kind": kind, "label": name} for name in classes for file, kind in _files(root / name)
    ]
    if rows:
        used = tuple(sorted({str(row["label"]) for row in rows}))
        return LabelledSet(str(root), root.name, "folders", "classes", tuple(rows), tuple(classes or used), notes=notes)
    plain = tuple({"path": str(file), "kind": kind} for file, kind in _files(root))
    if plain and has_own:
        return LabelledSet(str(root), root.name, "files", "own", plain, notes=("without labels",))
    if plain:
        raise Usage(
            f"--dataset `{visible(root.name, 80)}` holds files but no folder per class, so no label is known",
            hint="give a folder per class, a CSV file or COCO's JSON; without labels, `--metrics FILE.py` judges",
            phase="inputs",
        )
    raise _unknown(root)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for number, file in enumerate(sorted(folder.iterdir())):
        if number > _MOST_FILES:
            return
        kind = SUFFIXES.get(file.suffix.lower())
        if kind in ("image", "audio", "tensor") and file.is_file() and not file.is_symlink():
            yield file, str(kind)


# -- tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Columns:
    """The columns of a table that mean something, by name; "" for one that is not there."""

    path: str
    text: str
    other: str
    label: str


def _table(path: Path, task: str, *, has_own: bool) -> LabelledSet:
    header, lines = _lines(path)
    columns = _columns([name.lower() for name in header])
    if columns is None and len(header) >= 2 and (path.parent / header[0]).is_file():
        lines.insert(0, (1, header))
        header, columns = ["path", "label", *header[2:]], _Columns("path", "", "", "label")
    if columns is None:
        raise Usage(
            f"--dataset `{visible(path.name, 80)}` has the columns {visible(', '.join(header), 120)}",
            hint="name them path and label (or text and label; a, b and score for pairs)",
            phase="inputs",
        )
    if not lines:
        raise Usage(f"--dataset `{visible(path.name, 80)}` has a header and no rows", hint=_FORMS, phase="inputs")
    names = [name.lower() for name in header]
    records = [(line, dict(zip(names, cells, strict=False))) for line, cells in lines]
    rows = [_row(path.parent, record, columns, line) for line, record in records]
    goal = "own" if has_own and not columns.label else _goal(rows, columns, task, path)
    rows = [_judged(row, goal, path.parent, line) for row, (line, _) in zip(rows, records, strict=True)]
    classes = tuple(sorted({str(row["label"]) for row in rows})) if goal == "classes" else ()
    return LabelledSet(str(path.parent), path.name, "csv", goal, tuple(rows), classes)


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the first row of a table, and the others with their line numbers; empty lines are left out."""
    if path.stat().st_size > _MOST_BYTES:
        raise Usage(f"--dataset `{visible(path.name, 80)}` is larger than 512 MiB", hint="give a part", phase="inputs")
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        delimiter = "\t" if "\t" in head and "," not in head else ";" if ";" in head and "," not in head else ","
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    if not lines:
        raise _unknown(path)
    return [name.strip() for name in lines[0][1]], lines[1:]


def _columns(names: Sequence[str]) -> _Columns | None:
    def first(known: Sequence[str]) -> str:
        return next((name for name in known if name in names), "")

    found = _Columns(first(_INPUT), first(_TEXT), first(_OTHER), first(_LABEL))
    if found.path and not found.label and found.text:
        found = _Columns(found.path, "", found.other, found.text)  # path,text: the text is the transcript
    return found if found.path or found.text else None


def _row(root: Path, record: Mapping[str, str], columns: _Columns, line: int) -> dict[str, Any]:
    row: dict[str, Any] = {"label": record.get(columns.label, "").strip()} if columns.label else {}
    if columns.label and not row["label"]:
        hint = f"fill the column {visible(columns.label, 40)}, or take the line out"
        raise Usage(f"line {line} of the dataset has no label", hint=hint, phase="inputs")
    if not columns.path:
        row["text"] = record.get(columns.text, "")
        if columns.other:
            row["other"] = record.get(columns.other, "")
        return row
    given = record.get(columns.path, "").strip()
    file = _inside(root, given, line)
    kind = SUFFIXES.get(file.suffix.lower())
    if kind not in ("image", "audio", "tensor"):
        raise Usage(
            f"line {line} of the dataset: `{visible(given, 80)}` is no image, WAV or .npy file",
            hint="convert it",
            phase="inputs",
        )
    return {**row, "path": str(file), "kind": kind}


def _inside(root: Path, given: str, line: int) -> Path:
    """Return a file of the dataset; the box sees the folder of the table and nothing above it."""
    file = root / given
    if not file.is_file() or not file.resolve().is_relative_to(root.resolve()):
        why = "is not there" if not file.exists() else "lies outside the folder of the table"
        raise Usage(
            f"line {line} of the dataset: `{visible(given, 80)}` {why}",
            hint="paths are relative to the table",
            phase="inputs",
        )
    return file


def _goal(rows: Sequence[Mapping[str, Any]], columns: _Columns, task: str, path: Path) -> str:
    if not columns.label:
        raise Usage(
            f"--dataset `{visible(path.name, 80)}` has no column label",
            hint="add one, or judge with `--metrics FILE.py`",
            phase="inputs",
        )
    labels = [str(row["label"]) for row in rows]
    if columns.other:
        return "pairs"
    if all(label.lower().endswith(_PICTURES) for label in labels):
        return "masks" if columns.label == "mask" or "segment" in task else "pictures"
    is_speech = any(word in task for word in ("speech", "transcri", "asr"))
    if is_speech or columns.label in ("transcript", "caption", "text"):
        return "transcripts"
    is_number = all(_is_number(label) for label in labels)
    if "regression" in task or (is_number and any("." in label for label in labels)):
        return "numbers"
    return "classes"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _judged(row: Mapping[str, Any], goal: str, root: Path, line: int) -> dict[str, Any]:
    """Return a row with its label where the judge looks for it."""
    changed = dict(row)
    if goal in ("masks", "pictures"):
        changed["mask" if goal == "masks" else "target"] = str(_inside(root, str(changed.pop("label")), line))
    elif goal == "transcripts":
        changed["transcript"] = changed.pop("label")
    elif goal in ("numbers", "pairs"):
        if not _is_number(str(changed["label"])):
            what = f"line {line} of the dataset: the label `{visible(str(changed['label']), 40)}` is no number"
            raise Usage(what, hint="write it as digits with a point", phase="inputs")
        changed["label"] = float(changed["label"])
    return changed


# -- COCO ------------------------------------------------------------------------------------------------------------


def _coco(path: Path) -> LabelledSet:
    if path.stat().st_size > _MOST_BYTES:
        raise Usage(f"--dataset `{visible(path.name, 80)}` is larger than 512 MiB", hint="give a part", phase="inputs")
    try:
        document = json.loads(path.read_bytes())
        images = {int(image["id"]): str(image["file_name"]) for image in document["images"]}
        categories = tuple({"id": int(c["id"]), "name": str(c["name"])} for c in document["categories"])
        boxes: dict[int, list[dict[str, Any]]] = {image: [] for image in images}
        for entry in document["annotations"]:
            corner = [float(side) for side in entry["bbox"]]
            boxes[int(entry["image_id"])].append(
                {"bbox": corner, "category_id": int(entry["category_id"]), "iscrowd": int(entry.get("iscrowd", 0))}
            )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Usage(
            f"--dataset `{visible(path.name, 80)}` is no COCO annotation file with images, categories and annotations",
            hint=_FORMS,
            phase="inputs",
        ) from error
    root = _image_folder(path, images.values())
    rows = tuple(
        {"path": str(root / name), "kind": "image", "boxes": boxes[number]}
        for number, name in sorted(images.items())
        if (root / name).is_file() and (root / name).resolve().is_relative_to(root.resolve())
    )
    missing = len(images) - len(rows)
    notes = (f"{missing} of {len(images)} pictures are not there",) if missing else ()
    return LabelledSet(str(root), path.name, "coco", "boxes", rows, categories=categories, notes=notes)


def _image_folder(path: Path, names: Any) -> Path:
    wanted = list(names)[:50]
    above = path.parent.parent
    places = [path.parent, path.parent / "images", above / "images", above]
    places += [entry for entry in sorted(above.iterdir()) if entry.is_dir()]
    for place in places:
        if any((place / name).is_file() for name in wanted):
            return place
    raise Usage(
        f"none of the pictures that `{visible(path.name, 80)}` names is there",
        hint="put them beside it, or in a folder images/",
        phase="inputs",
    )
