"""What the commands for whole experiments do: call, show."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dnnbox.cli import fail, show_json
from dnnbox.errors import Usage


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
