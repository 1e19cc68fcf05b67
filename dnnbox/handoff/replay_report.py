"""What a replay came to, as a record and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dnnbox.handoff.explaining import Cause
from dnnbox.handoff.tensors import Compared
from dnnbox.handoff.timings import Timing
from dnnbox.reports import numbers
from dnnbox.text import markdown


@dataclass(frozen=True)
class Replayed:
    """``replay.json``. ``same``: the outputs agree and the packages are those of the experiment."""

    experiment: str
    manifest_sha256: str
    checkpoint: str
    folder: str
    same: bool
    outputs: tuple[Compared, ...]
    timing: Timing
    causes: tuple[Cause, ...]
    lock_changed: bool = False
    schema: str = "dnnbox.replay/1"


def headline(answer: Replayed) -> str:
    """Return the one sentence that counts."""
    different = [each.name for each in answer.outputs if each.verdict == "different"]
    near = [each.name for each in answer.outputs if each.verdict == "within tolerance"]
    packages = [cause for cause in answer.causes if cause.what.startswith("package ")]
    count = numbers.counted(len(answer.outputs), "output").replace(numbers.NBSP, " ")
    if different:
        return f"It runs, but {len(different)} of {count} differ beyond the tolerance."
    end = "the same, bit for bit" if not near else f"the same within the tolerance ({len(near)} not bit for bit)"
    if packages or answer.lock_changed:
        names = ", ".join(f"{c.what.removeprefix('package ')} {c.before} → {c.now}" for c in packages[:4])
        return f"It runs and {count} are {end}, but not in the same environment: {names or 'the lock was changed'}."
    if not answer.same:
        return f"{count} are {end}, but it is {answer.timing.verdict} beyond the noise."
    return f"Reproduced: {count} {'is' if len(answer.outputs) == 1 else 'are'} {end}."


def timing_words(timing: Timing) -> str:
    """Return the timings in a sentence."""
    before, now = numbers.duration(timing.before_ms), numbers.duration(timing.now_ms)
    tail = f": {timing.detail}" if timing.detail else ""
    noise = f", noise ±{numbers.NBSP}{100 * timing.change.noise:.0f}{numbers.NBSP}%" if timing.change else ""
    return f"{timing.verdict}{tail}; p50 {before} before, {now} now{noise}"


def tensor_words(each: Compared) -> str:
    """Return how one output compares."""
    if each.largest is None:
        return f"{each.verdict}{f', {each.detail}' if each.detail else ''}"
    allowed = f"allowed {each.atol:.2g} + {each.rtol:.2g} of the value"
    return (
        f"{each.verdict}, largest difference {each.largest:.3g} ({allowed}){f', {each.detail}' if each.detail else ''}"
    )


def markdown_report(answer: Replayed) -> str:
    """Return ``replay.md``."""
    return "\n".join(_lines(answer)) + "\n"


def _lines(answer: Replayed) -> Iterator[str]:
    yield f"# Replay of experiment {markdown(answer.experiment)}\n"
    yield f"**{markdown(headline(answer), 600)}**\n"
    yield f"Checkpoint {markdown(answer.checkpoint)}, bundle {answer.manifest_sha256[:12]}.\n"
    yield "## Outputs\n\n| output | result |\n|---|---|"
    yield from (f"| {markdown(each.name)} | {markdown(tensor_words(each), 400)} |" for each in answer.outputs)
    yield f"\n## Timings\n\n{markdown(timing_words(answer.timing), 400)}.\n"
    yield "## What differs\n"
    if not answer.causes:
        yield "Nothing that is recorded: packages, Python, processor, cores, threads, driver and box are the same."
        return
    yield "| what | before | now | can change | because |\n|---|---|---|---|---|"
    for cause in answer.causes:
        cells = (cause.what, cause.before, cause.now, cause.affects, cause.because)
        yield f"| {' | '.join(markdown(cell) for cell in cells)} |"
