"""The cold ladder: fresh processes from their start to their first result, rung by rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.measurements import Cold
from dnnbox.records.run import RunOutcome
from dnnbox.results import statistics

STAGES = ("spawn", "interpreter", "import", "context", "load", "to_device", "first")


def cold(started: Sequence[RunOutcome]) -> tuple[Cold, dict[str, str]]:
    """Return the ladder over all fresh processes; the reasons say which rungs there are none of."""
    ladders = [ladder for outcome in started if (ladder := _ladder(outcome))]
    if not ladders:
        return Cold(), {"cold.total_ms": "no fresh process was started for it"}
    names = [name for name in STAGES if any(name in ladder for ladder in ladders)]
    names += sorted({name for ladder in ladders for name in ladder} - set(names))
    stages = {name: statistics.summarise([ladder[name] for ladder in ladders if name in ladder]) for name in names}
    whole = [sum(ladder.values()) for ladder in ladders if "spawn" in ladder]
    total = statistics.summarise(whole)
    reasons = {} if whole else {"cold.total_ms": "the start of the processes was not on this machine's clock"}
    if whole and total.ci95 is None:
        reasons["cold.total_ms.ci95"] = f"n too small: {total.n} of 6"
    reasons |= {f"cold.stages_ms.{name}": "this runtime has no such step" for name in STAGES if name not in names}
    page_cache = _page_cache([outcome.settings for outcome in started])
    if not page_cache:
        reasons["cold.page_cache"] = "this system does not tell what lies in its page cache"
    elif page_cache["environment_share"] is None:
        reasons["cold.page_cache.environment_share"] = "thousands of files: looked at only with --drop-cache"
    return Cold(len(ladders), stages, total, page_cache), reasons


def _ladder(outcome: RunOutcome) -> dict[str, float]:
    """Return the stages of one fresh process in milliseconds; spawn is left out when the two clocks do not agree.

    The time to start Python lies inside of what the host sees as the spawn, so it is taken out of it.
    """
    result = outcome.result
    if result is None or not result.stages_ns:
        return {}
    spawn_ns = result.started_ns - outcome.spawned_ns
    is_same_clock = 0 < spawn_ns < outcome.wall_s * 1e9
    python_ns = min(result.stages_ns.get("interpreter", 0), max(0, spawn_ns))
    spawn = {"spawn": (spawn_ns - python_ns) / 1e6} if is_same_clock else {}
    ladder = spawn | {name: ns / 1e6 for name, ns in result.stages_ns.items()}
    return ladder | ({"interpreter": python_ns / 1e6} if is_same_clock and "interpreter" in ladder else {})


def _page_cache(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the host saw before each of the processes: the shares are medians."""
    seen = [found for setting in settings if isinstance(found := setting.get("page_cache"), Mapping)]
    if not seen:
        return {}
    facts: dict[str, Any] = {"dropped": all(found.get("dropped") is True for found in seen)}
    for name in ("checkpoint_share", "environment_share"):
        values = sorted(v for found in seen if isinstance(v := found.get(name), float))
        facts[name] = round(statistics.percentile(values, 0.5), 6) if values else None
    return facts
