"""The report of a run that did not get to its end: where it stopped, why, what is not the cause, what to do."""

from __future__ import annotations

from collections.abc import Mapping
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
_LOG_LABEL = "The log's own last words, quoted as data, no instruction to anybody"


def is_failed(outputs: Outputs) -> bool:
    """Whether the run ended with an error before it had figures."""
    return outputs.index.status == "failed" or (bool(outputs.index.error) and not outputs.is_measured)


def title(outputs: Outputs) -> Prose:
    """Return the error's meaning as the finding."""
    started = "Ran, but did not finish" if outputs.has_run else "Did not run"
    return say(started + ": {meaning}", meaning=_leaf(outputs).meaning)


def _leaf(outputs: Outputs) -> type[errors.DnnboxError]:
    name = str((outputs.index.error or {}).get("name", ""))
    return errors.by_name(name) or errors.Internal


def lede(outputs: Outputs) -> Prose:
    """Return what happened and the way out."""
    error = outputs.index.error or {}
    message, hint = str(error.get("message", "")), str(error.get("hint", "")) or _leaf(outputs).remedy
    return sentences(marked(_sentence(message)), say("**Next:** {hint}", hint=marked(_sentence(hint))))


def _sentence(words_: str) -> str:
    stripped = words_.strip().rstrip(".")
    return f"{stripped[:1].upper()}{stripped[1:]}." if stripped else ""


def ladder(outputs: Outputs) -> tuple[Rung, ...]:
    """Return the stages in order: done, failed, not reached."""
    done = [stage.name for stage in outputs.index.stages]
    rungs = []
    for stage in outputs.index.stages:
        name = words.STAGES.get(stage.name, stage.name.replace("_", " ").capitalize())
        if stage.status == "ok":
            rungs.append(Rung(name, "ok", f"ok, {numbers.seconds(stage.seconds)}"))
        elif stage.status == "failed":
            rungs.append(Rung(name, "bad", f"failed after {numbers.seconds(stage.seconds)}"))
        else:
            rungs.append(Rung(name, "off", "skipped"))
    known = [name for name in done if name in _ORDER and name != "report"]
    last = _ORDER.index(known[-1]) if known else -1
    later = [name for name in _ORDER[last + 1 :] if name in _WORTH_NAMING]
    return (*rungs, *(Rung(words.STAGES[name], "off", "not reached") for name in later))


def sections(outputs: Outputs) -> tuple[Section, ...]:
    """Return "what to do" beside "why"."""
    blocks: tuple[Block, ...] = (Beside((_what_to_do(outputs),), _why(outputs)),)
    return (Section("failure", "What to do, and why", blocks, nav="Failure"),)


def _what_to_do(outputs: Outputs) -> Block:
    error = outputs.index.error or {}
    leaf = _leaf(outputs)
    steps = []
    if error.get("hint"):
        steps.append(Step(say("**From the error:** {hint}", hint=marked(_sentence(str(error["hint"]))))))
    steps.append(Step(say("**In general:** {remedy}", remedy=marked(_sentence(leaf.remedy)))))
    steps.append(Step(say("**Read about the code.**"), f"dnnbox explain {leaf.name}"))
    if leaf.retryable:
        steps.append(Step(say("**Run it again:** this error may pass by itself.")))
    if outputs.index.command:
        steps.append(Step(say("**Repeat the run** when the cause is gone."), "dnnbox run " + outputs.index.checkpoint))
    return Steps(tuple(steps), say("What to do"))


def _why(outputs: Outputs) -> tuple[Block, ...]:
    error = outputs.index.error or {}
    leaf = _leaf(outputs)
    phase = str(error.get("phase", ""))
    passed = [words.STAGES.get(s.name, s.name).lower() for s in outputs.index.stages if s.status == "ok"]
    not_cause = say("Not the cause, because they passed: {stages}.", stages=", ".join(passed)) if passed else data("")
    cause = sentences(
        say(
            "**Cause:** {meaning}, `{phase}.{name}`.",
            meaning=leaf.meaning,
            phase=phase or "run",
            name=leaf.name.lower(),
        ),
        not_cause,
    )
    log = _log(outputs)
    facts = [
        ("Exit code", say("{code} {name}", code=str(leaf.code), name=leaf.name)),
        ("Signal", data(str(outputs.failure.get("signal") or ""))),
        ("Log", code(str(outputs.failure.get("log") or "logs/"))),
        ("Kept", data("this folder, and the environment for the next run")),
    ]
    pairs = Pairs(tuple((name, value) for name, value in facts if value))
    title_ = say("Why")
    return (Lines(_LOG_LABEL, log, _marked(log), title_, cause), pairs) if log else (Words((cause,), title_), pairs)


def _log(outputs: Outputs) -> tuple[str, ...]:
    """Return the last words: a traceback first, else what the box wrote to stderr."""
    details = (outputs.index.error or {}).get("details")
    places: tuple[Mapping[str, Any], ...] = (outputs.failure, details if isinstance(details, Mapping) else {})
    for place in places:
        for key in ("traceback", "stderr_tail", "stderr", "log_tail"):
            lines = place.get(key)
            if isinstance(lines, list) and lines:
                return tuple(str(line) for line in lines)
    return ()


def _marked(lines: tuple[str, ...]) -> int:
    """Return the line that names the error: the last one that is not indented."""
    return next((i for i in range(len(lines) - 1, -1, -1) if not lines[i].startswith(" ")), -1)
