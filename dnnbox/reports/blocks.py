"""What a page is made of. Reports build these; the templates turn the same blocks into HTML and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dnnbox.reports.prose import NOTHING, Prose

State = Literal["met", "missed", "unknown", ""]


@dataclass(frozen=True)
class Graphic:
    """Inline SVG made by figures.py; Markdown leaves it out, because the number stands beside it."""

    svg: str

    def __html__(self) -> str:
        return self.svg


@dataclass(frozen=True)
class Status:
    """A word with its symbol."""

    state: State
    word: str


@dataclass(frozen=True)
class Chip:
    """Where a fact is known from."""

    status: Literal["observed", "declared", "stated", "assumed"]
    source: str = ""


Cell = Prose | Status | Chip | Graphic


@dataclass(frozen=True)
class Column:
    """``numeric`` columns are right-aligned; ``only_html`` ones hold graphics."""

    title: str
    numeric: bool = False
    only_html: bool = False


@dataclass(frozen=True)
class Table:
    """``is_folded`` ones open on a click on a page, under their title or caption; Markdown shows them as they are."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: Prose = NOTHING
    measured: Prose = NOTHING
    note: Prose = NOTHING
    kind: Literal["", "fit", "notes", "stack", "stack tgt"] = "stack"
    is_folded: bool = False

    @property
    def text_columns(self) -> tuple[Column, ...]:
        """The columns that Markdown shows."""
        return tuple(column for column in self.columns if not column.only_html)

    @property
    def text_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells that Markdown shows."""
        return tuple(
            tuple(cell for cell, column in zip(row, self.columns, strict=True) if not column.only_html)
            for row in self.rows
        )


@dataclass(frozen=True)
class Figure:
    """``variants`` are (size class, SVG) for the page; ``file`` is the stand-alone SVG under reports/figures/."""

    name: str
    title: Prose
    measured: Prose
    variants: tuple[tuple[str, str], ...]
    file: str
    alt: str
    caption: Prose = NOTHING

    @property
    def is_wide(self) -> bool:
        return any(size == "l" for size, _ in self.variants)


@dataclass(frozen=True)
class Picture:
    """An output of the model as a picture: ``path`` relative to the experiment, ``data_uri`` for the HTML page."""

    path: str
    title: Prose
    text: Prose
    data_uri: str
    name: str  # file name under reports/figures/
    is_wide: bool = False  # two pictures beside each other in one
    is_small: bool = False  # few pixels: enlarged without smoothing


@dataclass(frozen=True)
class Gallery:
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Article:
    """Running text as HTML that was made here from Markdown, without markup of the writer's own; pages in HTML only."""

    html: str

    def __html__(self) -> str:
        return self.html


@dataclass(frozen=True)
class Pairs:
    """Names and values."""

    items: tuple[tuple[str, Prose], ...]
    title: Prose = NOTHING
    measured: Prose = NOTHING


@dataclass(frozen=True)
class Step:
    text: Prose
    command: str = ""


@dataclass(frozen=True)
class Steps:
    items: tuple[Step, ...]
    title: Prose = NOTHING
    measured: Prose = NOTHING


@dataclass(frozen=True)
class Lines:
    """Words of a log or a list of commands. ``label`` says whose words they are."""

    label: str
    lines: tuple[str, ...]
    marked: int = -1  # the line that holds the cause
    title: Prose = NOTHING
    measured: Prose = NOTHING
    note: Prose = NOTHING


@dataclass(frozen=True)
class Words:
    paragraphs: tuple[Prose, ...]
    title: Prose = NOTHING
    measured: Prose = NOTHING


@dataclass(frozen=True)
class Finding:
    title: Prose
    text: Prose
    status: Status
    evidence: Prose


@dataclass(frozen=True)
class Findings:
    items: tuple[Finding, ...]


@dataclass(frozen=True)
class Beside:
    """Two columns of blocks on a wide page, one after the other elsewhere."""

    left: tuple[Block, ...]
    right: tuple[Block, ...]


Block = Table | Figure | Gallery | Pairs | Steps | Lines | Words | Findings | Beside | Article


@dataclass(frozen=True)
class Section:
    """``id`` is the anchor; ``nav`` is its short name in the bar, "" to leave it out."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    sub: Prose = NOTHING
    nav: str = ""


@dataclass(frozen=True)
class Answer:
    """One of the six cells."""

    question: str
    value: Prose
    note: Prose
    state: State = ""
    big: tuple[str, str] | None = None  # number and unit, set large


@dataclass(frozen=True)
class Rung:
    """One stage of a run that did not get to its end."""

    name: str
    state: Literal["ok", "bad", "off"]
    note: str


@dataclass(frozen=True)
class Banner:
    decision: Literal["go", "no-go", "unknown"]
    text: Prose
    rule: Prose


@dataclass(frozen=True)
class Page:
    """A whole report."""

    kind: str  # experiment | decision
    id: str
    title: Prose
    lede: Prose
    eyebrow: tuple[Prose, ...]
    sections: tuple[Section, ...]
    summary: tuple[Block, ...] = ()
    answers: tuple[Answer, ...] = ()
    ladder: tuple[Rung, ...] = ()
    banner: Banner | None = None
    footer: tuple[Prose, ...] = ()

    @property
    def navigation(self) -> Sequence[tuple[str, str]]:
        return [(section.id, section.nav) for section in self.sections if section.nav]


def figures(blocks: Sequence[Block]) -> list[Figure]:
    """Return all figures in order, those in columns included."""
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Figure):
            found.append(block)
        elif isinstance(block, Beside):
            found += figures((*block.left, *block.right))
    return found


def pictures(blocks: Sequence[Block]) -> list[Picture]:
    """Return all pictures in order."""
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Gallery):
            found += block.pictures
        elif isinstance(block, Beside):
            found += pictures((*block.left, *block.right))
    return found
