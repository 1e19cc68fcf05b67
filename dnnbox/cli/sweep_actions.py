"""``dnnbox sweep`` and ``dnnbox history``: call, show."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox.cli import fail, parsing, show_json
from dnnbox.errors import ConsentNeeded, RunFailed, TargetMissed, Usage

if TYPE_CHECKING:
    from dnnbox.sweep.running import Planned, Swept


def sweep(values: Mapping[str, Any]) -> int:
    """``dnnbox sweep``."""
    from dnnbox.sweep import matrix as matrices
    from dnnbox.sweep import running

    matrix, here = matrices.load(values["matrix"]), Path.cwd()
    folder = values["out"] or running.default_folder(here, matrix)
    emit = parsing.one_of("--emit", values["emit"], ("", "github-matrix"))
    # Whoever only wants to know the cells needs no cluster for it.
    executor = running.open_executor("local" if emit else values["on"] or matrix.executor, matrix, folder)
    only = tuple(key for text in values["only"] or () for key in text.split(",") if key)
    planned = running.plan(matrix, folder, executor, only=only, retry_failed=values["retry_failed"])
    if emit:
        from dnnbox.sweep.emit import github_matrix

        show_json(github_matrix(planned.cells))
        return 0
    if values["plan"]:
        return _show_plan(planned, json=values["json"])
    if not values["yes"] and (planned.pending or values["refresh"]):
        _ask(planned)
    from dnnbox.cli.screens.sweep import SweepProgress

    kind = parsing.one_of("--progress", values["progress"], ("auto", "plain", "none"))
    with SweepProgress(kind) as display:
        swept = running.run(
            planned, executor, here, display, refresh=values["refresh"], retry_failed=values["retry_failed"]
        )
    return _show(swept, json=values["json"])


def _show_plan(planned: Planned, *, json: bool) -> int:
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.sweep import plan_screen

    if json:
        pending = {cell.key for cell in planned.pending}
        cells = [{"key": c.key, "name": c.name, "point": c.point, "pending": c.key in pending} for c in planned.cells]
        show_json({"schema": "dnnbox.sweep-cells/1", "name": planned.matrix.name, "cells": cells})
    else:
        print(plan_screen(planned, look=look_of(sys.stdout)), end="")
    return 0


def _ask(planned: Planned) -> None:
    """Ask once for all cells; where nobody can be asked, refuse."""
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.sweep import plan_screen

    if sys.stdin.isatty() and sys.stderr.isatty():
        print(plan_screen(planned, look=look_of(sys.stderr)), end="", file=sys.stderr)
        print("Install what these cells need, and run them? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
        raise ConsentNeeded("you said no; nothing was changed", phase="sweep")
    raise ConsentNeeded(
        f"consent is needed to install packages for {len(planned.pending)} cells and to run them",
        hint="look at `--plan`, then run again with `--yes`",
        phase="sweep",
    )


def _show(swept: Swept, *, json: bool) -> int:
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.sweep import sweep_screen

    if json:
        show_json(swept)
    else:
        print(sweep_screen(swept, look=look_of(sys.stdout)), end="")
    if swept.failed:
        hint = "the leaderboard says why; `--retry-failed` tries them again"
        return fail(RunFailed(f"{swept.failed} of {swept.cells} cells failed", hint=hint, phase="sweep"), [])
    if swept.missed:
        return fail(TargetMissed(f"{swept.missed} of {swept.cells} cells miss a target", phase="sweep"), [])
    return 0


def history(metric: str, *, checkpoint: str, rebuild: bool, json: bool) -> int:
    """``dnnbox history``."""
    from dnnbox.cli.screens.history import history_screen
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.handoff.history import history as look_up

    if not metric:
        raise Usage("--metric is empty", hint="for example latency_p50_ms")
    found = look_up(Path.cwd(), metric=metric, checkpoint=checkpoint, rebuild=rebuild)
    if json:
        show_json(found)
    else:
        print(history_screen(found, look=look_of(sys.stdout)), end="")
    return 0
