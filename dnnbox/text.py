"""The one sanitiser: foreign text (names, metadata, logs, URLs) made fit for a screen, a report or a table.

Foreign is whatever a checkpoint, a source tree, a box or an index wrote. Nothing live is left in the result: no control
or invisible characters, no markup, no link, no formula, no credential. The raw text stays in the files under ``logs/``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_ELLIPSIS = "…"
# Cc Cf Cs Co Cn: control, format (bidi, zero-width, tags), surrogates, private use, unassigned; Zl Zp: line breaks.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
# Letters and symbols that show nothing: Hangul and Khmer fillers, the empty Braille cell, musical null notehead.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159")
_MAX_MARKS = 3  # combining marks on one letter: more than any script needs climbs over the neighbouring lines


def visible(s: str | bytes, limit: int = 200) -> str:
    """Return ``s`` as one printable line of at most ``limit`` characters (and an ellipsis where it was cut).

    Hidden characters and bytes that are not UTF-8 are shown as ``\\x1b``, ``\\u202e``, ``\\U000e0041``.
    """
    if isinstance(s, str) and len(s) <= limit and s.isascii() and s.isprintable():
        return s  # nearly always
    text = s[: 4 * limit + 4].decode("utf-8", "surrogateescape") if isinstance(s, bytes) else s
    shown: list[str] = []
    length = marks = 0
    for position, char in enumerate(text):
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        piece = _escape(char) if marks > _MAX_MARKS or _is_hidden(char) else char
        if length + len(piece) > limit:
            return "".join(shown) + _ELLIPSIS
        shown.append(" " if piece == "\u00a0" else piece)
        length += len(piece)
        if position > limit:
            break
    return "".join(shown) + (_ELLIPSIS if len(text) > len(shown) else "")


def _is_hidden(char: str) -> bool:
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    if category in _HIDDEN or char in _BLANK:
        return True
    if category == "Zs":
        return char != "\u00a0"  # the other wide and narrow spaces pass for something that they are not
    # Variation selectors are marks that carry hidden bytes.
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or "\u180b" <= char <= "\u180f"


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def html(s: str | bytes, limit: int = 200) -> str:
    """Return ``s`` for HTML text or a quoted attribute."""
    from html import escape  # its table of entities is for reports only

    return escape(visible(s, limit), quote=True)


# What can act anywhere in a line, then what acts only at its start, and what makes a bare URL a link.
_MARKDOWN_ACTIVE = (
    r"[\\`*_\[\]~|$]|^[#+\-=:]|^\d{1,9}(?=[.)](?:\s|$))|!(?=\[)"
    r"|:(?=/)|(?<=\b[wW]{3})\.|(?i:(?<=mailto)|(?<=xmpp)|(?<=data)|(?<=javascript)):"
)
_MARKDOWN_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(s: str | bytes, limit: int = 200) -> str:
    """Return ``s`` for one line of Markdown prose, a heading or a table cell: no tag, link, image or mention."""
    return markdown_escape(visible(s, limit).strip())


def markdown_escape(shown: str) -> str:
    """Return text that is already visible() as literal Markdown.

    Only what could act is escaped, so that names and figures stay readable in the source. A run of ``@`` becomes a code
    span, because renderers look for addresses and mentions in the text after the escapes are gone.
    """
    escaped = "".join(_MARKDOWN_ENTITIES.get(char, char) for char in shown)
    return re.sub(r"@+", r"`\g<0>`", re.sub(_MARKDOWN_ACTIVE, _backslash, escaped))


def _backslash(match: re.Match[str]) -> str:
    found = match[0]
    return f"\\{found}" if not found[0].isdigit() else f"{found[:-1]}&#{ord(found[-1])};"  # "1." begins a list


def markdown_code(s: str | bytes, limit: int = 200) -> str:
    """Return ``s`` as a code span, also inside a table (where a bar would end the cell)."""
    shown = visible(s, limit).strip()
    if not shown:
        return ""
    if "|" in shown or shown.endswith("\\"):  # a table splits cells before it looks for code spans
        return markdown(shown, limit + 1)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def csv_cell(s: str | bytes, limit: int = 200) -> str:
    """Return ``s`` as a cell that no spreadsheet takes for a formula; quoting is the csv module's work."""
    shown = visible(s, limit)
    return f"'{shown}" if shown.lstrip()[:1] in tuple("=+-@|%＝＋－＠") and shown.strip() else shown


