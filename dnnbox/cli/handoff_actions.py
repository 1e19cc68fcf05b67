"""What the commands for whole experiments do: call, show."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox.cli import fail, show_json
from dnnbox.errors import ReplayDiffers, Usage

if TYPE_CHECKING:
    from dnnbox.handoff.replaying import Ready


def gate(
    experiment: Path,
    *,
    baseline: Path | None,
    targets: Sequence[str],
    wants: Sequence[str],
    min_effect: float,
    junit: Path | None,
    summary: Path | None,
    json: bool,
) -> int:
    """``dnnbox gate``."""
    from dnnbox.cli.screens.gate import gate_screen
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.handoff import gate_files
    from dnnbox.handoff.experiments import open_experiment
    from dnnbox.handoff.gating import gate as judge

    candidate = open_experiment(experiment)
    base = open_experiment(baseline) if baseline is not None else None
    answer = judge(candidate, base, targets=targets, wants=wants, min_effect=min_effect)
    if junit is not None:
        gate_files.write(junit, gate_files.junit(answer))
    if summary is not None:
        gate_files.write(summary, gate_files.summary(answer))
    if place := os.environ.get("GITHUB_STEP_SUMMARY"):
        gate_files.append(Path(place), gate_files.summary(answer))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # GitHub reads its commands from both streams; stdout belongs to the data.
        print("\n".join(gate_files.workflow_commands(answer)), file=sys.stderr)
    if json:
        show_json(answer)
    else:
        print(gate_screen(answer, look=look_of(sys.stdout)), end="")
    return fail(answer.error, []) if answer.error else 0


def compare(experiments: Sequence[Path], *, json: bool) -> int:
    """``dnnbox compare``."""
    from dnnbox.cli.screens.compare import compare_screen
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.handoff.comparing import compare as side_by_side
    from dnnbox.handoff.experiments import open_experiment

    if len(experiments) < 2:
        raise Usage("compare needs two experiments or more", hint="dnnbox compare A B…")
    answer = side_by_side([open_experiment(path) for path in experiments])
    if json:
        show_json(answer)
    else:
        print(compare_screen(answer, look=look_of(sys.stdout)), end="")
    return 0


def bundle(
    experiment: Path, out: Path, *, with_weights: bool, checkpoint: Path | None, with_wheels: bool, json: bool
) -> int:
    """``dnnbox bundle``."""
    from dnnbox.handoff.bundling import bundle as write_bundle
    from dnnbox.reports.numbers import NBSP, size

    if with_weights and checkpoint is None:
        raise Usage(
            "--with-weights needs to know where the checkpoint lies: an experiment names no place of a machine",
            hint="add --checkpoint PATH",
        )
    weights = checkpoint if with_weights else None
    done = write_bundle(experiment, out, workspace=Path.cwd(), checkpoint=weights, with_wheels=with_wheels)
    if json:
        show_json(done)
        return 0
    print(f"{out}  {size(done.size_bytes).replace(NBSP, ' ')}, {done.members} members")
    print(f"manifest sha256 {done.digest}")
    if not done.weights:
        print("the weights are not in it: whoever replays it gives them with --checkpoint")
    if done.missing_wheels:
        print(f"on no index, add --with-wheels to put them in: {', '.join(done.missing_wheels)}")
    return 0


def replay(values: Mapping[str, Any]) -> int:
    """``dnnbox replay``."""
    from dnnbox.cli.actions import progress
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.replay import replay_screen
    from dnnbox.handoff import replaying
    from dnnbox.handoff.replay_report import headline

    wanted = replaying.Wanted(
        bundle=values["bundle"],
        workspace=Path.cwd(),
        checkpoint=values["checkpoint"],
        source=values["source"],
        box=values["box"],
        base_image=values["base_image"],
        device=values["device"],
        consented=values["yes"],
        offline=values["offline"],
        digest=values["sha256"],
        out=values["out"],
        timeout_s=values["timeout"],
        strict_timings=values["strict_timings"],
    )
    ready = replaying.prepare(wanted)
    if not wanted.consented:
        ready = _asked(ready)
    with progress(values["progress"]) as display:
        answer = replaying.replay(ready, display)
    if values["json"]:
        show_json(answer)
    else:
        print(replay_screen(answer, folder=str(ready.folder), look=look_of(sys.stdout)), end="")
    return 0 if answer.same else fail(ReplayDiffers(headline(answer), hint="the report says what differs"), [])


def _asked(ready: Ready) -> Ready:
    """Ask whether the bundle may run here; where nobody can be asked nothing changes, and the replay refuses."""
    from dataclasses import replace

    from dnnbox.text import visible

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return ready
    print(f"This bundle runs {visible(ready.manifest.checkpoint, 80)} and code that came with it.", file=sys.stderr)
    print(f"  packages   {len(ready.lock.packages)}, by sha256, from your indexes", file=sys.stderr)
    print(f"  box        {ready.box} ({ready.box_reason})", file=sys.stderr)
    print(f"  manifest   sha256 {ready.unpacked.digest}", file=sys.stderr)
    print("Run it? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    return replace(ready, wanted=replace(ready.wanted, consented=answer in ("y", "yes")))
