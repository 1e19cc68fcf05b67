"""How the terminal looks: what the stream can show, colours that carry no meaning alone, and columns that wrap.

Screens are built as plain strings: rich would cost a tenth of a second before the first line of ``dnnbox inspect``.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TextIO

from dnnbox.text import visible

MAX_COLUMNS = 100
MIN_COLUMNS = 60
GAP = 2
_CRAMPED = 24

_SGR = {
    "title": "1",
    "quiet": "2",
    "accent": "36",
    "met": "32",
    "missed": "31",
    "unknown": "33",
}
_SYMBOLS = {
    "ok": ("✓", "ok", "met"),
    "met": ("✓", "ok", "met"),
    "warning": ("!", "!", "unknown"),
    "failed": ("✕", "x", "missed"),
    "missed": ("✕", "x", "missed"),
    "unknown": ("?", "?", "unknown"),
}
_ASCII = str.maketrans(
    {
        "✓": "ok", "✕": "x", "…": "...", "–": "-", "−": "-", "—": "-", "─": "-", "━": "=", "│": "|", "┌": "+", "·": "|",
        "≤": "<=", "≥": ">=", "≠": "!=", "±": "+/-", "×": "x", "÷": "/", "→": "->", "µ": "u", "▏": "|", "▕": "|",
        "’": "'", "“": '"', "”": '"',
    }
)  # fmt: skip
# Thin and non-breaking spaces glue a number to its unit while lines are wrapped; a terminal gets plain ones to copy.
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


class Look(NamedTuple):
    """What the stream can show. The default is what a file gets: no colour, Unicode, 100 columns."""

    colour: bool = False
    unicode: bool = True
    columns: int = MAX_COLUMNS

    def paint(self, text: str, style: str) -> str:
        """Return ``text`` in a style of the palette; unchanged without colour."""
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if self.colour and style and text else text

    def fold(self, text: str) -> str:
        """Return printable text that the stream's encoding can hold."""
        if not text.translate(_SPACES).isprintable():  # a caller forgot text.visible(): nothing live passes here
            text = visible(text, 1000)
        if self.unicode or text.isascii():
            return text
        parts = text.translate(_ASCII).replace("\u202f", " ").replace("\u2009", " ").split("\u00a0")
        return "\u00a0".join(part.encode("ascii", "backslashreplace").decode("ascii") for part in parts)

    def mark(self, status: str, word: str = "") -> Cell:
        """Return a symbol with its word: a status is never told by a sign or a colour alone."""
        symbol, ascii_symbol, style = _SYMBOLS.get(status, _SYMBOLS["unknown"])
        sign, word = symbol if self.unicode else ascii_symbol, word or status
        return Cell(word if sign == word else f"{sign} {word}", style)


PLAIN = Look()


class Cell(NamedTuple):
    """Text of one column and its style. ``right`` aligns to the right edge."""

    text: str
    style: str = ""
    right: bool = False


def look_of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Look:
    """Return what ``stream`` can show; NO_COLOR, TERM=dumb, COLUMNS and the encoding are honoured."""
    terminal = stream.isatty()
    colour = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    columns = terminal_columns(stream, environ) if terminal else MAX_COLUMNS
    return Look(colour, _holds_unicode(stream), max(MIN_COLUMNS, min(MAX_COLUMNS, columns)))


