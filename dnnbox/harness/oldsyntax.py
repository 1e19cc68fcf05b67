"""Python of yesterday as Python of today: what a file has to be read as that today's parser refuses.

Sources: ``async`` became a keyword with Python 3.7, and PyTorch 0.4 renamed the argument of that name to
``non_blocking``; Python 3.0 made ``print`` a function, took ``except E, e``, ``raise E, text``, ``<>``, ``10L`` and
``0755`` away, and a block may not mix tabs with spaces. Only files that do not parse as they are, are rewritten; a line
stays on its line. It is shared by the reader on the host and by the box.
"""

from __future__ import annotations

import ast
import re
from typing import Any, List, Optional, Union

_ASYNC = re.compile(r"\basync\b(?!\s+(?:def|for|with)\b)")
_PRINT = re.compile(
    r"^(?P<before>\s*(?:(?:if|else|elif|for|while|try|except|with)\b[^#]*?:\s*)?)print"
    r"(?=[\s\"'`]|$)(?!\s*\(.*\)\s*(?:#.*)?$)(?!\s*[=.,)\]])"
)
_TO_FILE = re.compile(r"^\s*>>\s*([\w.]+)\s*(?:,|$)")
_EXCEPT = re.compile(r"^(\s*except\s+(?:[\w.]+|\([^)]*\)))\s*,\s*(\w+)\s*:", re.MULTILINE)
_RAISE = re.compile(r"^(\s*(?:[^#\n]*:\s*)?raise\s+[\w.]+)\s*,\s*(.+?)\s*$", re.MULTILINE)
_NUMBERS = ((re.compile(r"(?<![\w.])0(\d+)(?![\w.])"), r"0o\1"), (re.compile(r"(?<![\w.])(\d+)[lL]\b"), r"\1"))
_MOST_LINES = 30  # of one statement


def parsed(code: Union[bytes, str], name: str = "<unknown>") -> ast.Module:
    """Return the syntax tree of code, which may be older.

    Raises:
        SyntaxError: it is no Python, of no time that is known here; as the parser of today said it.
    """
    try:
        return ast.parse(code, name)
    except SyntaxError:
        renewed_code = renewed(code)
        if renewed_code is None:
            raise
        return ast.parse(renewed_code, name)


def renewed(code: Union[bytes, str]) -> Optional[str]:
    """Return code that today's parser refuses in a spelling that it takes; None where there is none."""
    text = code.decode("utf-8", "replace") if isinstance(code, bytes) else code
    text = text.lstrip("\ufeff").replace("\r\n", "\n")
    for attempt in (_with_async, _with_all):
        candidate = attempt(text)
        try:
            ast.parse(candidate)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return candidate
    return None


def _with_async(text: str) -> str:
    return _ASYNC.sub("non_blocking", text)


def _with_all(text: str) -> str:
    """Return the text with everything renewed that Python 3 took away."""
    text = _with_async(text.expandtabs(8)).replace("<>", "!=")
    text = _RAISE.sub(r"\1(\2)", _EXCEPT.sub(r"\1 as \2:", text))
    for old, new in _NUMBERS:
        text = old.sub(new, text)
    return "\n".join(_printed(text.split("\n")))


def _printed(lines: List[str]) -> List[str]:
    """Return lines in which ``print`` is called; one that goes on over several lines ends where its brackets do."""
    found: List[str] = []
    at = 0
    while at < len(lines):
        match: Any = _PRINT.match(lines[at])
        if match is None:
            found.append(lines[at])
            at += 1
            continue
        end = at + 1
        while end < min(len(lines), at + _MOST_LINES) and _goes_on(lines[at:end]):
            end += 1
        rest = "\n".join([lines[at][match.end() :], *lines[at + 1 : end]])
        found += (match.group("before") + _call(rest)).split("\n")
        at = end
    return found


def _goes_on(lines: List[str]) -> bool:
    text = "\n".join(lines)
    return lines[-1].rstrip().endswith("\\") or sum(map(text.count, "([{")) > sum(map(text.count, ")]}"))


def _call(rest: str) -> str:
    """Return a call for what stood behind ``print``."""
    target = _TO_FILE.match(rest)
    values = (rest[target.end() :] if target else rest).strip().rstrip(",;")
    file = "file=%s" % target.group(1) if target else ""
    return "print(%s)" % ", ".join(part for part in (values, file) if part)
