"""Is the reported p50 that of a tight loop? ONNX Runtime and TorchScript, a small and a large model.

    .venv/bin/python benchmarks/fidelity.py [--rounds N]

Paired: in each round a hand-written loop and the harness, started by dnnbox's own parent, run one after the other in
the frameworks' environment, the first of them in turn, so that a noisy minute hits both. A fixed loop is timed all
along: a round in which the machine itself was not equally fast for both is repeated, whatever was measured in it. The
ratio of each round is that of two medians; beside it that of two 10th percentiles, which other work disturbs less.
Wanted: 0.98 to 1.02 on a quiet machine, and at most 8 MiB more memory. Prints a table and writes
benchmarks/results/fidelity.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import process  # noqa: E402
from dnnbox.harness import arrays, noise, probe, protocol  # noqa: E402
from dnnbox.harness.protocol import MeasurePlan, RunRequest, RunResult  # noqa: E402
from tests.zoo import Zoo  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
SIZES = {"small": (16, 8), "large": (256, 28)}
"""Rows of the input and layers of 1024 x 1024."""
STEADY = 1.05
"""In a round that counts the fixed loop's median beside one half is at most so many times that beside the other."""
SPREAD = 1.25
"""And three of four of its times are at most so many times the fastest quarter's: it has one speed and not two."""
MEMORY_RUNS = 3
TRIES = 4
"""Times the rounds asked for: then what there is counts, and the record says that it was not steady."""
PLAN = MeasurePlan(min_seconds=2.0, max_seconds=10.0, warmup_max_seconds=5.0)

MAKE = """
import sys, numpy as np, onnx, torch
from onnx import TensorProto, helper, numpy_helper
folder, name, rows, layers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.manual_seed(0)
weight = torch.randn(1024, 1024) * (2 / 1024) ** 0.5
nodes = []
for layer in range(layers):
    nodes.append(helper.make_node("MatMul", ["x%d" % layer, "w"], ["p%d" % layer]))
    nodes.append(helper.make_node("Relu", ["p%d" % layer], ["x%d" % (layer + 1)]))
ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, rows, 1024]) for end in ("x0", "x%d" % layers)]
graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], [numpy_helper.from_array(weight.numpy(), "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnx.save(model, folder + "/" + name + ".onnx")

class Chain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(weight, requires_grad=False)
    def forward(self, x):
        for _ in range(layers):
            x = torch.relu(x @ self.weight)
        return x

torch.jit.trace(Chain().eval(), torch.rand(1, rows, 1024)).save(folder + "/" + name + ".pt")
"""

LOOP = """
import json, statistics, sys, time
kind, path, rows, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if kind == "onnxruntime":
    import numpy, onnxruntime
    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"x0": numpy.random.default_rng(0).standard_normal((1, rows, 1024), dtype="float32")}
    def call(): session.run(None, feed)
else:
    import torch
    if threads:
        torch.set_num_threads(threads)
    torch.inference_mode().__enter__()
    model, x = torch.jit.load(path).eval(), torch.randn(1, rows, 1024)
    def call(): model(x)
def counting():
    start, total = time.perf_counter_ns(), 0
    for number in range(4000):
        total += number
    return time.perf_counter_ns() - start
def pace():
    return min(counting() for _ in range(4))
def loop(seconds, least):
    times, paces, begun = [], [pace()], time.perf_counter()
    while len(times) < least or time.perf_counter() < begun + seconds:
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
        if time.perf_counter() > begun + 0.25 * len(paces):
            paces.append(pace())
    return times, paces + [pace()]
loop(1.5, 10)
times, paces = loop(2.0, 30)
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
p10 = sorted(times)[len(times) // 10]
found = {"p50_ms": statistics.median(times) / 1e6, "p10_ms": p10 / 1e6, "peak_kib": int(peak[0].split()[1])}
print(json.dumps({"n": len(times), "paces_ns": paces, **found}))
"""


