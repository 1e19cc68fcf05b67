"""One decoded output as a block: a list of records as a table with bars, anything else as names and values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dnnbox.reports import numbers
from dnnbox.reports.blocks import Block, Cell, Column, Graphic, Pairs, Table
from dnnbox.reports.prose import NOTHING, Prose, data, say, sentences
from dnnbox.reports.speed import share_graphic

_MOST_RECORDS = 10
_MOST_BINS = 16
_LONG = 32  # characters: longer values are sentences, which need a line of their own on a phone
_MOST_COLUMNS = 6
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SCORES = ("probability", "score", "similarity", "share")
_UNTOLD = ("kind", "source", "item", "picture", "pair", "token_ids", "picture_size", "keypoint_colours")
_FIRST = ("prompt", "text", "transcript")
_NAMES = {
    "box_xyxy": "Box",
    "start_s": "From, s",
    "end_s": "To, s",
    "duration_s": "Duration, s",
    "speech_s": "Speech, s",
    "seconds": "Time, s",
    "tokens_per_s": "Tokens per second",
    "lowest": "Lowest value",
    "highest": "Highest value",
}
_EMPTY = dict.fromkeys(("objects", "boxes", "keypoints", "segments"), "nothing was found")
_DEPTH = "dark is low, bright is high; whether high is far or near is the model's own convention"


def block(entry: Mapping[str, Any], name: str) -> Block:
    """Return an entry of ``decoded``; ``name`` is the input that it is of, "" where nobody knows."""
    entry = _with_points(entry)
    listed = next(((key, value) for key, value in entry.items() if _is_records(value)), None)
    empty = next((words for key, words in _EMPTY.items() if entry.get(key) == []), "")
    rest = [
        (_name(key), data(scalar(value)))
        for key, value in sorted(entry.items(), key=lambda item: item[0] not in _FIRST)
        if key not in _UNTOLD and (listed is None or key != listed[0]) and not (empty and value == [])
    ]
    title = _title(entry, name, listed[1] if listed else ())
    if entry.get("kind") == "picture":
        rest = [("Size", say("{w} × {h} pixels", w=entry.get("width", "?"), h=entry.get("height", "?")))]
    if entry.get("kind") == "depth":
        rest.append(("Colours", data(_DEPTH)))
    if listed is None:
        return Pairs(tuple(rest) or (("Result", data(empty or "empty")),), title)
    more = len(listed[1]) > _MOST_RECORDS and listed[0] != "histogram"
    note = sentences(
        say("The first {n} of {all}.", n=_MOST_RECORDS, all=numbers.count(len(listed[1]))) if more else NOTHING,
        *(say("{name}: {value}.", name=key, value=value) for key, value in rest if key != "Output"),
    )
    if listed[0] == "histogram":
        return _histogram(listed[1], title, note)
    return _records(_kind(entry), listed[1][:_MOST_RECORDS], title, note)


def _with_points(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry with key points, each [x, y] or [x, y, score], as records with the colours they are drawn in."""
    points = entry.get("keypoints")
    if isinstance(points, list) and points and all(_is_points(group) for group in points):  # of several things
        points = [point for group in points for point in group]
    if not isinstance(points, list) or (points and not _is_points(points)):
        return entry
    colours = entry.get("keypoint_colours")
    drawn = colours if isinstance(colours, list) and len(colours) == len(points) else [""] * len(points)
    found = [
        {
            "point": number,
            **dict(zip(("x", "y", "score"), point, strict=False)),
            **({"colour": colour} if colour else {}),
        }
        for number, (point, colour) in enumerate(zip(points, drawn, strict=True), 1)
    ]
    return {**entry, "keypoints": found}


