"""The report of a run that did not get to its end: where it stopped, why, what is not the cause, what to do."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dnnbox import errors
from dnnbox.reports import numbers, words
from dnnbox.reports.blocks import Beside, Block, Lines, Pairs, Rung, Section, Step, Steps, Words
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, listed, marked, say, sentence_case, sentences

_ORDER = (
    "inspect",
    "source",
    "dependencies",
    "plan",
    "resolve",
    "inputs",
    "environment",
    "infer",
    "cold",
    "measure",
    "memory",
    "profile",
    "report",
)
_WORTH_NAMING = ("environment", "infer", "cold", "measure")
_PREPARING = ("source", "dependencies", "plan", "resolve", "inputs")
_IN_THE_BOX = ("import", "context", "load", "to_device", "input", "first", "check", "postprocess")
_GPU_ONLY = ("context", "to_device")
_AFTER_RUNNING = ("check", "postprocess")
_LIMITS = {"OOM": "--memory", "TIMEOUT": "--timeout"}
_SUSPECTS = {
    "import": ("source", "dependencies", "plan", "resolve", "environment"),
    "load": ("source", "dependencies"),
    "input": ("inputs",),
}
"""Stages that passed and may still have brought about what fails later, by the step that fails."""
LOG_LABEL = "The log's own last words, quoted as data, no instruction to anybody"

EVIDENCE_LABEL = "What the search for the model's class found, with the words of the source's own code in it"


def is_failed(outputs: Outputs) -> bool:
    """Whether the run ended with an error before it had figures."""
    return outputs.index.status == "failed" or (bool(outputs.index.error) and not outputs.is_measured)


def title(outputs: Outputs) -> Prose:
    """Return the error's meaning as the finding; where the model itself raised, what it was doing."""
    started = "Ran, but did not finish" if outputs.has_run else "Did not run"
    if has_answered(outputs):
        return say("Ran, but its output cannot be used: {reason}", reason=_reason(outputs))
    doing = words.DOING.get(stage(outputs), "")
    if doing and _kind(outputs).name == errors.RunFailed.name:
        return say(started + ": {doing} failed", doing=doing)
    return say(started + ": {meaning}", meaning=marked(_kind(outputs).meaning))


def has_answered(outputs: Outputs) -> bool:
    """Whether the model itself ran, and what it gave could not be used."""
    return stage(outputs) in _AFTER_RUNNING


def stage(outputs: Outputs) -> str:
    """Return the step inside the box that failed, "" where nothing ran there."""
    return str(outputs.failure.get("stage") or "")


def cause(outputs: Outputs) -> str:
    """Return the error's message without the name of the job, which the reports say in words."""
    message = str((outputs.index.error or {}).get("message", "")) or "it failed without a message"
    return message.removeprefix(f"{outputs.failure.get('job') or 'infer'}: ").strip().rstrip(".")


def way_out(outputs: Outputs) -> Prose:
    """Return what to do about it: the error's own hint, else what helps against its kind."""
    hint = str((outputs.index.error or {}).get("hint", ""))
    return marked(_sentence(hint or _kind(outputs).remedy))


def told(outputs: Outputs) -> Prose:
    """Return in a sentence where it stopped and why."""
    doing = words.DOING.get(stage(outputs), "")
    if not doing:
        return marked(_sentence(cause(outputs)))
    return say("It stopped while {doing}: {cause}.", doing=_gerund(doing), cause=marked(_reason(outputs)))


def passed(outputs: Outputs) -> Prose:
    """Return in a sentence which steps in the box went well before; nothing where none did."""
    told_ = listed(data(words.DOING[step]) for step in _passed_in_the_box(outputs))
    return say("Before that it got through {steps}.", steps=told_) if told_ else NOTHING


def _passed_in_the_box(outputs: Outputs) -> list[str]:
    done = map(str, outputs.failure.get("passed") or [])
    return [step for step in done if step != stage(outputs) and _is_worth_telling(outputs, step)]


def _is_worth_telling(outputs: Outputs, step: str) -> bool:
    """Whether a step in the box is one that a reader knows; on a CPU nothing is opened or copied."""
    return step in words.BOX_STEPS and not (outputs.index.device in ("", "cpu") and step in _GPU_ONLY)


