"""``dnnbox doctor --bench``: how quiet this machine is, and what differences a measurement on it can tell apart.

Three fresh processes time a fixed piece of work with the harness itself and are judged as a run is judged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dnnbox import boxes, results
from dnnbox.boxes.base import Box
from dnnbox.harness.protocol import MeasurePlan, RunRequest
from dnnbox.records.environment import Limits, Mount
from dnnbox.records.measurements import Stats
from dnnbox.records.plan import FitCheck
from dnnbox.records.run import RunOutcome
from dnnbox.reports import numbers
from dnnbox.scratch import scratch
from dnnbox.text import visible

PROCESSES = 3
PLAN = MeasurePlan(min_seconds=2.0, max_seconds=6.0, warmup_max_seconds=3.0)
_SECONDS_LIMIT = 60.0
_FINE, _COARSE = 0.02, 0.05  # of p50: what may be told apart on a machine that is good for it, or just so
_TAIL = 1.25  # p95 over p50
_CPU = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")

WORK = '''"""A fixed piece of work of about a millisecond: the digest of the same block."""

import hashlib


class Adapter:
    def load(self, checkpoint, device, precision):
        self.block = bytes(range(256)) * 4096

    def example_inputs(self, batch_size):
        return {"x": [0.0]}

    def preprocess(self, paths):
        return {"x": [0.0]}

    def infer(self, inputs):
        return {"y": [float(hashlib.sha256(self.block).digest()[0])]}

    def postprocess(self, outputs, out_dir):
        return {}
'''


@dataclass(frozen=True)
class Bench:
    """What `dnnbox doctor --bench --json` adds. Shares are of p50; ``resolution_share`` is the smallest difference
    between two runs that is more than this machine's own doing."""

    quality: str | None
    p50_ms: float | None
    ci_half_width_share: float | None
    process_spread_share: float | None
    resolution_share: float | None
    p95_over_p50: float | None
    timer_ns: int | None
    processes: int
    reasons: tuple[str, ...] = ()


def bench() -> tuple[Bench, tuple[FitCheck, ...]]:
    """Measure for about ten seconds and return the figures, and what they mean as lines of the doctor's screen."""
    with scratch() as folder:
        outcomes = _measured(folder)
        stats = results.measure(outcomes)  # reads the samples, which go with the folder
    found = _of(stats, outcomes)
    return found, (*_checks(found, stats), *_machine())


def _measured(folder: Path) -> list[RunOutcome]:
    adapter = folder / "work.py"
    adapter.write_text(WORK, encoding="utf-8")
    mounts = (Mount(str(adapter), "/dnnbox/adapter/work.py"),)
    limits = Limits(memory_bytes=boxes.default_memory_bytes())
    with boxes.open_venv(Path(sys.executable), mounts, limits, sandbox="none", kind="current") as box:
        path = box.path(adapter)
        request = RunRequest("measure", "adapter", path, threads=1, options={"adapter": path}, plan=PLAN)
        return [_outcome(box, request, limits, folder / f"job-{number}") for number in range(PROCESSES)]


def _outcome(box: Box, request: RunRequest, limits: Limits, job_dir: Path) -> RunOutcome:
    job_dir.mkdir()
    outcome = box.run(request, job_dir, timeout_s=_SECONDS_LIMIT)
    error = boxes.error_of(outcome, limits, _SECONDS_LIMIT)
    if error is not None:
        raise error
    return outcome


def _of(stats: Stats, outcomes: Sequence[RunOutcome]) -> Bench:
    latency, medians = stats.warm.latency_ms, stats.warm.per_process_p50_ms
    half = stats.shares.get("warm.ci_half_width")
    spread = (max(medians) - min(medians)) / min(medians) if medians else None
    timers = [o.result.samples.timer_ns for o in outcomes if o.result is not None and o.result.samples is not None]
    reasons = stats.noise.get("reasons")
    return Bench(
        quality=stats.quality,
        p50_ms=latency.p50,
        ci_half_width_share=half,
        process_spread_share=None if spread is None else round(spread, 6),
        resolution_share=None if half is None or spread is None else round(max(2 * half, spread), 6),
        p95_over_p50=round(latency.p95 / latency.p50, 4) if latency.p95 and latency.p50 else None,
        timer_ns=max(timers, default=None),
        processes=len(medians),
        reasons=tuple(visible(str(reason), 160) for reason in reasons) if isinstance(reasons, list | tuple) else (),
    )


