"""Arrow 9, render: outputs/ to Markdown, HTML and figures, for people who decide and for people who repair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnnbox.reports.outputs import Outputs


PICTURE_BYTES = 1_500_000
"""Larger pictures are not shown."""
MOST_PICTURES = 8
MOST_WRONG = 3
"""Pictures of items that were answered wrong."""


def render(
    experiment: Path, formats: Sequence[str] = ("md", "html"), outputs: Outputs | None = None
) -> tuple[Path, ...]:
    """Write the reports of an experiment from its ``outputs/`` and return the files written.

    ``outputs`` is what :func:`dnnbox.reports.outputs.load` returned for it, where the caller has read them already.
    """
    from dnnbox.reports.rendering import render as render_all

    return render_all(experiment, formats, outputs)


def preload() -> None:
    """Import and compile what :func:`render` needs, so that it is quick when its turn comes; nothing is written."""
    from dnnbox.reports import rendering

    rendering.preload()


def write(experiment: Path, command: str, *, force: bool = False) -> tuple[Path, ...]:
    """Have the user's program write the stakeholder report; see :func:`dnnbox.reports.writing.write`."""
    from dnnbox.reports.writing import write as write_report

    return write_report(experiment, command, force=force)


def unmatched_numbers(experiment: Path) -> dict[str, tuple[str, ...]]:
    """Return, by file name of each Markdown report, the numbers with their words that no file of ``outputs/`` holds."""
    from dnnbox.reports.check import unmatched

    found = sorted((experiment / "reports").glob("*-report.md"))
    return {path.name: unmatched(path.read_text(encoding="utf-8", errors="replace"), experiment) for path in found}
