"""What each figure means, in one sentence each; stored beside the figures and printed with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dnnbox.records.measurements import Stats
from dnnbox.results.samples import ProcessSamples

_WARM_STAGES = {
    "preprocess": "files or text to tensors",
    "host_to_device": "tensors to the device's memory",
    "model": "the forward pass",
    "device_to_host": "results back to main memory",
    "postprocess": "tensors to a decoded result",
}
_COLD_STAGES = {
    "spawn": "from just before the process is started to the first line of dnnbox's own code in it",
    "import": "importing the packages that the model needs",
    "context": "opening the device (threads, GPU context)",
    "load": "reading the checkpoint and building the model",
    "to_device": "moving the weights to the device",
    "first": "the first inference, input included",
}


def of(
    stats: Stats, plan: Literal["full", "quick"], processes: Sequence[ProcessSamples], effective: Mapping[str, Any]
) -> dict[str, str]:
    """Return the definitions of all figures, by dotted name."""
    width = "±1 %" if plan == "full" else "±5 % (quick)"
    found = {
        "warm.latency_ms": _latency(stats, processes, effective, width),
        "warm.latency_ms.ci95": "95 % interval of the median from order statistics, no distribution assumed, "
        "widened to the medians of the single processes",
        "warm.latency_ms.outliers": "samples farther from the median than ten robust standard deviations; "
        "counted, never dropped",
        "cold.total_ms": "from just before a process is started to its first result, in fresh processes, page cache as "
        "it was left by the run before; never pooled with warm figures",
        "throughput": "items finished per second of inference, one request at a time; the interval is the slowest and "
        "the fastest process",
        "variants": "another way to run the same model, in one process of its own; its output is held against that of "
        "the plain run on the same input before it is timed; speedup is the plain p50 over this one's",
        "throughput_best.saturates_at": "smallest batch with 95 % of the best throughput",
        "memory.host_peak_mib": "largest resident memory of the process while it loads and runs, "
        "in a pass that is not timed",
        "memory.host_after_load_mib": "resident memory when the model is loaded, before the first inference",
        "memory.vram_peak_mib": "largest GPU memory of the process, in a pass that is not timed",
        "quality": "quiet: no check of the noise table failed; contended: something else used the machine; unstable: "
        "the figures did not settle or the processes differ",
    }
    found |= {
        f"warm.stages_ms.{name}": _WARM_STAGES.get(name, "a step of this runtime") for name in stats.warm.stages_ms
    }
    found |= {
        f"cold.stages_ms.{name}": _COLD_STAGES.get(name, "a step of this runtime") for name in stats.cold.stages_ms
    }
    return found


def _latency(stats: Stats, processes: Sequence[ProcessSamples], effective: Mapping[str, Any], width: str) -> str:
    device = str(effective.get("device") or "cpu")
    sync = "" if device.startswith("cpu") else ", device synchronised before each timestamp"
    stages = ", ".join(stats.warm.stages_ms).replace("_", " ") or "the whole call"
    warmup = sum(p.facts.warmup_n for p in processes)
    timer = max((p.facts.timer_ns for p in processes), default=0)
    return (
        f"wall time of one request (perf_counter_ns{sync}) through {stages}; batch {stats.batch}, "
        f"{stats.precision or 'unknown'} precision, {_counted(stats.threads, 'thread')}, "
        f"{_counted(stats.warm.processes, 'fresh process', 'es')}, "
        f"n = {stats.warm.latency_ms.n} after {warmup} warm-up iterations; "
        f"each process stops when the interval of its median is within {width}; "
        f"a pair of timestamps costs {timer} ns, not subtracted"
    )


def _counted(count: int | None, what: str, ending: str = "s") -> str:
    return f"{'unknown number of' if count is None else count} {what}{'' if count == 1 else ending}"