def terminal_columns(stream: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Return the width of the terminal behind ``stream``, which may be another one than standard output's."""
    if environ.get("COLUMNS", "").isdecimal():
        return int(environ["COLUMNS"])
    try:
        return os.get_terminal_size(stream.fileno()).columns or MAX_COLUMNS
    except (OSError, ValueError):  # no descriptor behind it, or no terminal
        return MAX_COLUMNS


def _holds_unicode(stream: TextIO) -> bool:
    try:
        "✓✕━─…≤".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def cells(text: str) -> int:
    """Return how many terminal cells ``text`` takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def clip(text: str, columns: int) -> str:
    """Return ``text`` in at most ``columns`` cells, with an ellipsis where it was cut."""
    return text if cells(text) <= columns else f"{_head(text, columns - 1)}…"


def shorten(text: str, columns: int) -> str:
    """Return ``text`` in at most ``columns`` cells, cut in the middle: both ends of a path tell something."""
    if cells(text) <= columns:
        return text
    tail = _head(text[::-1], columns // 2)[::-1]
    return f"{_head(text, columns - 1 - cells(tail))}…{tail}"


def _head(text: str, columns: int) -> str:
    used = 0
    for position, char in enumerate(text):
        used += cells(char)
        if used > columns:
            return text[:position]
    return text


def wrap(text: str, columns: int) -> list[str]:
    """Return ``text`` as lines of at most ``columns`` cells; breaks at spaces, inside a word only where it must.

    Words that non-breaking spaces hold together come apart only where they take more than a line.
    """
    lines, line = [], ""
    words = [part for word in text.split(" ") for part in (word.split("\u00a0") if cells(word) > columns else [word])]
    for word in words:
        candidate = f"{line} {word}" if line else word
        if cells(candidate) <= columns:
            line = candidate
            continue
        if line:
            lines.append(line)
        *whole, line = _broken(word, columns)
        lines.extend(whole)
    return [*lines, line]


def _broken(word: str, columns: int) -> list[str]:
    pieces = []
    while cells(word) > columns:
        head = _head(word, columns) or word[0]
        pieces.append(head)
        word = word[len(head) :]
    return [*pieces, word]


def grid(look: Look, widths: Sequence[int], rows: Sequence[Sequence[Cell | str]], indent: int = 0) -> list[str]:
    """Return rows in columns. A width of 0 takes what is left of the look's columns; cells wrap inside theirs.

    A row may be shorter than ``widths``: its last cell then takes the rest of the line. Where a wide last column would
    leave the one before it hardly any room, its cells go below that one.
    """
    resolved = _resolve(look, widths, indent)
    if len(widths) > 1 and not widths[-2] and resolved[-2] < _CRAMPED and widths[-1] >= _CRAMPED:
        rows = [part for row in rows for part in _stacked(row, len(widths))]
    return [line for row in rows for line in _row(look, resolved, row, indent)]


def _stacked(row: Sequence[Cell | str], columns: int) -> list[Sequence[Cell | str]]:
    if len(row) < columns:
        return [row]
    below = row[-1] if isinstance(row[-1], Cell) else Cell(row[-1])
    return [row[:-1], *([[*[Cell("")] * (columns - 2), below]] if below.text else [])]


def _resolve(look: Look, widths: Sequence[int], indent: int) -> list[int]:
    rest = look.columns - indent - sum(widths) - GAP * (len(widths) - 1)
    return [width or max(rest, 8) for width in widths]


def _row(look: Look, widths: Sequence[int], row: Sequence[Cell | str], indent: int) -> Iterator[str]:
    parts = [part if isinstance(part, Cell) else Cell(part) for part in row]
    spans = list(widths[: len(parts)])
    if len(parts) < len(widths):
        spans[-1] += sum(widths[len(parts) :]) + GAP * (len(widths) - len(parts))
    columns = [wrap(look.fold(part.text), span) for part, span in zip(parts, spans, strict=True)]
    for index in range(max(map(len, columns))):
        line = " " * indent
        for part, span, lines in zip(parts, spans, columns, strict=True):
            text = (lines[index] if index < len(lines) else "").translate(_SPACES)
            space = " " * (span - cells(text))
            shown = look.paint(text, part.style)
            line += (space + shown if part.right else shown + space) + " " * GAP
        yield line.rstrip()


def heading(look: Look, *parts: str) -> str:
    """Return the first line of a screen: its subject in bold, then short facts; what does not fit goes on below."""
    first = clip(look.fold(parts[0]).translate(_SPACES), look.columns)
    lines, used = [look.paint(first, "title")], cells(first)
    for part in (look.fold(part).translate(_SPACES) for part in parts[1:] if part):
        if used + 3 + cells(part) <= look.columns:
            lines[-1] += f"   {part}"
            used += 3 + cells(part)
        else:
            lines.append(clip(part, look.columns))
            used = cells(part)
    return "\n".join(lines)


def rule(look: Look, indent: int = 0) -> str:
    """Return a horizontal line over the whole width."""
    return " " * indent + look.paint(("─" if look.unicode else "-") * (look.columns - indent), "quiet")


def listed(names: Sequence[str], most: int, more: str = "more") -> str:
    """Return names joined by commas, at most ``most`` of them and then how many are left."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} {more}" if left > 0 else "")


def clock(seconds: float) -> str:
    """Return a time that somebody waits: 8 s, 6 min 12 s, 2 h 5 min."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
