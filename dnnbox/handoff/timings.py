"""The timings of a run and of its replay: the same, slower, faster, or not comparable, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dnnbox import results
from dnnbox.handoff import spread
from dnnbox.handoff.experiments import Opened, hardware_class
from dnnbox.handoff.explaining import Facts
from dnnbox.handoff.spread import BLIND, Change
from dnnbox.records.environment import EnvironmentRecord
from dnnbox.records.run import RunOutcome
from dnnbox.reports.outputs import Outputs


@dataclass(frozen=True)
class Timing:
    """Median latency before and now; ``same`` means that no difference beyond the noise of both was seen."""

    verdict: Literal["same", "slower", "faster", "unknown", "not compared"]
    detail: str = ""
    before_ms: float | None = None
    now_ms: float | None = None
    change: Change | None = None


def compare(root: Path, before: Outputs, outcomes: Sequence[RunOutcome], now: Facts) -> Timing:
    """Return how the timings compare; another hardware class is not compared, because it says nothing."""
    stats = results.measure(outcomes, batch=before.stats.batch)
    environment = EnvironmentRecord(machine=now.machine)
    index = replace(before.index, device=str(now.effective.get("device", before.index.device)))
    after = Outputs(
        index=index, stats=stats, samples=results.samples(outcomes, batch=stats.batch), environment=environment
    )
    mine, theirs = hardware_class(Opened(root, before)), hardware_class(Opened(root, after))
    different = [f"{name} {mine[name]} against {theirs[name]}" for name in mine if mine[name] != theirs[name]]
    base = spread.side(before.stats, before.samples, "latency_p50_ms")
    other = spread.side(stats, after.samples, "latency_p50_ms")
    figures = (base.value if base else None, other.value if other else None)
    if different:
        return Timing("not compared", f"another hardware class: {'; '.join(different)}", *figures)
    if base is None or other is None:
        return Timing("not compared", "one side was not timed", *figures)
    change = spread.change(base, other)
    if "unstable" in (before.stats.quality, stats.quality):
        return Timing("unknown", "one side was unstable", *figures, change)
    if change.interval[0] > 0 or change.interval[1] < 0:
        return Timing("slower" if change.share > 0 else "faster", "", *figures, change)
    if change.noise > BLIND:
        return Timing(
            "unknown", f"only a change above {100 * change.noise:.0f} % would have been seen", *figures, change
        )
    return Timing("same", "", *figures, change)