def _is_points(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    flat_ = [part for point in value if isinstance(point, list) and len(point) in (2, 3) for part in point]
    return len(flat_) >= 2 * len(value) and all(isinstance(part, int | float) for part in flat_)


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _kind(entry: Mapping[str, Any]) -> str:
    return str(entry.get("kind", "result")).replace("-", " ").replace("_", " ").capitalize()


def _name(key: object) -> str:
    return _NAMES.get(str(key)) or str(key).replace("_", " ").capitalize()


def _title(entry: Mapping[str, Any], name: str, records: Sequence[Mapping[str, Any]]) -> Prose:
    """Return the finding: what the entry says of its input."""
    kind, of = str(entry.get("kind", "")), str(entry.get("source") or name)
    first = records[0] if records else {}
    best = first.get("class") if first.get("label") is None else first["label"]
    count = numbers.count(len(records))
    if kind == "classes" and best is not None:
        return say("{name}: {best}", name=_begun(of) or "Best class", best=best)
    if kind == "tensor":
        return say("Values of {output}", output=entry.get("output", "the output"))
    if kind == "similarity":
        return say("The most alike of {n} sentences", n=entry.get("sentences", count))
    if kind == "continuation":
        return say("“{prompt}” goes on", prompt=entry.get("prompt", of))
    if kind == "picture":
        return say("What it made of {name}", name=of or "the input")
    if kind == "segmentation" and records:
        return say("{n} in {name}", n=numbers.counted(len(records), "class", "classes"), name=of or "the input")
    if things := _things(entry):
        number, noun = (count, things[0 if len(records) == 1 else 1]) if records else ("No", things[1])
        return say("{n} {noun} in {name}", n=number, noun=noun, name=of or "the input")
    words = _kind(entry)
    return say("{kind}: {name}", kind=words, name=of) if of else data(words)


def _begun(name: str) -> str:
    """Return a name as the first word of a title: a file is called as it is, our own words begin large."""
    return f"{name[:1].upper()}{name[1:]}" if name.startswith(("the ", "item ")) else name


def _things(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what one record of an entry is called, and several; None for anything but things that were found."""
    if "segments" in entry:
        of = " of speech" if entry.get("kind") == "speech-segments" else ""
        return f"stretch{of}", f"stretches{of}"
    if "keypoints" in entry:
        return "key point", "key points"
    return ("object", "objects") if "objects" in entry or "boxes" in entry else None


def _records(caption: str, records: Sequence[Mapping[str, Any]], title: Prose, note: Prose) -> Table:
    keys = list(dict.fromkeys(key for record in records for key in record))
    if all(record.get("label") is not None for record in records):  # its number says no more than the name
        keys = [key for key in keys if key != "class"]
    coloured = any(_COLOUR.fullmatch(str(record.get("colour"))) for record in records)
    keys = [key for key in keys if key != "colour"][:_MOST_COLUMNS]
    scored = next((key for key in _SCORES if key in keys), None)
    columns = [Column(_name(key), numeric=_is_numeric(records, key)) for key in keys]
    columns += [Column("", only_html=True)] * (int(coloured) + int(scored is not None))
    rows: list[tuple[Cell, ...]] = []
    for place, record in enumerate(records):
        cells: tuple[Cell, ...] = tuple(data(_value(record.get(key))) for key in keys)
        cells += (_swatch(record.get("colour")),) if coloured else ()
        rows.append((*cells, *_bar(record.get(scored), is_first=place == 0)) if scored else cells)
    has_sentences = any(len(str(value)) > _LONG for record in records for value in record.values())
    kind: Literal["stack", "fit"] = "stack" if has_sentences else "fit"
    return Table(caption, tuple(columns), tuple(rows), title, NOTHING, note, kind=kind)


def _bar(value: Any, *, is_first: bool) -> tuple[Cell, ...]:
    is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return (share_graphic(float(value), is_first=is_first),) if is_share else (NOTHING,)


def _swatch(value: Any) -> Cell:
    """Return the colour that a thing is drawn in."""
    if not _COLOUR.fullmatch(str(value)):
        return NOTHING
    return Graphic(
        f'<svg class="sw" viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" fill="{value}"/></svg>'
    )


def _histogram(bins: Sequence[Mapping[str, Any]], title: Prose, note: Prose) -> Table:
    largest = max((int(one.get("values") or 0) for one in bins), default=0) or 1
    rows: list[tuple[Cell, ...]] = []
    for one in bins[:_MOST_BINS]:
        count = int(one.get("values") or 0)
        cells = (data(_value(one.get("from"))), data(_value(one.get("to"))), data(numbers.count(count)))
        rows.append((*cells, share_graphic(count / largest, is_first=count == largest)))
    columns = (
        Column("From", numeric=True),
        Column("To", numeric=True),
        Column("Values", numeric=True),
        Column("", only_html=True),
    )
    return Table("Histogram", columns, tuple(rows), title, NOTHING, note, kind="fit")


def _is_numeric(records: Sequence[Mapping[str, Any]], key: str) -> bool:
    values = [record.get(key) for record in records if record.get(key) is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return numbers.fixed(value, 3) if abs(value) < 1000 else numbers.plain(value)
    return numbers.MISSING if value is None else scalar(value)


def flat(value: Mapping[str, Any]) -> str:
    """Return a mapping on one line: a=1, b=[0, 1]."""
    return ", ".join(f"{key}={scalar(item)}" for key, item in value.items())[:300]


def scalar(value: Any) -> str:
    """Return any JSON value on one line."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return numbers.plain(value)
    if isinstance(value, list):
        shown = ", ".join(scalar(item) for item in value[:6])
        return f"[{shown}{', …' if len(value) > 6 else ''}]"
    return f"{{{flat(value)}}}" if isinstance(value, Mapping) else str(value)
