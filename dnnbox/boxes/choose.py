"""Which kind of box a run gets, and why."""

from __future__ import annotations

from dnnbox.boxes import bubblewrap
from dnnbox.boxes.bubblewrap import Bubblewrap
from dnnbox.boxes.engines import ENGINES, base_url, engine_answers
from dnnbox.errors import Usage
from dnnbox.records.environment import BoxKind, Workspace

KINDS: tuple[BoxKind, ...] = ("current", "venv", "pixi", "docker", "podman")


def choose(requested: str, *, workspace: Workspace) -> tuple[BoxKind, str]:
    """Return the box for ``--box`` and the reason in a few words; auto prefers a container where an engine answers.

    Raises:
        Usage: no such box, or it is the workspace's and there is none.
        EngineUnavailable: an engine was asked for by name and does not answer.
    """
    if requested == "auto":
        return _automatic()
    if requested not in KINDS:
        raise Usage(f"unknown box `{requested}`", hint=f"known: auto, {', '.join(KINDS)}")
    if requested in ENGINES:
        base_url(requested)
    if requested == "pixi" and "pixi" not in workspace.managers:
        raise Usage("this workspace is not managed by pixi", hint="use `--box venv` for a new environment")
    if requested == "current" and not workspace.current_python:
        raise Usage("this workspace has no environment of its own", hint="use `--box venv` for a new one")
    return requested, "asked for"


def _automatic() -> tuple[BoxKind, str]:
    for engine in ENGINES:
        if engine_answers(engine):
            return engine, f"{engine} answers"
    found = bubblewrap.find()
    if isinstance(found, Bubblewrap):
        return "venv", "no container engine answers; bubblewrap keeps the model from the machine"
    return "venv", f"no container engine answers, and there is no sandbox: {found}"
