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


@dataclass(frozen=True)
class Choice:
    """One way to go on. ``key`` is what the user types ("" = Enter); ``answer`` is what decisions.json records."""

    key: str
    answer: str  # run | current | venv | container | quit
    text: str


Ask = Callable[[Plan, Sequence[Choice]], str]
"""Shows the plan and the choices, returns one of the answers. Only the command line has one."""


def choices(plan: Plan, *, has_current: bool, has_engine: bool) -> tuple[Choice, ...]:
    """Return the ways to go on from ``plan``; Enter runs exactly what is shown."""
    ways = [Choice("", "run", "run this plan")]
    if plan.box != "venv":
        ways.append(Choice("v", "venv", "make a new venv for this model instead"))
    if has_current and plan.box not in ("current", "pixi"):
        ways.append(Choice("m", "current", "modify the current environment instead"))
    if has_engine and plan.box not in ("docker", "podman"):
        ways.append(Choice("c", "container", "use a container instead"))
    ways.append(Choice("q", "quit", "quit, nothing changed"))
    return tuple(ways)


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
