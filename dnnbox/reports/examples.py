"""What the model did, item by item: the pictures that were drawn beside what the outputs mean, in words and tables."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dnnbox.records.experiment import Artifact
from dnnbox.reports import MOST_PICTURES, PICTURE_BYTES, decoded
from dnnbox.reports.blocks import Beside, Block, Gallery, Picture, Section
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, code, data, say

_MOST_ITEMS = 4
_MOST_ENTRIES = 8
_SMALL_PIXELS = 200  # a picture of fewer pixels across is enlarged without smoothing, so that its pixels are seen
_ITEM = re.compile(r"(.*)[-_](\d+)")
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))
_HALVES = ("input", "output")
_TITLES = {
    "input": "What the model saw",
    "boxes": "What it found",
    "pose": "The key points that it found",
    "mask": "What it marked",
    "depth": "The depth that it sees",
    "output": "What it made",
    "pair": "What it saw and what it made of it",
}


@dataclass(frozen=True)
class _Shown:
    """A picture and the number of the item that it is of, None for one of the whole run."""

    item: int | None
    picture: Picture


def section(outputs: Outputs, root: Path) -> Section | None:
    """Return the section; ``root`` is where the pictures among the artifacts lie."""
    names = input_names(outputs)
    shown = _pictures(outputs, root, names)
    entries = [entry for entry in outputs.contract.decoded if isinstance(entry, Mapping)]
    entries = sorted(entries, key=lambda entry: entry.get("kind") == "tensor")[:_MOST_ENTRIES]
    numbered = [(_item_of(entry, place, entries, names), entry) for place, entry in enumerate(entries)]
    items = sorted(
        {one.item for one in shown if one.item is not None} & {item for item, _ in numbered if item is not None}
    )
    blocks: list[Block] = []
    for item in items[:_MOST_ITEMS]:
        pictures = tuple(one.picture for one in shown if one.item == item)
        tables = tuple(decoded.block(entry, name_of(item, names)) for at, entry in numbered if at == item)
        blocks.append(Beside((Gallery(pictures),), tables))
    told = set(items[:_MOST_ITEMS])
    blocks += _rest(
        [one.picture for one in shown if one.item not in told],
        [decoded.block(entry, name_of(at, names)) for at, entry in numbered if at is None or at not in told],
    )
    if not blocks:
        return None
    sub = say("What the model returned for the inputs in `inputs/`. Scores are the model's own, not calibrated.")
    return Section("examples", "Examples", tuple(blocks), sub, nav="Examples")


def _rest(pictures: Sequence[Picture], tables: Sequence[Block]) -> list[Block]:
    found: list[Block] = [Gallery(tuple(pictures))] if pictures else []
    if len(tables) < 2:
        return [*found, *tables]
    half = (len(tables) + 1) // 2
    return [*found, Beside(tuple(tables[:half]), tuple(tables[half:]))]


def input_names(outputs: Outputs) -> tuple[str, ...]:
    """Return the names of the input files, in the order of the items."""
    given = outputs.params.get("inputs")
    files = [file for file in given if isinstance(file, Mapping)] if isinstance(given, list) else []
    return tuple(str(file.get("file", "")) for file in files)


def name_of(item: int | None, names: Sequence[str]) -> str:
    """Return what the item of this number is called; without files it was made up."""
    if item is None:
        return names[0] if len(names) == 1 else ""
    if not names:
        return "the made-up input"
    return names[item] if item < len(names) else f"item {item + 1}"


def _item_of(
    entry: Mapping[str, Any], place: int, entries: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> int | None:
    """Return the item that an entry is of: as it says, else its place where there is one entry for each input."""
    said = entry.get("item")
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    is_one_each = len(names) > 1 and len(entries) >= len(names) and not any("item" in one for one in entries)
    return place if is_one_each and place < len(names) else None


# -- pictures --------------------------------------------------------------------------------------------------------


def _pictures(outputs: Outputs, root: Path, names: Sequence[str]) -> list[_Shown]:
    """Return the pictures among the artifacts, PNG and JPEG by content, small enough to be embedded."""
    found: list[_Shown] = []
    for artifact in _told(outputs.artifacts):
        shown = embedded(root, artifact.path) if len(found) < MOST_PICTURES else None
        if shown is None:
            continue
        what, number = _parts(artifact)
        item = number if number >= 0 and artifact.role == "output" else _place(artifact, names)
        of = name_of(item, names) if item is not None else ""
        found.append(
            _Shown(
                item,
                Picture(
                    artifact.path,
                    data(_title(artifact, what)),
                    code(of) if of in names else data(f"({of})") if of else NOTHING,
                    shown.data_uri,
                    f"picture-{len(found) + 1}.{shown.kind}",
                    is_wide=what == "pair",
                    is_small=shown.is_small,
                ),
            )
        )
    return found


def _place(artifact: Artifact, names: Sequence[str]) -> int | None:
    name = PurePosixPath(artifact.path).name
    return names.index(name) if artifact.role == "input" and name in names else None


def _title(artifact: Artifact, what: str) -> str:
    """Return what a picture shows: its own title where it has one, else what its name says."""
    name = PurePosixPath(artifact.path)
    if artifact.role == "input":
        return f"Input, {artifact.title}" if artifact.title else "Input"
    if artifact.title and artifact.title != name.name:
        return artifact.title
    words = (what or name.stem).replace("_", " ").replace("-", " ").strip()
    return _TITLES.get(what) or words.capitalize() or artifact.role


def _told(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Return the images in the order in which they tell something: of each item what went in, then what came out.

    Where the box has drawn its inputs, the files that they were made of would only show them again; a pair shows both
    of its halves.
    """
    images = [artifact for artifact in artifacts if artifact.kind == "image"]
    drawn = {_parts(artifact) for artifact in images if artifact.role == "output"}
    if not any(what == "input" for what, _ in drawn):
        return images
    paired = {number for what, number in drawn if what == "pair"}
    kept = [
        artifact
        for artifact in images
        if artifact.role == "output" and not (_parts(artifact)[1] in paired and _parts(artifact)[0] in _HALVES)
    ]
    return sorted(kept, key=lambda artifact: (_parts(artifact)[1], _parts(artifact)[0] != "input"))


def _parts(artifact: Artifact) -> tuple[str, int]:
    """Return what a picture shows and of which item, as its name says (mask-2.png); without a number it is of all."""
    found = _ITEM.fullmatch(PurePosixPath(artifact.path).stem)
    return (found[1], int(found[2])) if found else ("", -1)


class Embedded(NamedTuple):
    """A picture as a page holds it; ``kind`` is png or jpeg."""

    data_uri: str
    kind: str
    is_small: bool


def embedded(root: Path, relative: str) -> Embedded | None:
    """Return a picture by its path in the experiment; None for what is none, or too large."""
    content, kind = _content(root, relative)
    if not content:
        return None
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Embedded(uri, kind, _width(content, kind) < _SMALL_PIXELS)


def _content(root: Path, relative: str) -> tuple[bytes, str]:
    """Return a picture's bytes and kind; inputs have a copy in ``outputs/``, which is all that a report needs."""
    kept = root / "outputs" / relative
    path = (kept if kept.is_file() else root / relative).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file() or path.stat().st_size > PICTURE_BYTES:
        return b"", ""
    content = path.read_bytes()
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), "")
    return (content, kind) if kind else (b"", "")


def _width(content: bytes, kind: str) -> int:
    """Return how many pixels a PNG is wide; JPEGs are photographs and never enlarged hard."""
    return int.from_bytes(content[16:20], "big") if kind == "png" else _SMALL_PIXELS