def start(argv: Sequence[str]) -> str:
    """Run a command as dnnbox's parent does, and return what it printed."""
    done = process.run(argv, timeout_s=600, env=dict(os.environ))
    if done.returncode:
        raise SystemExit(f"{argv[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def loop(python: Path, runtime: str, model: Path, rows: int, threads: int) -> dict[str, Any]:
    """Return p50 and peak memory of the hand-written loop, whose parent only waits."""
    argv = [str(python), "-I", "-c", LOOP, runtime, str(model), str(rows), str(threads)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def foreign_share(seconds: float) -> float:
    """Return what share of the CPUs other processes use while this one sleeps."""
    before = noise.snapshot()
    time.sleep(seconds)
    found = noise.difference(before, noise.snapshot())
    wall_us = (found["wall_ns"] or 1) / 1e3
    return round((found["foreign_us"] or 0) / wall_us / len(os.sched_getaffinity(0)), 4)


def stamp() -> dict[str, Any]:
    """Return what is needed to compare a result with another."""
    return {
        "measured_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "load_1min": round(os.getloadavg()[0], 2),
        "cpus": os.cpu_count(),
        "processor": probe.cpu_model(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def harness(
    python: Path, runtime: str, model: Path, rows: int, threads: int, job: str, plan: MeasurePlan = PLAN
) -> tuple[RunResult, Path]:
    """Run one job of the harness in the same environment; return its answer and its folder."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=model.parent))
    library = model.parent / "lib"
    library.mkdir(exist_ok=True)
    if not (library / "dnnbox_harness").exists():
        (library / "dnnbox_harness").symlink_to(Path(protocol.__file__).parent)
    known = [{"name": "x", "shape": [1, rows, 1024], "dtype": "float32", "status": "observed"}]
    options = {"inputs": known} if runtime == "torchscript" else {}
    request = RunRequest(job, runtime, str(model), options=options, plan=plan, threads=threads)
    protocol.write(request, str(folder / protocol.REQUEST))
    code = "import sys; sys.path.append(sys.argv[1]); from dnnbox_harness.main import main; sys.exit(main(sys.argv[2]))"
    start([str(python), "-I", "-B", "-c", code, str(library), str(folder)])
    result = protocol.read(RunResult, str(folder / protocol.RESULT))
    if result.error:
        raise SystemExit(f"{runtime}: {result.error.detail}")
    return result, folder


def reported(python: Path, runtime: str, model: Path, rows: int, threads: int) -> dict[str, Any]:
    """Return p50 of the raw samples that the harness kept."""
    result, folder = harness(python, runtime, model, rows, threads, "measure")
    assert result.samples is not None
    _, shape, data = arrays.read_npy(str(folder / result.samples.path))
    values = list(memoryview(bytes(data)).cast("q"))
    total = sorted(values[:: shape[1]])
    p50, p10 = statistics.median(total) / 1e6, total[len(total) // 10] / 1e6
    paces = [window["pace_ns"] for window in result.noise["windows"]]
    return {"p50_ms": p50, "p10_ms": p10, "n": result.samples.n, "paces_ns": paces}


def compare(zoo: Zoo, folder: Path, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return one record per model: the rounds, their ratios, and the memory."""
    found = []
    for size, (rows, layers) in SIZES.items():
        start([str(zoo.python), "-c", MAKE, str(folder), size, str(rows), str(layers)])
        for runtime, suffix in (("onnxruntime", "onnx"), ("torchscript", "pt")):
            model = folder / f"{size}.{suffix}"
            tried = []
            while len(tried) < TRIES * rounds and sum(pair["steady"] for pair in tried) < rounds:
                if len(tried) % 2 == 0:
                    bare = loop(zoo.python, runtime, model, rows, threads)
                    told = reported(zoo.python, runtime, model, rows, threads)
                else:
                    told = reported(zoo.python, runtime, model, rows, threads)
                    bare = loop(zoo.python, runtime, model, rows, threads)
                tried.append(paired(bare, told))
            pairs = [pair for pair in tried if pair["steady"]] or tried
            peak = statistics.median(
                harness(zoo.python, runtime, model, rows, threads, "memory")[0].memory["host_peak_bytes"]
                for _ in range(MEMORY_RUNS)
            )
            bare_mib = statistics.median(pair["loop_peak_kib"] for pair in pairs) / 1024
            found.append({"runtime": runtime, "size": size, "tried": len(tried), "rounds": pairs,
                          "extra_mib": peak / 2**20 - bare_mib})  # fmt: skip
            row(found[-1])
    return found


def paired(bare: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return one round."""
    paces = [statistics.quantiles(half["paces_ns"], n=4) for half in (bare, told)]
    lows, medians, highs = zip(*paces, strict=True)
    return {
        "paces_ns": [round(median) for median in medians],
        "steady": max(medians) <= STEADY * min(medians) and max(highs) <= SPREAD * min(lows),
        "loop_ms": bare["p50_ms"],
        "reported_ms": told["p50_ms"],
        "ratio": told["p50_ms"] / bare["p50_ms"],
        "ratio_p10": told["p10_ms"] / bare["p10_ms"],
        "loop_peak_kib": bare["peak_kib"],
        "load_1min": round(os.getloadavg()[0], 2),
    }


def row(record: dict[str, Any]) -> None:
    """Print one line of the table."""
    ratios = [pair["ratio"] for pair in record["rounds"]]
    fast = statistics.median(pair["ratio_p10"] for pair in record["rounds"])
    loops = statistics.median(pair["loop_ms"] for pair in record["rounds"])
    told = statistics.median(pair["reported_ms"] for pair in record["rounds"])
    print(
        f"{record['runtime']:<12} {record['size']:<6} {loops:9.3f} {told:9.3f} {statistics.median(ratios):8.3f} "
        f"{min(ratios):7.3f} {max(ratios):7.3f} {fast:7.3f} {record['extra_mib']:+9.1f}",
        flush=True,
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs per model")
    parser.add_argument("--threads", type=int, default=0, help="0: the library's default")
    arguments = parser.parse_args()
    rounds, threads = arguments.rounds, arguments.threads
    before = os.getloadavg()[0]
    titles = ("loop ms", "dnnbox ms", "ratio", "min", "max", "p10s", "MiB more")
    print("{:<12} {:<6} {:>9} {:>9} {:>8} {:>7} {:>7} {:>7} {:>9}".format("runtime", "model", *titles))
    folder = Path(tempfile.mkdtemp(prefix="dnnbox-fidelity-"))
    try:
        models = compare(Zoo(), folder, rounds, threads)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    loads = [before, *(pair["load_1min"] for model in models for pair in model["rounds"])]
    steady = all(sum(pair["steady"] for pair in model["rounds"]) >= rounds for model in models)
    quiet = max(loads) <= (os.cpu_count() or 1) + 0.5
    if not quiet:
        print(f"\nthis machine was busy (load up to {max(loads):.1f}): the ratios are not those of a quiet machine")
    if not steady:
        print("\nthis machine did not keep its pace: the ratios are not those of a quiet machine")
    stamp = {
        "measured_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "load_before": round(before, 2),
        "load_max": round(max(loads), 2),
        "quiet": quiet,
        "steady": steady,
        "threads": threads,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    RESULTS.mkdir(exist_ok=True)
    name = f"fidelity_threads_{threads}.json" if threads else "fidelity.json"
    (RESULTS / name).write_text(json.dumps({**stamp, "models": models}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
