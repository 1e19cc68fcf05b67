"""What this very device reaches: the best of several matrix products and of several copies, in this process.

The roof of a roofline. Figures from a data sheet would compare with a machine that nobody has.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict

BUDGET_NS = 4 * 10**8
CPU_SIDE, GPU_SIDE = 1024, 4096
CPU_BYTES, GPU_BYTES = 64 << 20, 256 << 20


def of_torch(torch: Any, runtime: Any) -> Dict[str, Any]:
    """Return the peaks of torch on the runtime's device, in the type of the weights."""
    asked = "cuda" if runtime.request.device.startswith(("cuda", "rocm")) and torch.cuda.is_available() else "cpu"
    device = getattr(runtime, "device", None) or torch.device(asked)  # an adapter keeps its device to itself
    on_gpu = device.type != "cpu"
    kinds = runtime.weight_types() if hasattr(runtime, "weight_types") else []
    kind = kinds[0] if kinds and kinds[0] in ("float16", "bfloat16", "float64") else "float32"
    side = GPU_SIDE if on_gpu else CPU_SIDE
    wait = runtime.synchronize
    left = torch.rand((side, side), device=device).to(getattr(torch, kind))
    right = torch.rand((side, side), device=device).to(getattr(torch, kind))
    product = torch.empty_like(left)
    source = torch.rand((GPU_BYTES if on_gpu else CPU_BYTES) // 4, device=device)
    target = torch.empty_like(source)
    matmul = _best(lambda: torch.mm(left, right, out=product), wait)
    copy = _best(lambda: target.copy_(source), wait)
    return _record("torch", side, kind, matmul, 2 * source.numel() * 4, copy, torch.get_num_threads())


def of_numpy(numpy: Any, runtime: Any) -> Dict[str, Any]:
    """Return the peaks of numpy on the CPU; empty on a GPU, which numpy does not reach."""
    if getattr(runtime, "kind", "cpu") != "cpu":
        return {}
    left = numpy.ones((CPU_SIDE, CPU_SIDE), dtype="float32")
    right = numpy.ones((CPU_SIDE, CPU_SIDE), dtype="float32")
    product = numpy.empty_like(left)
    source = numpy.ones(CPU_BYTES // 4, dtype="float32")
    target = numpy.zeros_like(source)
    matmul = _best(lambda: numpy.matmul(left, right, out=product), _nothing)
    copy = _best(lambda: numpy.copyto(target, source), _nothing)
    return _record("numpy", CPU_SIDE, "float32", matmul, 2 * CPU_BYTES, copy, None)


def _nothing() -> None:
    return None


def _best(action: Callable[[], Any], wait: Callable[[], None]) -> float:
    """Return the seconds of the fastest repetition, after one that does not count."""
    action()
    wait()
    fastest = 0.0
    began = time.perf_counter_ns()
    while True:
        start = time.perf_counter_ns()
        action()
        wait()
        now = time.perf_counter_ns()
        if not fastest or now - start < fastest:
            fastest = max(1, now - start)
        if now - began >= BUDGET_NS:
            return fastest / 1e9


def _record(
    library: str, side: int, kind: str, matmul_s: float, copied: int, copy_s: float, threads: Any
) -> Dict[str, Any]:
    return {
        "flops_per_s": 2.0 * side**3 / matmul_s,
        "bytes_per_s": copied / copy_s,
        "matrix_side": side,
        "copy_bytes": copied // 2,
        "dtype": kind,
        "library": library,
        "threads": threads,
    }