def excerpt(s: str | bytes, lines: int = 12, width: int = 160) -> tuple[str, ...]:
    """Return the last ``lines`` non-empty lines of a log, each redacted and visible."""
    text = s.decode("utf-8", "surrogateescape") if isinstance(s, bytes) else s
    tail = redact(text[-(lines * (width + 2) * 8) :])  # as a whole: a private key spans lines
    kept = [line.rstrip() for line in re.split(r"\r\n|\n|\r", tail) if line.strip()]
    return tuple(visible(line, width) for line in kept[-lines:])


# "token" is also a word of text models: pad_token, token_type_ids and their kin are no secrets.
_TOKEN = "".join(f"(?<!{word}[_-])" for word in ("unk", "pad", "cls", "sep", "mask", "bos", "eos", "max", "num"))
_SECRET = (
    rf"(?:{_TOKEN}token(?!_type|_ids?\b)|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?|auth|signature|sig)"
)
# (what has to be in the text, in lower case, for the pattern to match; the pattern; what stands there instead)
_REPLACEMENTS: tuple[tuple[str, str, str], ...] = (
    (
        "private key",
        r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
        "***",
    ),
    # scheme://user:password@host, the password may hold an @ itself
    ("@", r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]{1,512}@", r"\1***@"),
    # user:password@host without a scheme, as in proxy settings; image@sha256:… is no credential
    ("@", r"(?<![\w:/@.-])[^\s:/@\"'=]{1,64}:[^\s:/@\"']{1,128}@(?!sha\d+:)(?=[\w\[])", "***@"),
    (
        "authorization",
        r"(?i)\b((?:proxy-)?authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?:(basic|bearer|token|digest)\s+)?[^\s\"',;]+",
        r"\1***",
    ),
    ("bearer", r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}", r"\1***"),
    ("cookie", r"(?i)\b((?:set-)?cookie\s{0,4}:\s{0,4})[^\r\n]+", r"\1***"),
    # key=value and key: value, also --key value, "key": "value", ?key=value
    (
        "",
        r"(?i)((?:^|[\s?&;,{(\[\"'`_.\-/])(?:[\w.\-]{0,40}?)"
        + _SECRET
        + r"(?:[_\-][\w\-]{0,40})?[\"']?\s{0,4}[=:]\s{0,4}[\"']?)"
        r"(?!\*\*\*)[^\s\"'&#,;})\]]+",
        r"\1***",
    ),
    ("-", r"(?i)(--?(?:[\w\-]{0,40}-)?" + _SECRET + r"\s+)(?![-*])[^\s\"']+", r"\1***"),
    ("machine", r"(?i)\b(machine\s+\S+\s+login\s+\S+\s+password\s+)\S+", r"\1***"),
    (
        "",
        (
            r"hf_[A-Za-z0-9]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w\-]{10,}|sk-[A-Za-z0-9_\-]{16,}"
            r"|(?:AKIA|ASIA)[0-9A-Z]{16}|xox[abeprs]-[\w\-]{10,}|pypi-[A-Za-z0-9_\-]{16,}|npm_[A-Za-z0-9]{20,}|AIza[\w\-]{30,}"
            r"|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]{5,}|ya29\.[\w\-]{20,}|dckr_pat_[\w\-]{20,}|wandb_v1_\w{20,}"
        ),
        "***",
    ),
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def redact(s: str) -> str:
    """Return ``s`` without credentials: user parts of URLs, secret parameters, known token shapes, private keys."""
    lowered = s.lower()
    for needle, pattern, replacement in _REPLACEMENTS:
        if needle in lowered:  # compiling all patterns takes longer than a whole `dnnbox inspect` may
            s = _compiled(pattern).sub(replacement, s)
    return s
