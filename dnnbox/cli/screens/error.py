"""The block that a terminal shows for an error: what, where, cause, help as commands, what was kept, exit code.

The one line for logs and scripts is DnnboxError.line(); this says the same with room to breathe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, clip, grid, listed, wrap
from dnnbox.errors import DnnboxError
from dnnbox.text import redact, visible

_OWN = ("where", "excerpt", "cause", "not_the_cause", "help", "missing")
_MOST_LINES = 12


def error_screen(
    error: DnnboxError,
    *,
    log: str = "",
    report: str = "",
    kept: Sequence[str] = (),
    look: Look = PLAIN,
) -> str:
    """Return the block. ``log`` and ``report`` are paths as the user may open them; ``kept`` says what is still there.

    These ``details`` of an error are shown: where, excerpt (lines of a log), cause, not_the_cause, help (commands or
    sentences) and missing (requirements); other short values are listed by name.
    """
    blocks = [
        [*_headline(look, error), *_context(look, error.details)],
        list(_help(look, error)),
        _trail(look, log, report, kept),
        grid(look, (0,), [(_exit_line(error),)]),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _headline(look: Look, error: DnnboxError) -> list[str]:
    label = f"error[{error.name}]:"
    first, *rest = wrap(look.fold(visible(redact(error.what), 600)), look.columns - len(label) - 1)
    return [f"{look.paint(label, 'missed')} {look.paint(first, 'title')}", *(f"  {line}" for line in rest)]


def _context(look: Look, details: Mapping[str, object]) -> list[str]:
    """Return the frame: the place, what was seen there, then the cause and what it is not."""
    lines = []
    top, side = ("┌", "│") if look.unicode else ("+", "|")
    if where := _text(details.get("where")):
        lines += grid(look, (1, 0), [(top, Cell(where, "accent"))], indent=2)
    excerpt = _texts(details.get("excerpt"))[-_MOST_LINES:]
    lines += [f"  {side}  {clip(look.fold(line), look.columns - 5)}" for line in excerpt]
    if where and not excerpt:
        lines.append(f"  {side}")
    for label, key in (("cause", "cause"), ("not the cause", "not_the_cause")):
        if text := _text(details.get(key)):
            lines += grid(look, (1, 0), [("=", f"{label}: {text}")], indent=2)
    if missing := _missing(details.get("missing")):
        lines += grid(look, (1, 0), [("=", f"missing: {listed(missing, 20)}")], indent=2)
    for key, value in details.items():
        if key not in _OWN and isinstance(value, (str, int, float, bool)) and (text := _text(value)):
            lines += grid(look, (1, 0), [("=", f"{visible(key.replace('_', ' '), 40)}: {text}")], indent=2)
    return lines


def _help(look: Look, error: DnnboxError) -> Iterator[str]:
    hints = [hint for hint in (error.hint, *_texts(error.details.get("help"))) if hint]
    for hint in dict.fromkeys(hints or [error.remedy]):
        first, *rest = wrap(look.fold(visible(redact(hint), 400)), look.columns - 6)
        yield f"{look.paint('help:', 'accent')} {first}"
        yield from (f"      {line}" for line in rest)


def _trail(look: Look, log: str, report: str, kept: Sequence[str]) -> list[str]:
    rows = [
        (Cell(label, "quiet"), visible(text, 300))
        for label, text in (("Log", log), ("Report", report), *(("Kept", sentence) for sentence in kept))
        if text
    ]
    return grid(look, (8, 0), rows, indent=2)


def _exit_line(error: DnnboxError) -> str:
    again = "; it may work when you try again" if error.retryable else ""
    phase = f" in {visible(error.phase, 30)}" if error.phase else ""
    return f"exit {error.code} {error.name}{phase}: {error.meaning}{again}"


def _text(value: object) -> str:
    return visible(redact(str(value)), 300) if isinstance(value, (str, int, float, bool)) else ""


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [_text(line) for line in value.splitlines()]
    return [_text(item) for item in value] if isinstance(value, (list, tuple)) else []


def _missing(value: object) -> list[str]:
    """Return requirement lines from the forms that ``details["missing"]`` may have."""
    if not isinstance(value, (list, tuple)):
        return []
    lines = []
    for item in value:
        if isinstance(item, Mapping):
            lines.append(_text(f"{item.get('name', '')}{item.get('specifier', '')}"))
        else:
            lines.append(_text(item))
    return [line for line in lines if line]
