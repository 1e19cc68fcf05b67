"""``dnnbox verify`` as typer reads it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dnnbox.cli.handoff_commands import Action, Json, ProgressOption


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(verify)


def verify(
    target: Annotated[Path, typer.Argument(metavar="EXP|ADAPTER", help="An experiment folder, or an adapter's file.")],
    checkpoint: Annotated[
        str, typer.Option(metavar="CKPT", help="The checkpoint; an experiment of this machine knows its own.")
    ] = "",
    source: Annotated[str, typer.Option(metavar="PATH|URL[@REF]", help="The model's source code.")] = "",
    llm_command: Annotated[
        str, typer.Option(metavar="CMD", help="Program that reads a brief on stdin and writes the adapter.")
    ] = "",
    box: Annotated[
        str, typer.Option(metavar="auto|current|venv|pixi|docker|podman", help="Where the adapter runs.")
    ] = "auto",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Install what is missing without asking.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is cached.")] = False,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="Time limit of the check, in seconds.")] = 600.0,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="unsafe-pickle|remote-code", help="Consent to a named risk.")
    ] = None,
    progress: ProgressOption = "auto",
    json: Json = False,
) -> Action:
    """Check an adapter by stages in the box: import, build, strict load, forward, finite, repeatable."""
    from dnnbox.cli import verify_actions

    return partial(verify_actions.verify, values=dict(locals()))
