"""Commands for whole experiments, as typer reads them: gate, compare, bundle, replay, sweep, history."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

Action = Callable[[], int]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Experiment = Annotated[Path, typer.Argument(metavar="EXP", help="An experiment folder.")]
ProgressOption = Annotated[
    str, typer.Option("--progress", metavar="auto|plain|none", help="Progress display on stderr.")
]


def _later(module: str, name: str, *arguments: Any, **options: Any) -> Action:
    from importlib import import_module

    return partial(getattr(import_module(f"dnnbox.cli.{module}"), name), *arguments, **options)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the application."""
    for command in (gate, compare):
        app.command()(command)


def gate(
    experiment: Experiment,
    baseline: Annotated[
        Path | None, typer.Option(metavar="EXP", help="Must not be slower or larger than this experiment.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="EXPR", help="Required, e.g. 'latency_p50_ms<=10'.")
    ] = None,
    want: Annotated[list[str] | None, typer.Option("--want", metavar="EXPR", help="Reported, never decides.")] = None,
    min_effect: Annotated[
        float, typer.Option(metavar="PERCENT", min=0.0, max=1000.0, help="A change that nobody minds.")
    ] = 2.0,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML.")] = None,
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write Markdown; on GitHub the job's summary gets it.")
    ] = None,
    json: Json = False,
) -> Action:
    """Pass or fail for CI: 0 pass, 1 target missed, 3 regression, 4 cannot be judged, else the run's own code."""
    return _later(
        "handoff_actions",
        "gate",
        experiment,
        baseline=baseline,
        targets=tuple(target or ()),
        wants=tuple(want or ()),
        min_effect=min_effect / 100,
        junit=junit,
        summary=summary,
        json=json,
    )


def compare(
    experiments: Annotated[
        list[Path], typer.Argument(metavar="A B…", help="Experiment folders; the first is the base.")
    ],
    json: Json = False,
) -> Action:
    """Experiments side by side: a table and a plot of their latencies."""
    return _later("handoff_actions", "compare", tuple(experiments), json=json)
