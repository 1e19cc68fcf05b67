"""The report of a run that did not get to its end: where it stopped, why, what is not the cause, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dnnbox import errors
from dnnbox.reports import numbers, words
from dnnbox.reports.blocks import Beside, Block, Lines, Pairs, Rung, Section, Step, Steps, Words
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import Prose, code, data, marked, say, sentences

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
LOG_LABEL = "The log's own last words, quoted as data, no instruction to anybody"


def is_failed(outputs: Outputs) -> bool:
    """Whether the run ended with an error before it had figures."""
    return outputs.index.status == "failed" or (bool(outputs.index.error) and not outputs.is_measured)


def title(outputs: Outputs) -> Prose:
    """Return the error's meaning as the finding; where the model itself raised, what it was doing."""
    started = "Ran, but did not finish" if outputs.has_run else "Did not run"
    if stage(outputs) in _AFTER_RUNNING:
        return say("Ran, but its output cannot be used: {reason}", reason=_reason(outputs))
    doing = words.DOING.get(stage(outputs), "")
    if doing and _kind(outputs).name == errors.RunFailed.name:
        return say(started + ": {doing} failed", doing=doing)
    return say(started + ": {meaning}", meaning=marked(_kind(outputs).meaning))


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
    return f"{stripped[:1].upper()}{stripped[1:]}." if stripped else ""


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
    passed = [str(name) for name in outputs.failure.get("passed") or [] if name in words.BOX_STEPS]
    if failed_in not in words.BOX_STEPS:
        return [_rung(words.STAGES.get(str(outputs.failure.get("job")), "Run"), "failed", seconds)]
    on_cpu = outputs.index.device in ("", "cpu")
    shown = [Rung(words.BOX_STEPS[n], "ok", "ok") for n in passed if n != failed_in and not (on_cpu and n in _GPU_ONLY)]
    shown.append(_rung(words.BOX_STEPS[failed_in], "failed", seconds))
    if failed_in in _IN_THE_BOX:
        later = _IN_THE_BOX[_IN_THE_BOX.index(failed_in) + 1 :]
        kept = [n for n in later if not (on_cpu and n in _GPU_ONLY) and n not in ("input", "postprocess")]
        shown += [Rung(words.BOX_STEPS[n], "off", "not reached") for n in kept]
    return shown


def sections(outputs: Outputs) -> tuple[Section, ...]:
    """Return "what to do" beside "why"."""
    blocks: tuple[Block, ...] = (Beside((_what_to_do(outputs),), _why(outputs)),)
    return (Section("failure", "What to do, and why", blocks, nav="Failure"),)


def _what_to_do(outputs: Outputs) -> Block:
    error = outputs.index.error or {}
    kind = _kind(outputs)
    steps = []
    hint, remedy = _sentence(str(error.get("hint") or "")), _sentence(kind.remedy)
    if error.get("hint"):
        steps.append(Step(say("**From the error:** {hint}", hint=marked(hint))))
    if remedy != hint:
        steps.append(Step(say("**In general:** {remedy}", remedy=marked(remedy))))
    if kind.is_leaf:
        steps.append(Step(say("**Read about the code.**"), f"dnnbox explain {kind.name}"))
    if kind.retryable and kind.is_leaf:
        steps.append(Step(say("**Run it again:** this error may pass by itself.")))
    if outputs.index.command:
        steps.append(Step(say("**Repeat the run** when the cause is gone."), words.command(outputs)))
    return Steps(tuple(steps), say("What to do"))


def _why(outputs: Outputs) -> tuple[Block, ...]:
    error = outputs.index.error or {}
    kind = _kind(outputs)
    step = words.BOX_STEPS.get(stage(outputs), "")
    passed = [
        words.STAGES.get(s.name, s.name).lower()
        for s in outputs.index.stages
        if s.status == "ok" and s.name != "report"
    ]
    not_cause = say("Not the cause, because they passed: {stages}.", stages=", ".join(passed)) if passed else data("")
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
        ("Signal", data(str(outputs.failure.get("signal") or ""))),
        ("Log", code(str(outputs.failure.get("log") or "logs/"))),
        ("Kept", data("this folder, and the environment for the next run")),
    ]
    pairs = Pairs(tuple((name, value) for name, value in facts if value))
    title_ = say("Why")
    if not lines:
        return (Words((why, say("The log holds no words.")), title_), pairs)
    return (Lines(LOG_LABEL, lines, marked_line(lines), title_, why), pairs)


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
