"""The experiment report as a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dnnbox.records.experiment import Artifact
from dnnbox.reports import border, failed, profile, quality, sections, speed, summary
from dnnbox.reports.blocks import Gallery, Page, Picture, Section
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import code, data, say

_MAX_PICTURES = 6
_MAX_PICTURE_BYTES = 1_500_000
_ITEM = re.compile(r"(.*)[-_](\d+)")
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


def experiment(outputs: Outputs, root: Path) -> Page:
    """Return the page; ``root`` is where the pictures among the artifacts lie."""
    is_failed = failed.is_failed(outputs)
    found: list[Section | None] = [
        *(failed.sections(outputs) if is_failed else ()),
        sections.identity(outputs),
        speed.speed(outputs),
        profile.profile(outputs),
        speed.cold(outputs),
        border.contract(outputs),
        quality.quality(outputs),
        quality.training(outputs),
        border.examples(outputs, pictures(outputs, root)),
        sections.environment(outputs),
        sections.repeat(outputs),
        sections.definitions(outputs),
    ]
    return Page(
        kind="experiment",
        id=outputs.index.id,
        title=failed.title(outputs) if is_failed else summary.title(outputs),
        lede=failed.lede(outputs) if is_failed else summary.lede(outputs),
        eyebrow=summary.eyebrow(outputs),
        sections=tuple(section for section in found if section is not None),
        summary=summary.targets_table(outputs),
        answers=summary.answers(outputs),
        ladder=failed.ladder(outputs) if is_failed else (),
        footer=(say("Every number on this page stands in `outputs/`; the names in Definitions say where."),),
    )


def pictures(outputs: Outputs, root: Path) -> Gallery:
    """Return the pictures among the artifacts, PNG and JPEG by content, small enough to be embedded."""
    found: list[Picture] = []
    for artifact in _told(outputs.artifacts):
        if len(found) < _MAX_PICTURES:
            content, kind = _picture(root, artifact.path)
            if content:
                uri = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
                name = f"picture-{len(found) + 1}.{kind}"
                found.append(
                    Picture(artifact.path, data(artifact.title or artifact.role), code(artifact.path), uri, name)
                )
    return Gallery(tuple(found))


def _told(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Return the images in the order in which they tell something: of each item what went in, then what came out.

    Where the box has drawn its inputs, the files that they were made of would only show them again.
    """
    images = [artifact for artifact in artifacts if artifact.kind == "image"]
    has_drawn = any(_item(artifact)[0] == "input" for artifact in images if artifact.role == "output")
    kept = [artifact for artifact in images if artifact.role != "input" or not has_drawn]
    return sorted(kept, key=lambda artifact: (_item(artifact)[1], _item(artifact)[0] != "input")) if has_drawn else kept


def _item(artifact: Artifact) -> tuple[str, int]:
    """Return what a picture shows and of which item, as its name says (mask-2.png); without a number it is of all."""
    found = _ITEM.fullmatch(PurePosixPath(artifact.path).stem)
    return (found[1], int(found[2])) if found else ("", -1)


def _picture(root: Path, relative: str) -> tuple[bytes, str]:
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file() or path.stat().st_size > _MAX_PICTURE_BYTES:
        return b"", ""
    content = path.read_bytes()
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), "")
    return (content, kind) if kind else (b"", "")
