"""What the host sees around a job: the page cache before it, the GPU before and after it, power beside it.

Nothing here looks while a latency is measured: the host only waits then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnnbox import nvml, pagecache, power
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.run import RunOutcome

ENERGY_S = 2.0
_FRESH = ("cold", "measure", "generate")
"""The jobs whose start is a cold start, or whose figures a stranger on the GPU would bend."""

Run = Callable[[RunRequest], RunOutcome]


@dataclass(frozen=True)
class Places:
    """The files that a fresh process reads, and the GPU that it uses."""

    checkpoint: Sequence[Path]
    environment: Path | None
    device: str = "cpu"
    uuid: str = ""
    drop_cache: bool = False


def watched(run: Run, request: RunRequest, places: Places) -> RunOutcome:
    """Run one job; what was seen around it joins the outcome's settings."""
    if request.job == "memory":
        return _with_power(run, request, places)
    if request.job not in _FRESH:
        return run(request)
    seen = _page_cache(places)
    outcome, state = _beside_gpu(run, request, places)
    return replace(outcome, settings={**outcome.settings, **seen, **state})


def _page_cache(places: Places) -> dict[str, Any]:
    """Ask the kernel to forget the files where that is wanted, and say how much of them lies in memory."""
    environment = [places.environment] if places.environment is not None else []
    if places.drop_cache:
        pagecache.drop([*places.checkpoint, *environment])
    share = pagecache.resident_share(places.checkpoint)
    if share is None:
        return {}
    facts: dict[str, Any] = {"dropped": places.drop_cache, "checkpoint_share": float(share)}
    if places.drop_cache:  # thousands of files: only where it is what the figure is about
        found = pagecache.resident_share(environment)
        facts["environment_share"] = None if found is None else float(found)
    return {"page_cache": facts}


def _beside_gpu(run: Run, request: RunRequest, places: Places) -> tuple[RunOutcome, Mapping[str, Any]]:
    if not places.device.startswith("cuda"):
        return run(request), {}
    with nvml.opened(places.device, places.uuid) as gpu:
        if isinstance(gpu, str):
            return run(request), {"gpu_state_reason": gpu}
        before = gpu.read()
        outcome = run(request)
        return outcome, {"gpu_state": nvml.state_between(before, gpu.read(), int(outcome.wall_s * 1e9))}


def _with_power(run: Run, request: RunRequest, places: Places) -> RunOutcome:
    """Run the memory job; where power can be read, the box calls the model a while longer for it."""
    with power.sampler(places.device, places.uuid) as sampler:
        if isinstance(sampler, str):
            outcome = run(request)
            return replace(outcome, settings={**outcome.settings, "power": {"reason": sampler}})
        idle = sampler.idle()
        sampler.start()
        try:
            outcome = run(replace(request, plan=replace(request.plan, energy_seconds=ENERGY_S)))
        finally:
            sampler.stop()
        window = outcome.result.memory.get("energy_window") if outcome.result is not None else None
        return replace(outcome, settings={**outcome.settings, "power": sampler.record(window, idle)})
