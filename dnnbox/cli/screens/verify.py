"""A verification on a terminal: a line per stage, and what was wrong with the one that failed."""

from __future__ import annotations

from collections.abc import Sequence

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, grid, heading
from dnnbox.records.verification import Verification, VerifiedStage

_WIDTHS = (12, 10, 9, 0)


def verify_screen(found: Verification, *, look: Look = PLAIN) -> str:
    """Return the whole screen."""
    answer = "passes every stage" if found.passed else f"fails at {found.failed_stage}"
    lines = [heading(look, f"{found.adapter} {answer}", f"round {found.rounds}" if found.rounds else ""), ""]
    lines += grid(look, _WIDTHS, [_row(look, stage) for stage in found.stages], indent=2)
    return "\n".join(lines) + "\n"


def _row(look: Look, stage: VerifiedStage) -> Sequence[Cell | str]:
    mark = Cell("skipped", "quiet") if stage.status == "skipped" else look.mark(stage.status)
    seconds = f"{stage.seconds:.2f} s" if stage.status != "skipped" else ""
    return (stage.name, mark, seconds, Cell(stage.detail, "quiet"))
