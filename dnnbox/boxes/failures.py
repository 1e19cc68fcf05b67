"""How a job ended, as the one error that a user should see; the log keeps the rest."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

from dnnbox.boxes.collect import declared_paths
from dnnbox.errors import (
    AdapterNeeded,
    BadOutput,
    DnnboxError,
    GpuUnavailable,
    Internal,
    OutOfMemory,
    OutputLimit,
    RunFailed,
    RunSignal,
    TimedOut,
    Unsupported,
    VramOutOfMemory,
)
from dnnbox.harness.protocol import RunError
from dnnbox.records.environment import Limits
from dnnbox.records.run import RunOutcome
from dnnbox.text import visible

_NO_MEMORY = re.compile(
    r"MemoryError|Cannot allocate memory|std::bad_alloc|std::length_error|DefaultCPUAllocator: (can't|not enough)"
    r"|failed to map segment|out of memory|can't start new thread|Resource temporarily unavailable"
    r"|memory allocation|allocation failed|failed to allocate|not enough memory",
    re.IGNORECASE,
)
_VRAM = re.compile(r"CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|HIP out of memory|CUBLAS_STATUS_ALLOC_FAILED")


def error_of(outcome: RunOutcome, limits: Limits, timeout_s: float) -> DnnboxError | None:
    """Return the error that an outcome means, or None for a job that went well.

    The harness's own word counts most, then what the host enforced (time, output, memory), then how the process died.
    A failed check of the output gate is no error here: the result is whole, and the pipeline judges it.
    """
    if outcome.timed_out:
        return TimedOut(
            f"{outcome.job}: still running after {timeout_s:g} s, and was stopped",
            hint="raise `--timeout`",
            details={"timeout_s": timeout_s},
        )
    if outcome.output_limit:
        return OutputLimit(f"{outcome.job}: the box wrote more than it may: {outcome.output_limit}")
    if outcome.result is not None:
        return _judge_result(outcome, limits)
    return _judge_death(outcome, limits)


def _judge_result(outcome: RunOutcome, limits: Limits) -> DnnboxError | None:
    result = outcome.result
    assert result is not None
    if result.error is not None:
        return _understood(outcome, result.error, limits)
    if result.job != outcome.job:
        return BadOutput(f"result.json answers the job {visible(result.job, 40)}, {outcome.job} was asked")
    lost = [path for path in declared_paths(result) if path not in outcome.files]
    if lost:
        why = next((text for text in outcome.rejected if text.startswith(visible(lost[0], 120))), visible(lost[0], 120))
        return BadOutput(f"{outcome.job}: a declared result was refused: {visible(why, 160)}")
    if outcome.oom_killed:
        # A child of the harness was killed and the harness went on: its figures are of a crippled run.
        return _out_of_memory(outcome.job, limits, "a process in the box was killed for memory")
    if outcome.exit_code != 0:
        return BadOutput(f"{outcome.job}: result.json is there, but the box exited with {outcome.exit_code}")
    return None


def _understood(outcome: RunOutcome, error: RunError, limits: Limits) -> DnnboxError:
    """Return the error for a failure that the harness itself reported."""
    detail = visible(_one_line(error.detail), 200)
    make = _BY_KIND.get(error.kind)
    if error.kind == "oom" or (error.kind in _MAY_BE_MEMORY and _looks_like_memory(outcome, error)):
        return _out_of_memory(outcome.job, limits, detail)
    if make is None:
        return Internal(f"{outcome.job}: the harness reports {visible(error.kind, 40)}: {detail}")
    return make(f"{outcome.job}: {detail}", error)


def _one_line(text: str) -> str:
    return " ".join(text.split())


_MAY_BE_MEMORY = ("missing_module", "import_failed", "load_failed", "infer_failed", "input_failed", "internal")


def _looks_like_memory(outcome: RunOutcome, error: RunError) -> bool:
    """A memory limit without a control group makes any allocation fail, and libraries word that in many ways."""
    return outcome.oom_killed or (
        bool(outcome.settings.get("memory_failed") or outcome.settings.get("memory") == "rlimit")
        and bool(_NO_MEMORY.search(f"{error.detail}\n{error.traceback}\n{outcome.stderr_tail}"))
    )


def _leaf(leaf: type[DnnboxError], hint: str) -> Callable[[str, RunError], DnnboxError]:
    def make(what: str, error: RunError) -> DnnboxError:
        return leaf(what, hint=hint, details={"kind": error.kind, "stage": visible(error.stage, 60)})

    return make


def _missing_module(what: str, error: RunError) -> DnnboxError:
    name = visible(error.detail, 80)
    return RunFailed(
        f"{what.partition(':')[0]}: the model needs the package {name}, which is not in the environment",
        hint=f"add `{name}` to the requirements of the source, or give `--source`",
        details={"kind": error.kind, "module": name},
    )


_BY_KIND: dict[str, Callable[[str, RunError], DnnboxError]] = {
    "protocol": _leaf(Internal, "report it with the log"),
    "missing_module": _missing_module,
    "import_failed": _leaf(RunFailed, "a package is there but does not import; the log holds the traceback"),
    "load_failed": _leaf(RunFailed, "the checkpoint does not load; `--family` or `--adapter` may help"),
    "needs_adapter": _leaf(AdapterNeeded, "fill the holes in scripts/adapter.py and continue with `--adapter`"),
    "unsupported": _leaf(Unsupported, "choose another precision, batch size or device"),
    "input_failed": _leaf(RunFailed, "give an input that the model can read with `--input`"),
    "infer_failed": _leaf(RunFailed, "the log holds the traceback; other input (`--input`) or an adapter may help"),
    "bad_output": _leaf(BadOutput, "nothing was timed; try real input (`--input`) or another precision"),
    "device_unavailable": _leaf(GpuUnavailable, "`--device cpu` runs without it"),
    "vram_oom": _leaf(VramOutOfMemory, "use a smaller batch or a lower precision"),
    "internal": _leaf(Internal, "report it with the log"),
}


def _judge_death(outcome: RunOutcome, limits: Limits) -> DnnboxError:
    """Return the error for a box that left no readable result."""
    job, last = outcome.job, _last_words(outcome.stderr_tail)
    if outcome.oom_killed:
        return _out_of_memory(job, limits, "the kernel ended it")
    if _died_of_memory(outcome):
        return _out_of_memory(job, limits, last)
    if _VRAM.search(outcome.stderr_tail):
        return VramOutOfMemory(f"{job}: {last}", hint="use a smaller batch or a lower precision")
    details = {"exit_code": outcome.exit_code, "signal": outcome.signal}
    if outcome.signal is not None:
        return RunSignal(f"{job}: the box died of {_signal_name(outcome.signal)}: {last}", details=details)
    if problem := outcome.settings.get("result_problem"):
        return BadOutput(f"{job}: {visible(str(problem), 200)}", details=details)
    if outcome.exit_code == 0:
        return BadOutput(f"{job}: the box ended well but left no result.json", details=details)
    return RunFailed(f"{job}: the box exited with {outcome.exit_code} before it could answer: {last}", details=details)


def _died_of_memory(outcome: RunOutcome) -> bool:
    """A limit on the process's own allocations kills nobody: it makes them fail, and the program gives up."""
    limited = outcome.settings.get("memory_failed") or outcome.settings.get("memory") == "rlimit"
    return bool(limited and _NO_MEMORY.search(outcome.stderr_tail))


def _out_of_memory(job: str, limits: Limits, detail: str) -> OutOfMemory:
    mib = limits.memory_bytes >> 20
    return OutOfMemory(
        f"{job}: the box needs more than {mib} MiB of memory ({detail})"[:240],
        hint="raise `--memory`, or use a smaller batch",
        details={"memory_bytes": limits.memory_bytes},
    )


def _last_words(tail: str) -> str:
    lines = [line for line in tail.splitlines() if line.strip()]
    return visible(lines[-1].strip(), 160) if lines else "it left no words"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
