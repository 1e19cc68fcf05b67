"""The screen of ``dnnbox doctor``: every check with its answer, and the way out under each that did not pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, grid
from dnnbox.records.plan import FitCheck
from dnnbox.text import redact, visible

_MARK, _NAME, _INDENT = 11, 22, 2
_ORDER = ("ok", "failed", "warning", "unknown")
ABILITIES = {
    "run in a container": ("Docker", "Podman"),
    "run in a sandboxed venv": ("bubblewrap",),
    "run on a GPU": ("GPU",),
    "clone source code": ("git",),
    "install packages": ("Package index",),
}
"""What can be done, and the checks of which one must pass for it."""


def doctor_screen(checks: Sequence[FitCheck], *, look: Look = PLAIN) -> str:
    """Return the list, what this machine can and cannot do, and the count."""
    lines = [line for check in checks for line in _check(look, check)]
    return "\n".join([*lines, "", *_abilities(look, checks), "", look.fold(_count(checks))]) + "\n"


def _check(look: Look, check: FitCheck) -> list[str]:
    row = (look.mark(check.status), Cell(visible(check.name, 40)), visible(redact(check.detail), 300))
    lines = grid(look, (_MARK, _NAME, 0), [row], _INDENT)
    if check.fix and check.status != "ok":
        lines += grid(look, (0,), [(f"→\u00a0{visible(redact(check.fix), 300)}",)], _INDENT + _MARK + 2)
    return lines


def abilities(checks: Sequence[FitCheck]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (can do, cannot do). A check that warns still counts as there; an absent one as not."""
    there = {check.name for check in checks if check.status in ("ok", "warning")}
    can = tuple(what for what, names in ABILITIES.items() if any(_has(there, name) for name in names))
    return can, tuple(what for what in ABILITIES if what not in can)


def _has(there: set[str], name: str) -> bool:
    return any(found == name or found.startswith(f"{name} ") for found in there)


def _abilities(look: Look, checks: Sequence[FitCheck]) -> list[str]:
    can, cannot = abilities(checks)
    rows = [("Can do", f"{', '.join(can)}" or "nothing"), ("Cannot do", ", ".join(cannot))]
    return grid(look, (_MARK, 0), [(Cell(label, "title"), text) for label, text in rows if text], _INDENT)


def _count(checks: Sequence[FitCheck]) -> str:
    counts = Counter(check.status for check in checks)
    parts = [f"{number} {status}" for status, number in sorted(counts.items(), key=lambda item: _ORDER.index(item[0]))]
    return f"{len(checks)} checks: {', '.join(parts)}"
