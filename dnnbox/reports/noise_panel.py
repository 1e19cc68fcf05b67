"""The panel that says whether the machine was quiet while it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnnbox.reports import numbers, words
from dnnbox.reports.blocks import Block, Cell, Column, Status, Table, Words
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, data, say, sentence_case, sentences


def noise_panel(outputs: Outputs) -> tuple[Block, ...]:
    """Return the panel that says whether the machine was quiet."""
    facts = outputs.stats.noise
    checks = [check for check in facts.get("checks", []) if isinstance(check, Mapping)]
    if outputs.stats.quality is None:
        return ()
    titles = {
        "quiet": "The machine was quiet",
        "contended": "Other work used the machine",
        "unstable": "The figures did not settle",
    }
    measured = say(
        "**Measured:** while the inferences were timed, worst process. {what}.",
        what=outputs.stats.definitions.get("quality", "").capitalize(),
    )
    rows = tuple(_noise_row(check) for check in checks)
    columns = (Column("Check"), Column("Result"), Column("Found", numeric=True), Column("Limit", numeric=True))
    reasons = [data(f"{sentence_case(str(reason))}.") for reason in facts.get("reasons", [])]
    note = sentences(*(reasons if outputs.stats.quality != "quiet" else []), waited(outputs))
    table = Table("Noise", columns, rows, say("{title}", title=titles[outputs.stats.quality]), measured, note, kind="")
    return (table,) if rows else (Words((note,), table.title),)


def waited(outputs: Outputs) -> Prose:
    """Return what was waited for a quiet machine, which is what the figures then stand for."""
    found = outputs.stats.noise.get("waited")
    if not isinstance(found, Mapping):
        return NOTHING
    used_up = int(found.get("used_up_processes") or 0)
    waiting = say(
        "Timing waited for the machine's usual speed: {time} went to waiting, and {windows} of inferences had to be "
        "taken again.",
        time=numbers.duration(1e3 * float(found.get("seconds") or 0.0)),
        windows=numbers.counted(int(found.get("repeated_windows") or 0), "window"),
    )
    rest = say(
        "That was not enough for {processes}: the rest was timed as the machine was.",
        processes=numbers.counted(used_up, "process", "processes"),
    )
    return sentences(waiting, rest if used_up else NOTHING)


def _noise_row(check: Mapping[str, Any]) -> tuple[Cell, ...]:
    is_ok = bool(check.get("ok"))
    return (
        data(words.CHECKS.get(str(check.get("name")), str(check.get("name")))),
        Status("met" if is_ok else "unknown", "ok" if is_ok else "above"),
        data(_noise_figure(check, "value")),
        data(_noise_figure(check, "limit")),
    )


def _noise_figure(check: Mapping[str, Any], key: str) -> str:
    if check.get("unit", "share") == "share":
        return numbers.percent_cell(check.get(key))
    return numbers.plain(float(check.get(key) or 0.0))
