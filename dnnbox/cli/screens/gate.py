"""The gate on a terminal: a line per rule, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, grid, heading, rule
from dnnbox.handoff.gate_files import change_words, value_words, verdict_words
from dnnbox.handoff.gating import Gate, Rule

_WIDTHS = (30, 11, 11, 11, 14, 0)
_STYLES = {"PASS": "met", "FAIL": "missed", "UNKNOWN": "unknown"}


def gate_screen(gate: Gate, *, look: Look = PLAIN) -> str:
    """Return the whole screen."""
    return "\n".join(_lines(gate, look)) + "\n"


def _lines(gate: Gate, look: Look) -> Iterator[str]:
    against = f" against {gate.baseline}" if gate.baseline else ""
    yield heading(look, f"Gate: {gate.experiment}{against}", *gate.notes)
    if gate.rules:
        yield ""
        base = "Baseline" if gate.baseline else ""
        head = ("Rule", Cell(base, right=True), Cell("Measured", right=True), Cell("Change", right=True))
        interval = "99 % CI" if gate.baseline else ""
        yield from grid(look, _WIDTHS, [(*head, Cell(interval, right=True), "Result")], indent=2)
        yield rule(look, indent=2)
        for each in gate.rules:
            yield from _rule(each, look)
    yield ""
    words = verdict_words(gate)
    verdict = words.partition(" ")[0]
    yield f"{look.paint(verdict, _STYLES[verdict])}{look.fold(words[len(verdict) :])}  exit {gate.code}"
    if gate.code == 4:
        way_out = "run again in quiet moments, in more processes: --wait-quiet 120 --processes 7"
        yield from grid(look, (6, 0), [("Next", way_out)], 2)


def _rule(each: Rule, look: Look) -> Iterator[str]:
    change, interval = change_words(each)
    name = each.name if each.required else f"{each.name}, wanted"
    base = value_words(each, each.base) if each.base is not None else ""
    row = (
        name,
        Cell(base, right=True),
        Cell(value_words(each, each.value), right=True),
        Cell("none shown" if change.startswith("no ") else change, right=True),
        Cell(interval, right=True),
        look.mark(each.status),
    )
    yield from grid(look, _WIDTHS, [row], indent=2)
    if each.reason and each.status != "met":
        yield from grid(look, (30, 0), [("", Cell(each.reason, "quiet"))], indent=2)
