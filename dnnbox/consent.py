"""The one question: how the packages are to be had. Asked once, answered for all of them, recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dnnbox.errors import ConsentNeeded
from dnnbox.records.dependencies import Requirement
from dnnbox.records.experiment import Decision
from dnnbox.records.options import RunOptions
from dnnbox.records.plan import Plan

QUESTION = "How should the packages be provided?"
_WORDS = {"y": "", "yes": "", "n": "q", "no": "q", "quit": "q"}
"""What people type at any prompt, and the key that they mean here."""


@dataclass(frozen=True)
class Choice:
    """One way to go on. ``key`` is what the user types ("" = Enter); ``answer`` is what decisions.json records."""

    key: str
    answer: str  # run | current | current-pixi | current-venv | feature | pixi | venv | container | quit
    text: str


Ask = Callable[[Plan, Sequence[Choice]], str]
"""Shows the plan and the choices, returns one of the answers. Only the command line has one."""


def choices(plan: Plan, *, managers: Sequence[str], has_engine: bool) -> tuple[Choice, ...]:
    """Return the ways to go on from ``plan``; Enter runs exactly what is shown.

    ``managers`` manage the workspace: where there are two, the answer says which is the current one.
    """
    ways = [Choice("", "run", "run this plan")]
    if plan.box != "venv":
        ways.append(Choice("v", "venv", "make a new venv for this model instead"))
    if plan.details.get("packages") != "current":
        ways += _current_ways(managers)
    if "pixi" in managers:
        ways += _pixi_ways(plan)
    if has_engine and plan.box not in ("docker", "podman"):
        ways.append(Choice("c", "container", "use a container instead"))
    ways.append(Choice("q", "quit", "quit, nothing changed"))
    return tuple(ways)


def _current_ways(managers: Sequence[str]) -> list[Choice]:
    if len(managers) == 1:
        return [Choice("m", "current", "modify the current environment instead")]
    texts = {"pixi": ("m", "modify the pixi environment"), "venv": ("e", "install into the .venv")}
    return [
        Choice(texts[name][0], f"current-{name}", f"{texts[name][1]} instead") for name in managers if name in texts
    ]


def _pixi_ways(plan: Plan) -> list[Choice]:
    ways = []
    if plan.details.get("packages") != "feature":
        ways.append(Choice("f", "feature", "add one more environment to the pixi manifest instead"))
    if plan.box != "pixi" or plan.details.get("packages") != "new":
        ways.append(Choice("p", "pixi", "make a new pixi environment outside the project instead"))
    return ways


def answer_of(line: str, offered: Sequence[Choice]) -> str | None:
    """Return the answer that a typed line means, None where it means none: then the question is put again."""
    typed = line.strip().lower()
    keys = {choice.key: choice.answer for choice in offered}
    return keys.get(typed) or keys.get(_WORDS.get(typed, typed))


def needed(missing: Sequence[Requirement], plan_hint: str) -> ConsentNeeded:
    """Return the error for a run that nobody can be asked about, with the list of what is missing."""
    names = ", ".join(requirement.line() for requirement in missing)
    return ConsentNeeded(
        f"consent is needed to install {names}" if names else "consent is needed to run this plan",
        hint=plan_hint,
        phase="consent",
        details={"missing": [{"name": r.name, "specifier": r.specifier, "group": r.group} for r in missing]},
    )


def decided(options: RunOptions, answer: str, by: str, offered: Sequence[Choice], plan: Plan) -> Decision:
    """Return the record of the decision."""
    return Decision(
        question=QUESTION,
        options=tuple(choice.answer for choice in offered) or ("run",),
        answer=answer,
        by="prompt" if by == "prompt" else "flag" if by == "flag" else "config" if by == "config" else "default",
        details={
            "box": plan.box,
            "packages": len(plan.packages),
            "download_bytes": plan.download_bytes,
            "network": list(plan.network),
            "allow": list(options.allow),
            "offline": options.offline,
        },
    )
