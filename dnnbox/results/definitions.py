"""What each figure means, in one sentence each; stored beside the figures and printed with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dnnbox.records.measurements import Stats
from dnnbox.results.samples import ProcessSamples

_MOST_CPUS = 16  # that are named
_WARM_STAGES = {
    "preprocess": "files or text to tensors",
    "host_to_device": "tensors to the device's memory",
    "model": "the forward pass",
    "device_to_host": "results back to main memory",
    "postprocess": "tensors to a decoded result",
}
_COLD_STAGES = {
    "spawn": "from just before the process is started to the first line of dnnbox's own code in it, less the "
    "interpreter's own time",
    "interpreter": "processor time of the process before the first line of dnnbox's own code: starting Python",
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
        "cold.total_ms": "from just before a process is started to its first result, in fresh processes, "
        f"{_page_cache(stats)}; never pooled with warm figures",
        "cold.page_cache": "share of the files' bytes in memory just before each process, median: of the "
        "checkpoint, and of the environment where it was dropped",
        "throughput": "items finished per second of inference, one request at a time; the interval is the slowest and "
        "the fastest process" + _window_text(stats),
        "variants": "another way to run the same model, in one process of its own; its output is held against that of "
        "the plain run on the same input before it is timed; speedup is the plain p50 over this one's",
        "throughput_best.saturates_at": "smallest batch with 95 % of the best throughput",
        "memory.host_peak_mib": "largest resident memory of the process while it loads and runs, "
        "in a pass that is not timed",
        "memory.host_after_load_mib": "resident memory when the model is loaded, before the first inference",
        "memory.vram_peak_mib": "largest GPU memory that the runtime's allocator reserved, in a pass that is not timed",
        "memory.vram_process_peak_mib": "largest GPU memory of the job's processes as the driver counts it, context "
        "included, read ten times a second in a pass that is not timed",
        "memory.vram_device_used_mib": "memory of the whole GPU in use at the end of that pass, whoever holds it",
        "memory.cgroup_peak_mib": "largest memory of the box as the kernel charges it, page cache included",
        "quality": "quiet: no check of the noise table failed; contended: something else used the machine; unstable: "
        "the figures did not settle or the processes differ",
    }
    found |= _generation(stats) | _energy(stats) | _waited(stats)
    if stats.warm.device_ms.n:
        found["warm.device_ms"] = (
            "the forward pass between two events on the device, by its own clock; the device is waited for once, after "
            "the last call, so the time to start a call is hidden where there is a call before it"
        )
    found |= {
        f"warm.stages_ms.{name}": _WARM_STAGES.get(name, "a step of this runtime") for name in stats.warm.stages_ms
    }
    found |= {
        f"cold.stages_ms.{name}": _COLD_STAGES.get(name, "a step of this runtime") for name in stats.cold.stages_ms
    }
    return found


def _page_cache(stats: Stats) -> str:
    dropped = stats.cold.page_cache.get("dropped") is True
    return "page cache dropped before each" if dropped else "page cache as it was left by the run before"


def _window_text(stats: Stats) -> str:
    ahead = any(point.synchronised == "each window" for point in stats.throughput)
    return "; the model alone, the device waited for once a window and not after each call" if ahead else ""


def _waited(stats: Stats) -> dict[str, str]:
    if not stats.noise.get("waited"):
        return {}
    return {
        "noise.waited": "time that the measuring processes lost to waiting until a fixed loop took as long as it "
        "usually does here, and windows that were taken again because it did not; no latency had a say in it"
    }


def _generation(stats: Stats) -> dict[str, str]:
    found = stats.generation
    if found is None:
        return {}
    how = f"greedy, {found.new_tokens} tokens after a prompt of {found.prompt_tokens}, with a cache of keys and values"
    return {
        "generation.first_token_ms": f"from the text to the first new token in host memory: tokenising where the input "
        f"is text, copy to the device, reading the prompt, choosing the likeliest token; {how}; "
        f"n = {found.first_token_ms.n}",
        "generation.prefill_ms": "the same from the prompt's tokens on",
        "generation.between_tokens_ms": "from one token to the next, the device waited for at each; all positions of "
        f"all runs, n = {found.between_tokens_ms.n}",
        "generation.total_ms": f"a whole run: the first token and the {max(0, found.new_tokens - 1)} after it",
        "generation.prefill_tokens_per_s": "tokens of the prompt over the median time to read it",
        "generation.decode_tokens_per_s": "tokens after the first over the mean time that they took",
        "generation.tokens_per_s": "new tokens over the mean time of a whole run",
        "generation.by_position_ms": "median time of each token after the first, in order: it may grow",
    }


def _energy(stats: Stats) -> dict[str, str]:
    if stats.energy is None:
        return {}
    return {
        "energy": f"read by the host while the model was called {stats.energy.get('calls')} times in a pass that is "
        "not timed, inputs and outputs copied each time; of a whole source (GPU, or processor package with all that "
        "runs on it), nothing averaged or added up over sources",
        "energy.above_idle_joules_per_item": "the same less what the source took in the idle second before",
    }


def _cpus(effective: Mapping[str, Any]) -> str:
    """Return the affinity of the process, as far as it is known."""
    told = effective.get("cpus")
    cpus = [str(number) for number in told[:_MOST_CPUS]] if isinstance(told, list) else []
    more = " …" if isinstance(told, list) and len(told) > _MOST_CPUS else ""
    return f" on CPUs {' '.join(cpus)}{more}" if cpus else ""


def _latency(stats: Stats, processes: Sequence[ProcessSamples], effective: Mapping[str, Any], width: str) -> str:
    device = str(effective.get("device") or "cpu")
    sync = "" if device.startswith("cpu") else ", device synchronised before each timestamp"
    stages = ", ".join(stats.warm.stages_ms).replace("_", " ") or "the whole call"
    warmup = sum(p.facts.warmup_n for p in processes)
    timer = max((p.facts.timer_ns for p in processes), default=0)
    return (
        f"wall time of one request (perf_counter_ns{sync}) through {stages}; batch {stats.batch}, "
        f"{stats.precision or 'unknown'} precision, {_counted(stats.threads, 'thread')}{_cpus(effective)}, "
        f"{_counted(stats.warm.processes, 'fresh process', 'es')}, "
        f"n = {stats.warm.latency_ms.n} after {warmup} warm-up iterations; "
        f"each process stops when the interval of its median is within {width}; "
        f"a pair of timestamps costs {timer} ns, not subtracted"
    )


def _counted(count: int | None, what: str, ending: str = "s") -> str:
    return f"{'unknown number of' if count is None else count} {what}{'' if count == 1 else ending}"
