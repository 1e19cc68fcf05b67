"""Is the reported p50 that of a tight loop? ONNX Runtime and TorchScript, a small and a large model.

    .venv/bin/python benchmarks/fidelity.py [--rounds N] [--memory]

Paired: in each round a hand-written loop and the harness, started by dnnbox's own parent, take turns of a quarter of a
second (half a second for the large model) in the frameworks' environment: one is stopped while the other runs, so that
a neighbour on the host, who makes everything slower for seconds, hits both alike. The ratio of a round is that of two
medians over the time in which the harness measured; beside it that of two 10th percentiles. Wanted: 0.98 to 1.02.

Memory: the peak of the harness's memory job against that of the loop after as many calls, wanted at most 8 MiB more.
Both with a fixed threshold of malloc for blocks of their own: by default it moves with what was freed before, and then
the peak of ONNX Runtime alone is 73, 85 or 93 MiB from one run to the next. ``--memory`` measures this alone. Prints
tables and writes benchmarks/results/fidelity.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
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
TURN_S = {"small": 0.25, "large": 0.5}
MEMORY_RUNS = 3
MEMORY_CALLS = 8
FIXED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
PLANS = {
    "small": MeasurePlan(min_seconds=8.0, max_seconds=20.0, warmup_max_seconds=5.0),
    "large": MeasurePlan(min_seconds=24.0, max_seconds=40.0, warmup_max_seconds=10.0),
}
"""The time of the other's turns counts in these."""

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
import json, signal, sys, time
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
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
samples = []
while not ended and len(samples) != int(sys.argv[5]):
    start = time.perf_counter_ns()
    call()
    samples.append((start, time.perf_counter_ns() - start))
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"samples": samples, "peak_kib": int(peak[0].split()[1])}))
"""


HARNESS = """
import os, sys
with open(sys.argv[3], "w") as file:
    file.write(str(os.getpid()) + "\\n")