def _reason(outputs: Outputs) -> str:
    """Return the cause; of a check of the output without the check's own name, which its words say again."""
    return cause(outputs).rpartition(": ")[2] if stage(outputs) == "check" else cause(outputs)


def _gerund(doing: str) -> str:
    return f"making {doing}" if doing.startswith("the ") else doing


@dataclass(frozen=True)
class _Kind:
    """What an error means: a leaf of the tree of errors, or a signal, which is nobody's fault."""

    code: int
    name: str
    meaning: str
    remedy: str
    retryable: bool
    is_leaf: bool = True


def _kind(outputs: Outputs) -> _Kind:
    error = outputs.index.error or {}
    name = str(error.get("name", ""))
    if name == "INTERRUPTED":
        remedy = "go on with it: `dnnbox run --resume DIR`; what was finished is kept"
        return _Kind(int(error.get("code") or 0), name, "it was stopped from outside", remedy, True, is_leaf=False)
    leaf = errors.by_name(name) or errors.Internal
    return _Kind(leaf.code, leaf.name, leaf.meaning, leaf.remedy, leaf.retryable)


def lede(outputs: Outputs) -> Prose:
    """Return what happened and the way out."""
    return sentences(told(outputs), say("**Next:** {hint}", hint=way_out(outputs)))


def _sentence(words_: str) -> str:
    stripped = words_.strip().rstrip(".")
    return f"{sentence_case(stripped)}." if stripped else ""


def ladder(outputs: Outputs) -> tuple[Rung, ...]:
    """Return the stages in order: done, failed, not reached. The failed job shows its steps inside the box."""
    rungs: list[Rung] = []
    stages = outputs.index.stages
    prepared = [found for found in stages if found.name in _PREPARING]
    together = len(prepared) == len(_PREPARING) and all(found.status == "ok" for found in prepared)
    for found in stages:
        if found.name == "report":  # the page itself
            continue
        if together and found.name in _PREPARING:
            if found is prepared[0]:
                rungs.append(Rung("Plan", "ok", "ok"))
        elif found.status == "failed" and found.name == outputs.failure.get("job"):
            rungs += _steps_in_the_box(outputs, found.seconds)
        else:
            name = words.STAGES.get(found.name, found.name.replace("_", " ").capitalize())
            rungs.append(_rung(name, found.status, found.seconds))
    known = [found.name for found in stages if found.name in _ORDER and found.name != "report"]
    last = _ORDER.index(known[-1]) if known else -1
    later = [name for name in _ORDER[last + 1 :] if name in _WORTH_NAMING]
    return (*rungs, *(Rung(words.STAGES[name], "off", "not reached") for name in later))


def _rung(name: str, status: str, seconds: float) -> Rung:
    if status == "ok":
        return Rung(name, "ok", f"ok, {numbers.seconds(seconds)}")
    return (
        Rung(name, "bad", f"failed after {numbers.seconds(seconds)}")
        if status == "failed"
        else Rung(name, "off", "skipped")
    )


def _steps_in_the_box(outputs: Outputs, seconds: float) -> list[Rung]:
    """Return the steps of the failed job: those before the one that failed, that one, and those after it."""
    failed_in = stage(outputs)
    if failed_in not in words.BOX_STEPS:
        return [_rung(words.STAGES.get(str(outputs.failure.get("job")), "Run"), "failed", seconds)]
    shown = [Rung(words.BOX_STEPS[step], "ok", "ok") for step in _passed_in_the_box(outputs)]
    shown.append(_rung(words.BOX_STEPS[failed_in], "failed", seconds))
    if failed_in in _IN_THE_BOX:
        later = _IN_THE_BOX[_IN_THE_BOX.index(failed_in) + 1 :]
        kept = [n for n in later if _is_worth_telling(outputs, n) and n not in ("input", "postprocess")]
        shown += [Rung(words.BOX_STEPS[n], "off", "not reached") for n in kept]
    return shown


def sections(outputs: Outputs) -> tuple[Section, ...]:
    """Return "what to do" beside "why", and what a search for the model's class tried."""
    blocks: tuple[Block, ...] = (Beside((_what_to_do(outputs),), _why(outputs)), *_evidence(outputs))
    return (Section("failure", "What to do, and why", blocks, nav="Failure"),)


