"""Whose environment the packages go into: the user's own or a new one. Decided once, for all packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dnnbox import boxes, environments
from dnnbox.boxes.engines import ENGINES
from dnnbox.errors import Usage
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import BoxKind, Packages, Workspace
from dnnbox.records.options import RunOptions


@dataclass(frozen=True)
class Home:
    """Where a run lives. ``workspace`` knows the one manager that is meant where the user's environment is taken."""

    box: BoxKind
    reason: str
    packages: Packages
    workspace: Workspace


ANSWERS: Mapping[str, Mapping[str, str]] = {
    "container": {"box": "auto", "deps": "ask"},
    "venv": {"box": "venv", "deps": "new"},
    "pixi": {"box": "pixi", "deps": "new"},
    "feature": {"box": "pixi", "deps": "feature"},
    "current": {"box": "current", "deps": "current"},
    "current-pixi": {"box": "pixi", "deps": "current"},
    "current-venv": {"box": "venv", "deps": "current"},
}
"""What each answer at the consent screen means as options."""


def choose_home(options: RunOptions, workspace: Workspace) -> Home:
    """Return where the model runs and where its packages go; containers and new environments touch nothing.

    Raises:
        Usage: the options contradict each other or the workspace; both pixi and a venv manage it, and none is named.
        EngineUnavailable: an engine was asked for by name and does not answer.
    """
    requested = _requested(options, workspace)
    if options.deps != "ask" and options.deps != "new" and requested in ENGINES:
        raise Usage(f"--deps {options.deps}: a container has no environment of yours", hint="leave it out")
    if options.deps == "feature":
        return _feature(requested, workspace)
    if options.deps == "new" and requested == "current":
        raise Usage("--box current and --deps new contradict each other", hint="`--box venv` or `--box pixi`")
    if _is_current(requested, options.deps, workspace):
        return _current(requested, workspace)
    if requested == "pixi":
        return Home("pixi", "asked for", "new", workspace)
    box, reason = boxes.choose(requested, workspace=workspace)
    return Home(box, reason, "new", workspace)


def _requested(options: RunOptions, workspace: Workspace) -> str:
    if options.box != "auto":
        return options.box
    if options.deps in ("current", "feature"):
        return "current" if options.deps == "current" else "pixi"
    configured = workspace.settings.get("box")
    return configured if isinstance(configured, str) else "auto"


def _is_current(requested: str, deps: str, workspace: Workspace) -> bool:
    if requested == "current" or deps == "current":
        return True
    return requested == "pixi" and deps == "ask" and "pixi" in workspace.managers


def _current(requested: str, workspace: Workspace) -> Home:
    """Return the user's own environment, by the manager that was named or the only one."""
    named = requested if requested in ("pixi", "venv") else ""
    if not named and len(workspace.managers) > 1:
        raise Usage(
            f"both {' and '.join(workspace.managers)} manage this workspace; which one is current?",
            hint="say `--deps current --box pixi` or `--deps current --box venv`",
            phase="plan",
        )
    manager = named or next(iter(workspace.managers), "")
    python = workspace.pythons.get(manager, workspace.current_python)
    if (named and named not in workspace.managers) or (not python and manager != "pixi"):
        what = f"this workspace has no {named} environment" if named else "this workspace has no environment of its own"
        raise Usage(what, hint="use `--box venv` for a new one", phase="plan")
    narrowed = replace(workspace, managers=(manager,) if manager else (), current_python=python)
    return Home("pixi" if requested == "pixi" else "current", "asked for", "current", narrowed)


def _feature(requested: str, workspace: Workspace) -> Home:
    if requested != "pixi":
        raise Usage(f"--deps feature is for pixi, and the box is {requested}", hint="add `--box pixi`")
    if "pixi" not in workspace.managers:
        raise Usage(
            "--deps feature: this workspace has no pixi manifest",
            hint="`--box pixi --deps new` makes a pixi environment with a manifest of its own",
        )
    return Home("pixi", "asked for", "feature", replace(workspace, managers=("pixi",), current_python=""))


def current_lacks(derived: Dependencies, workspace: Workspace) -> tuple[Requirement, ...]:
    """Return what the workspace's own environment lacks; everything where there is none."""
    if not workspace.current_python:
        return derived.requirements
    return tuple(environments.missing(derived, Path(workspace.current_python)))