def _checks(found: Bench, stats: Stats) -> Iterable[FitCheck]:
    yield _quiet(found)
    if found.resolution_share is not None:
        yield _resolution(found)
    if found.p95_over_p50 is not None:
        text = f"19 of 20 calls within {numbers.significant(found.p95_over_p50)} times the median"
        fix = "tails measured here are the machine's as much as the model's: pin the box with `--cpus`, stop other work"
        is_short = found.p95_over_p50 <= _TAIL
        yield FitCheck("Tail", "ok" if is_short else "warning", text, "" if is_short else fix)
    if stats.warm.drift or stats.warm.modes_ms:
        modes = " and ".join(numbers.duration(ms) for ms in stats.warm.modes_ms)
        text = stats.warm.drift or f"the same work has two speeds, {modes}"
        yield FitCheck("Steadiness", "warning", text, "a clock that changes or a neighbour: fix the clock, or wait")
    if found.timer_ns is not None and found.p50_ms:
        text = f"{numbers.count(found.timer_ns)} ns for a pair of timestamps"
        yield FitCheck(
            "Timer", "ok" if found.timer_ns < 2000 else "warning", text, "a virtual clock: see the clocksource"
        )


def _quiet(found: Bench) -> FitCheck:
    if found.quality == "quiet":
        return FitCheck("Quiet", "ok", f"nothing disturbed {numbers.counted(found.processes, 'process', 'processes')}")
    fix = "stop other work, or measure between it: `dnnbox run … --wait-quiet 120`"
    return FitCheck("Quiet", "warning", f"{found.quality}: {'; '.join(found.reasons[:3])}", fix)


def _resolution(found: Bench) -> FitCheck:
    assert found.resolution_share is not None
    share = numbers.percent(found.resolution_share)
    text = f"two runs have to differ by more than {share} of p50; a fixed work of {numbers.duration(found.p50_ms)}"
    if found.quality != "quiet":
        return FitCheck("Resolution", "warning", text, "true only beside the same other work: measure again without it")
    if found.resolution_share <= _FINE:
        return FitCheck("Resolution", "ok", text)
    coarse = found.resolution_share > _COARSE
    fix = "only large differences show here" if coarse else "small differences need a steadier machine"
    return FitCheck("Resolution", "warning", text, fix)


def _machine() -> Iterable[FitCheck]:
    """Say what of the machine's settings bends figures; nothing where the system does not tell."""
    governors = sorted(set(_texts(_CPU.glob("cpu[0-9]*/cpufreq/scaling_governor"))))
    if governors and governors != ["performance"]:
        fix = "`cpupower frequency-set -g performance` keeps the clock up"
        yield FitCheck("CPU clock", "warning", f"governor {', '.join(governors)}: the clock follows the load", fix)
    elif governors:
        yield FitCheck("CPU clock", "ok", "governor performance")
    if next(iter(_texts([_CPU / "smt" / "active"])), "0") == "1":
        text = "two hardware threads share a core: a neighbour slows the other one down"
        yield FitCheck("Hardware threads", "ok", text)
    quota = next(iter(_texts([_QUOTA])), "max").split()
    if quota and quota[0] != "max":
        fix = "use a cpuset instead (`--cpus 0,1`): a quota stops a process in the middle of a call"
        yield FitCheck("CPU quota", "warning", f"{quota[0]} of each {quota[-1]} µs", fix)


def _texts(paths: Iterable[Path]) -> list[str]:
    found = []
    for path in paths:
        with suppress(OSError):
            found.append(visible(path.read_text("ascii", "replace").strip(), 60))
    return found