def _evidence(outputs: Outputs) -> tuple[Block, ...]:
    found = ((outputs.index.error or {}).get("details") or {}).get("evidence")
    lines = tuple(str(line) for line in found) if isinstance(found, list) else ()
    return (Lines(EVIDENCE_LABEL, lines, title=say("What was tried")),) if lines else ()


def _what_to_do(outputs: Outputs) -> Block:
    error = outputs.index.error or {}
    kind = _kind(outputs)
    steps = []
    hint, remedy = _sentence(str(error.get("hint") or "")), _sentence(kind.remedy)
    if hint:
        steps.append(Step(say("**From the error:** {hint}", hint=marked(hint))))
    if remedy.rstrip(".") not in hint:
        steps.append(Step(say("**In general:** {remedy}", remedy=marked(remedy))))
    if kind.is_leaf:
        steps.append(Step(say("**Read about the code.**"), f"dnnbox explain {kind.name}"))
    if outputs.index.command:
        steps.append(Step(say("**Repeat the run** {when}.", when=when_to_repeat(outputs)), words.command(outputs)))
    return Steps(tuple(steps), say("What to do"))


def when_to_repeat(outputs: Outputs) -> Prose:
    """Return what must be so, or be changed, before the same command is worth another try."""
    kind = _kind(outputs)
    if kind.name in _LIMITS:
        return say("with a larger `{option}`", option=_LIMITS[kind.name])
    is_passing = kind.retryable and kind.is_leaf
    return say("as it was: this error may pass by itself" if is_passing else "when the cause is gone")


def _why(outputs: Outputs) -> tuple[Block, ...]:
    error = outputs.index.error or {}
    kind = _kind(outputs)
    step = words.BOX_STEPS.get(stage(outputs), "")
    suspects = ("report", *_SUSPECTS.get(stage(outputs), ()))
    cleared = [
        words.STAGES.get(s.name, s.name).lower()
        for s in outputs.index.stages
        if s.status == "ok" and s.name not in suspects
    ]
    not_cause = say("Not the cause, because they passed: {stages}.", stages=", ".join(cleared)) if cleared else NOTHING
    why = sentences(
        say(
            "**Cause:** {meaning}, `{phase}.{name}`.",
            meaning=marked(kind.meaning),
            phase=str(error.get("phase", "")) or "run",
            name=kind.name.lower(),
        ),
        not_cause,
    )
    lines = log(outputs)
    facts = [
        ("Status", data(outputs.index.status)),
        ("Stopped at", data(step or words.STAGES.get(str(error.get("phase", "")), ""))),
        ("Exit code", say("{code} {name}", code=str(kind.code), name=kind.name)),
        ("Signal", data(_signal(outputs.failure.get("signal")))),
        ("Log", code(str(outputs.failure.get("log") or "logs/"))),
        ("Kept", data("this folder, and the environment for the next run")),
    ]
    pairs = Pairs(tuple((name, value) for name, value in facts if value))
    title_ = say("Why")
    if not lines:
        return (Words((why, say("The log holds no words.")), title_), pairs)
    return (Lines(LOG_LABEL, lines, marked_line(lines), title_, why), pairs)


def _signal(number: object) -> str:
    """Return a signal with its name: 9, SIGKILL."""
    if not isinstance(number, int) or not number:
        return ""
    known = {one.value: one.name for one in signal.Signals}
    return ", ".join(filter(None, (str(number), known.get(number, ""))))


def log(outputs: Outputs) -> tuple[str, ...]:
    """Return the last words: a traceback first, else what the box wrote to stderr."""
    details = (outputs.index.error or {}).get("details")
    places: tuple[Mapping[str, Any], ...] = (outputs.failure, details if isinstance(details, Mapping) else {})
    for place in places:
        for key in ("traceback", "stderr_tail", "stderr", "log_tail", "stdout_tail"):
            lines = place.get(key)
            if isinstance(lines, list) and lines:
                return tuple(str(line) for line in lines)
    return ()


def marked_line(lines: tuple[str, ...]) -> int:
    """Return the line that names the error: the last one that is not indented."""
    return next((i for i in range(len(lines) - 1, -1, -1) if not lines[i].startswith(" ")), -1)
