"""A replay on a terminal: the sentence that counts, the outputs, the timings, and what differs."""

from __future__ import annotations

from collections.abc import Iterator

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, grid, heading
from dnnbox.handoff.replay_report import Replayed, headline, tensor_words, timing_words
from dnnbox.text import visible

_WIDTHS = (12, 0)
_CAUSES = (12, 20, 24, 24, 0)
_MOST = 12


def replay_screen(answer: Replayed, *, folder: str, look: Look = PLAIN) -> str:
    """Return the whole screen."""
    return "\n".join(_lines(answer, folder, look)) + "\n"


def _lines(answer: Replayed, folder: str, look: Look) -> Iterator[str]:
    yield heading(look, f"Replay of {answer.experiment}", visible(answer.checkpoint, 60))
    yield ""
    mark = look.mark("met" if answer.same else "missed", "same" if answer.same else "different")
    yield from grid(look, _WIDTHS, [("Answer", mark), ("", headline(answer))], indent=2)
    yield ""
    for number, each in enumerate(answer.outputs[:_MOST]):
        words = f"{each.name}: {tensor_words(each)}"
        yield from grid(look, _WIDTHS, [("Outputs" if not number else "", words)], indent=2)
    if len(answer.outputs) > _MOST:
        yield from grid(look, _WIDTHS, [("", f"and {len(answer.outputs) - _MOST} more in the report")], indent=2)
    yield from grid(look, _WIDTHS, [("Timings", timing_words(answer.timing))], indent=2)
    yield ""
    if not answer.causes:
        yield from grid(look, _WIDTHS, [("Differs", "nothing that is recorded")], indent=2)
    for number, cause in enumerate(answer.causes[:_MOST]):
        row = (
            "Differs" if not number else "",
            cause.what,
            cause.before,
            cause.now,
            Cell(f"{cause.affects}: {cause.because}", "quiet"),
        )
        yield from grid(look, _CAUSES, [row], indent=2)
    yield ""
    yield from grid(look, _WIDTHS, [("Report", f"{folder}/replay.md")], indent=2)
