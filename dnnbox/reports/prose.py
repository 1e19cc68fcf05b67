"""Sentences that are written once and shown in HTML and Markdown, with the foreign parts escaped for each.

:func:`say` takes our own words as a template with ``**strong**``, ```code``` and ``{fields}``; everything that is put
into a field is data. A template never holds data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal

from dnnbox import text

Style = Literal["", "strong", "code", "link"]
_PLAIN_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*[.,;:!?)]*(?:\s|$)")
_PIECES = re.compile(r"(\*\*|`|\{\w+\})")
_OPTION = 28  # characters
_LONG_WORD = re.compile(r"\S{15,}")
_JOINT = re.compile(r"(?<=[A-Za-z])(?=[A-Z][a-z])|(?<=[_/.-])(?=\w)")
_UNIT = re.compile(r"(?<=\d) (?=(?:%|µs|ms|s|bytes|[kMG]B|[MG]iB)(?!\w))")
_OPTION_OF_A_COMMAND = re.compile(r"(?<!\S)--[a-z][a-z-]{1,26}(?!\S)")


@dataclass(frozen=True)
class Part:
    """A run of text in one style. ``href`` is for links: a fragment or a file beside the report, never data."""

    text: str
    style: Style = ""
    href: str = ""


@dataclass(frozen=True)
class Prose:
    """A line of text. Jinja shows ``__html__`` unescaped, because it has escaped its parts itself."""

    parts: tuple[Part, ...] = ()

    def __bool__(self) -> bool:
        return any(part.text for part in self.parts)

    def __add__(self, other: Prose) -> Prose:
        return Prose(self.parts + other.parts)

    def __html__(self) -> str:
        return "".join(_html(part) for part in self.parts)

    def markdown(self) -> str:
        """Return the line as Markdown."""
        return "".join(_markdown(part) for part in self.parts)

    def plain(self) -> str:
        """Return the words only."""
        return "".join(part.text for part in self.parts)


NOTHING = Prose()


def _html(part: Part) -> str:
    body = _breakable(part.text)
    if part.style == "link":
        return f'<a href="{escape(part.href, quote=True)}">{body}</a>'
    if part.style == "code" and part.text.startswith("--") and len(part.text) <= _OPTION:
        return f'<code class="nw">{body}</code>'  # a line may not end behind the first of its two hyphens
    tag = {"strong": "b", "code": "code"}.get(part.style)
    return f"<{tag}>{body}</{tag}>" if tag else body


def _breakable(words: str) -> str:
    """Return escaped text whose long words may break at their joints, as on a phone: ViT|For|Image|Classification.

    A number and its unit stay together, in words of the box and the log, too.
    """
    broken = _LONG_WORD.sub(lambda word: _JOINT.sub("\0", word[0]), _UNIT.sub("\u00a0", words))
    return escape(broken, quote=True).replace("\0", "<wbr>")


def unbroken(command: str) -> str:
    """Return a line of a command or a log as HTML; a line on a phone may not end within the hyphens of an option."""
    return _OPTION_OF_A_COMMAND.sub(r'<span class="nw">\g<0></span>', escape(command, quote=True))


def _markdown(part: Part) -> str:
    if part.style == "code":
        return text.markdown_code(part.text, limit=10_000)
    body = text.markdown_escape(part.text)
    if part.style == "link":
        return f"[{body}]({part.href.replace('.html', '.md')})"  # to the sibling in the same format
    return f"**{body}**" if part.style == "strong" and body.strip() else body


def say(template: str, **fields: object) -> Prose:
    """Return our own sentence with data in its fields; a field that is Prose keeps its own styles."""
    parts: list[Part] = []
    style: Style = ""
    for piece in _PIECES.split(template):
        if piece == "**":
            style = "" if style == "strong" else "strong"
        elif piece == "`":
            style = "" if style == "code" else "code"
        elif piece[:1] == "{" and piece[-1:] == "}":
            value = fields[piece[1:-1]]
            parts += value.parts if isinstance(value, Prose) else [Part(str(value), style)]
        elif piece:
            parts.append(Part(piece, style))
    return Prose(_joined(parts))


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Merge neighbours of one style, so that Markdown does not end and begin strong text in one place."""
    found: list[Part] = []
    for part in parts:
        if found and part.style != "link" and found[-1].style == part.style:
            found[-1] = Part(found[-1].text + part.text, part.style)
        elif part.text:
            found.append(part)
    return tuple(found)


def data(value: object) -> Prose:
    """Return data as plain text."""
    return Prose((Part(str(value)),))


def code(value: object) -> Prose:
    """Return data in code style."""
    return Prose((Part(str(value), "code"),)) if str(value) else Prose()


def marked(value: str) -> Prose:
    """Return data whose backticks mark code, as the messages and hints of dnnbox have them."""
    pieces = value.split("`")
    return Prose(
        _joined(Part(piece, "code" if i % 2 and i < len(pieces) - 1 else "") for i, piece in enumerate(pieces))
    )


def link(words: str, href: str) -> Prose:
    """Return a link with our own words to a place that we know."""
    return Prose((Part(words, "link", href),))


def sentence_case(told: str) -> str:
    """Return the words with a capital first letter, unless they begin with a name: a path, an identifier with marks.

    The other letters stay (str.capitalize makes GPU gpu).
    """
    if not _PLAIN_WORD.match(told):
        return told
    return f"{told[:1].upper()}{told[1:]}"


def sentences(*lines: Prose) -> Prose:
    """Join lines with spaces, leaving out the empty ones."""
    kept = [line for line in lines if line]
    return Prose(_joined(part for i, line in enumerate(kept) for part in ((Part(" "),) if i else ()) + line.parts))


def listed(items: Iterable[Prose], last: str = "and") -> Prose:
    """Join as ``a, b and c``."""
    found = list(items)
    joined: tuple[Part, ...] = ()
    for i, item in enumerate(found):
        joiner = "" if i == 0 else f" {last} " if i == len(found) - 1 else ", "
        joined += ((Part(joiner),) if joiner else ()) + item.parts
    return Prose(_joined(joined))
