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
    for command in (gate, compare, bundle, replay, sweep, history):
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


def bundle(
    experiment: Experiment,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write, for example model.zip.")],
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Put the checkpoint in; needs --checkpoint.")
    ] = False,
    checkpoint: Annotated[Path | None, typer.Option(metavar="PATH", help="Where the checkpoint lies now.")] = None,
    with_wheels: Annotated[
        bool, typer.Option("--with-wheels", help="Put wheels in that are on no index (from find-links).")
    ] = False,
    json: Json = False,
) -> Action:
    """One file that others can run again: lock, requests, inputs, expected outputs, reports, every hash."""
    return _later(
        "handoff_actions",
        "bundle",
        experiment,
        out,
        with_weights=with_weights,
        checkpoint=checkpoint,
        with_wheels=with_wheels,
        json=json,
    )


def replay(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The file, or the folder it was unpacked to.")],
    checkpoint: Annotated[Path | None, typer.Option(metavar="PATH", help="The weights, if not in the bundle.")] = None,
    source: Annotated[Path | None, typer.Option(metavar="PATH", help="The source, if not in the bundle.")] = None,
    box: Annotated[str, typer.Option(metavar="auto|venv|docker|podman", help="Default: as before.")] = "auto",
    base_image: Annotated[str, typer.Option(metavar="IMAGE", help="Base image of a container box.")] = "",
    device: Annotated[str, typer.Option(metavar="NAME", help="Another device than before.")] = "",
    sha256: Annotated[str, typer.Option(metavar="HEX", help="What the manifest's hash must be.")] = "",
    strict_timings: Annotated[
        bool, typer.Option("--strict-timings", help="Other timings beyond the noise are a difference too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Install and run it without asking.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is cached.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default tmp/replay-<name>-<time>.")] = None,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="Time limit of all jobs.")] = 1800.0,
    progress: ProgressOption = "auto",
    json: Json = False,
) -> Action:
    """Rebuild a bundle, run it again, compare outputs and timings, explain what differs: 0 same, 61 different."""
    return _later("handoff_actions", "replay", values=dict(locals()))


def sweep(
    matrix: Annotated[Path, typer.Argument(metavar="MATRIX.toml", help="Checkpoints, devices, precisions, batches …")],
    on: Annotated[
        str, typer.Option(metavar="local|slurm|NAME", help="Where cells run; default: as the file says.")
    ] = "",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default tmp/sweep-<name>.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say which cells there are and which are to be run.")] = False,
    emit: Annotated[str, typer.Option(metavar="github-matrix", help="Print the cells as a matrix for CI.")] = "",
    only: Annotated[list[str] | None, typer.Option(metavar="KEY,…", help="Only these cells.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again too.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Resolve anew; run cells whose lock is old.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Install and run without asking.")] = False,
    progress: ProgressOption = "auto",
    json: Json = False,
) -> Action:
    """Many runs, each done once: on this machine or on Slurm; go on where it was interrupted; one leaderboard."""
    return _later("sweep_actions", "sweep", values=dict(locals()))


def history(
    metric: Annotated[str, typer.Option(metavar="NAME", help="The figure to follow.")] = "latency_p50_ms",
    checkpoint: Annotated[str, typer.Option(metavar="NAME", help="Only checkpoints with this in their name.")] = "",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the index anew from the folders.")] = False,
    json: Json = False,
) -> Action:
    """The experiments of this workspace: a figure over time, per checkpoint and device."""
    return _later("sweep_actions", "history", metric, checkpoint=checkpoint, rebuild=rebuild, json=json)