sys.path.append(sys.argv[1])
from dnnbox_harness.main import main
sys.exit(main(sys.argv[2]))
"""


def start(argv: Sequence[str]) -> str:
    """Run a command as dnnbox's parent does, and return what it printed."""
    done = process.run(argv, timeout_s=600, env=dict(os.environ))
    if done.returncode:
        raise SystemExit(f"{argv[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


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
        "cpus": len(os.sched_getaffinity(0)),
        "processor": probe.cpu_model(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def harness(
    python: Path, runtime: str, model: Path, rows: int, threads: int, job: str, plan: MeasurePlan, pid: str = os.devnull
) -> tuple[RunResult, Path]:
    """Run one job of the harness in the same environment; return its answer and its folder. ``pid`` gets its number."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=model.parent))
    library = model.parent / "lib"
    library.mkdir(exist_ok=True)
    if not (library / "dnnbox_harness").exists():
        (library / "dnnbox_harness").symlink_to(Path(protocol.__file__).parent)
    known = [{"name": "x", "shape": [1, rows, 1024], "dtype": "float32", "status": "observed"}]
    options = {"inputs": known} if runtime == "torchscript" else {}
    request = RunRequest(job, runtime, str(model), options=options, plan=plan, threads=threads)
    protocol.write(request, str(folder / protocol.REQUEST))
    start([str(python), "-I", "-B", "-c", HARNESS, str(library), str(folder), pid])
    result = protocol.read(RunResult, str(folder / protocol.RESULT))
    if result.error:
        raise SystemExit(f"{runtime}: {result.error.detail}")
    return result, folder


def one(python: Path, runtime: str, model: Path, rows: int, threads: int, size: str) -> dict[str, Any]:
    """Run one round: the loop and the harness side by side, in turns."""
    pid = model.parent / "pid"
    pid.unlink(missing_ok=True)
    argv = [str(python), "-I", "-c", LOOP, runtime, str(model), str(rows), str(threads), "-1"]
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as loop,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            job = pool.submit(harness, python, runtime, model, rows, threads, "measure", PLANS[size], str(pid))
            take_turns(loop.pid, pid, job, TURN_S[size])
            ended_ns = time.perf_counter_ns()
            result, folder = job.result()
        finally:
            loop.terminate()
        bare = json.loads(loop.communicate()[0])
    measured_ns = sum(window["wall_ns"] for window in result.noise["windows"])
    beside = sorted(took for at, took in bare["samples"] if ended_ns - measured_ns <= at <= ended_ns)
    return paired(beside, reported(result, folder))


def take_turns(loop: int, pid: Path, job: Future[Any], turn_s: float) -> None:
    """Let two processes run one at a time until the job has ended; ``pid`` is a file that will hold the second's."""
    while not (text := pid.read_text(encoding="ascii") if pid.exists() else "").endswith("\n") and not job.done():
        time.sleep(0.01)
    both = (loop, int(text or loop))
    with suppress(ProcessLookupError):  # the harness has ended
        for running, waiting in itertools.cycle((both, both[::-1])):
            if job.done():
                break
            os.kill(waiting, signal.SIGSTOP)
            os.kill(running, signal.SIGCONT)
            time.sleep(turn_s)
    os.kill(loop, signal.SIGCONT)
    with suppress(ProcessLookupError):
        os.kill(both[1], signal.SIGCONT)


def reported(result: RunResult, folder: Path) -> list[int]:
    """Return the raw samples that the harness kept, sorted, in nanoseconds."""
    assert result.samples is not None
    _, shape, data = arrays.read_npy(str(folder / result.samples.path))
    return sorted(list(memoryview(bytes(data)).cast("q"))[:: shape[1]])


def paired(bare: Sequence[int], told: Sequence[int]) -> dict[str, Any]:
    """Return one round; the samples are sorted."""
    p50 = (statistics.median(bare), statistics.median(told))
    p10 = (bare[len(bare) // 10], told[len(told) // 10])
    return {
        "loop_ms": p50[0] / 1e6,
        "reported_ms": p50[1] / 1e6,
        "ratio": p50[1] / p50[0],
        "ratio_p10": p10[1] / p10[0],
        "n": [len(bare), len(told)],
        "load_1min": round(os.getloadavg()[0], 2),
    }


def compare(zoo: Zoo, folder: Path, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return one record per model: the rounds and their ratios."""
    found = []
    for size, (rows, layers) in SIZES.items():
        start([str(zoo.python), "-c", MAKE, str(folder), size, str(rows), str(layers)])
        for runtime, suffix in (("onnxruntime", "onnx"), ("torchscript", "pt")):
            model = folder / f"{size}.{suffix}"
            pairs = [one(zoo.python, runtime, model, rows, threads, size) for _ in range(rounds)]
            found.append({"runtime": runtime, "size": size, "rounds": pairs})
            row(found[-1])
    return found


def memories(zoo: Zoo, folder: Path, threads: int) -> list[dict[str, Any]]:
    """Return one record per model: peaks of the loop and of the harness in MiB, and their difference."""
    found = []
    os.environ.update(FIXED)
    print("\n{:<12} {:<6} {:>9} {:>10} {:>9}".format("runtime", "model", "loop MiB", "dnnbox MiB", "more"))
    for size, (rows, layers) in SIZES.items():
        start([str(zoo.python), "-c", MAKE, str(folder), size, str(rows), str(layers)])
        for runtime, suffix in (("onnxruntime", "onnx"), ("torchscript", "pt")):
            of = (zoo.python, runtime, folder / f"{size}.{suffix}", rows, threads)
            argv = [*map(str, (zoo.python, "-I", "-c", LOOP, *of[1:], MEMORY_CALLS))]
            bare = [json.loads(start(argv))["peak_kib"] / 1024 for _ in range(MEMORY_RUNS)]
            told = [harness(*of, "memory", PLANS[size])[0].memory["host_peak_bytes"] / 2**20 for _ in bare]
            loop_mib, harness_mib = statistics.median(bare), statistics.median(told)
            more_mib = harness_mib - loop_mib
            found.append({"runtime": runtime, "size": size, "loop_mib": bare, "harness_mib": told,
                          "more_mib": more_mib})  # fmt: skip
            print(f"{runtime:<12} {size:<6} {loop_mib:9.1f} {harness_mib:10.1f} {more_mib:+9.1f}", flush=True)
    return found


def row(record: dict[str, Any]) -> None:
    """Print one line of the table."""
    ratios = [pair["ratio"] for pair in record["rounds"]]
    fast = statistics.median(pair["ratio_p10"] for pair in record["rounds"])
    loops = statistics.median(pair["loop_ms"] for pair in record["rounds"])
    told = statistics.median(pair["reported_ms"] for pair in record["rounds"])
    print(
        f"{record['runtime']:<12} {record['size']:<6} {loops:9.3f} {told:9.3f} {statistics.median(ratios):8.3f} "
        f"{min(ratios):7.3f} {max(ratios):7.3f} {fast:7.3f}",
        flush=True,
    )


def latencies(zoo: Zoo, folder: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Compare p50 on every model; return what is recorded."""
    before = os.getloadavg()[0]
    titles = ("loop ms", "dnnbox ms", "ratio", "min", "max", "p10s")
    print("{:<12} {:<6} {:>9} {:>9} {:>8} {:>7} {:>7} {:>7}".format("runtime", "model", *titles))
    models = compare(zoo, folder, rounds, threads)
    loads = [before, *(pair["load_1min"] for model in models for pair in model["rounds"])]
    return {
        **stamp(),
        "load_before": round(before, 2),
        "load_max": round(max(loads), 2),
        "threads": threads,
        "models": models,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="pairs per model")
    parser.add_argument("--threads", type=int, default=0, help="0: the library's default")
    parser.add_argument("--memory", action="store_true", help="only the memory; the rest of the record stays")
    arguments = parser.parse_args()
    threads = arguments.threads
    name = f"fidelity_threads_{threads}.json" if threads else "fidelity.json"
    known = json.loads((RESULTS / name).read_text("utf-8")) if arguments.memory and (RESULTS / name).is_file() else {}
    folder = Path(tempfile.mkdtemp(prefix="dnnbox-fidelity-"))
    try:
        found = {} if arguments.memory else latencies(Zoo(), folder, arguments.rounds, threads)
        found["memory"] = memories(Zoo(), folder, threads)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps({**known, **found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
