"""One job of the harness with this very Python, on the GPU: what benchmarks/gpu.py compares with its own loops."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from dnnbox import process
from dnnbox.harness import arrays, protocol
from dnnbox.harness.protocol import MeasurePlan, RunRequest, RunResult

START = "import sys; sys.path.append(sys.argv[1]); from dnnbox_harness.main import main; sys.exit(main(sys.argv[2]))"


def request(job: str, model: str, rows: int, width: int, plan: MeasurePlan, device: str = "cuda") -> RunRequest:
    """Return the request of a job for a TorchScript or ONNX model with one input."""
    if model.endswith(".onnx"):
        return RunRequest(job, "onnxruntime", model, plan=plan, device=device)
    known = [{"name": "x", "shape": [1, rows, width], "dtype": "float32", "status": "observed"}]
    return RunRequest(job, "torchscript", model, options={"inputs": known}, plan=plan, device=device)


def harness(model: Path, rows: int, width: int, job: str, plan: MeasurePlan) -> tuple[RunResult, Path]:
    """Run one job; return its answer and its folder."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=model.parent))
    library = model.parent / "lib"
    library.mkdir(exist_ok=True)
    if not (library / "dnnbox_harness").exists():
        (library / "dnnbox_harness").symlink_to(Path(protocol.__file__).parent)
    protocol.write(request(job, str(model), rows, width, plan), str(folder / protocol.REQUEST))
    argv = [sys.executable, "-I", "-B", "-c", START, str(library), str(folder)]
    done = process.run(argv, timeout_s=300, env=dict(os.environ))
    if not (folder / protocol.RESULT).exists():
        raise RuntimeError(f"ended with {done.returncode}: {done.stderr[-1500:]}")
    result = protocol.read(RunResult, str(folder / protocol.RESULT))
    if result.error:
        raise RuntimeError(f"{result.error.kind}: {result.error.detail}")
    return result, folder


def reported(model: Path, rows: int, width: int, plan: MeasurePlan) -> dict[str, Any]:
    """Return the medians that the harness reports, and what torch reserved while it ran."""
    result, folder = harness(model, rows, width, "measure", plan)
    memory = harness(model, rows, width, "memory", plan)[0].memory
    used = {"reserved": memory.get("vram_peak_bytes"), "device_used": memory.get("vram_device_used_bytes")}
    return {**medians(result, folder), **used}


def medians(result: RunResult, folder: Path) -> dict[str, Any]:
    """Return p50 of each column of the samples and of the device's own times, in milliseconds."""
    assert result.samples is not None
    _, shape, data = arrays.read_npy(str(folder / result.samples.path))
    values = memoryview(bytes(data)).cast("q")
    columns = {
        f"{name}_ms": statistics.median(values[place :: shape[1]]) / 1e6
        for place, name in enumerate(result.samples.columns)
    }
    device = result.device_times.get("events_ns") or []
    ahead = [nanoseconds / calls / 1e6 for calls, nanoseconds in result.device_times.get("windows") or []]
    return {
        **columns,
        "n": result.samples.n,
        "device_ms": statistics.median(device) / 1e6 if device else None,
        "device_n": len(device),
        "ahead_ms": statistics.median(ahead) if ahead else None,
        "checks": [check.name for check in result.checks if check.passed],
        "failed": [check.name for check in result.checks if not check.passed],
        "on": {name: result.effective.get(name) for name in ("device", "device_name", "precision", "torch", "cuda")},
    }
