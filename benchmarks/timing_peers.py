"""What do peers report for the same model, beside a hand-written loop, and what do they cost around it?

    .venv/bin/python benchmarks/timing_peers.py --python .venv-timing-peers/bin/python [--rounds N] [--threads N]

One BERT of 6 layers of 384, sequence 128, batch 1, fp32, random weights; the same weights as a Hugging Face folder and
as ONNX. In each round every runtime's tight loop is followed by the tools that run that runtime, so that a noisy minute
hits all of them. Each ratio is p50 over the p50 of the loop just before (onnxruntime_test tells no median: mean over
mean). "Beyond" is the wall time of the whole command less the loop that the figure is from. Prints a table, writes
benchmarks/results/timing_peers.json, and with --write the table of docs/peers.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fidelity import RESULTS, stamp  # noqa: E402
from dnnbox.harness import arrays, protocol  # noqa: E402
from dnnbox.harness.protocol import InputFile, MeasurePlan, RunRequest, RunResult  # noqa: E402

SECONDS = 3.0
PLAN = MeasurePlan(min_seconds=SECONDS, max_seconds=2 * SECONDS, warmup_max_seconds=3.0)
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
TABLE = ROOT / "docs" / "peers.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

MAKE = """
import sys, torch, transformers
folder = sys.argv[1]
torch.manual_seed(0)
config = transformers.BertConfig(
    hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, architectures=["BertModel"])
model = transformers.BertModel(config).eval()
model.save_pretrained(folder + "/model")
class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = model
    def forward(self, input_ids):  # the only input that every tool can make up: ids below a thousand
        return self.model(input_ids=input_ids).last_hidden_state
ids = torch.ones((1, 128), dtype=torch.long)
torch.onnx.export(Plain(), (ids,), folder + "/model.onnx", input_names=["input_ids"],
                  output_names=["last_hidden_state"], dynamo=True, external_data=False)
"""

LOOP = """
import json, statistics, sys, time
kind, folder, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
if kind == "torch":
    import torch, transformers
    if threads:
        torch.set_num_threads(threads)
    torch.inference_mode().__enter__()
    model = transformers.AutoModel.from_pretrained(folder + "/model").eval()
    ids = torch.randint(0, 1000, (1, 128))
    def call(): model(input_ids=ids)
else:
    import numpy
    feed = {"input_ids": numpy.random.default_rng(0).integers(0, 1000, (1, 128))}
    if kind == "onnxruntime":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        if threads:
            options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
        def call(): session.run(None, feed)
    else:
        import openvino
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        core = openvino.Core()
        request = core.compile_model(core.read_model(folder + "/model.onnx"), "CPU", settings).create_infer_request()
        def call(): request.infer(feed, share_inputs=True)
def loop(seconds):
    times, end = [], time.perf_counter() + seconds
    while len(times) < 30 or time.perf_counter() < end:
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return times
loop(1.5)
times = loop(seconds)
print(json.dumps({"p50_ms": statistics.median(times) / 1e6, "mean_ms": statistics.fmean(times) / 1e6,
                  "loop_s": sum(times) / 1e9, "n": len(times)}))
"""

START = "import sys; sys.path.append(sys.argv[1]); from dnnbox_harness.main import main; sys.exit(main(sys.argv[2]))"

OPTIMUM = """
import json, sys
from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, ProcessConfig, PyTorchConfig

def main():
    folder, threads, seconds, target = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    # Its two thread options reach torch swapped, so both are given.
    limits = {"inter_op_num_threads": threads, "intra_op_num_threads": threads} if threads else {}
    config = BenchmarkConfig(
        name="peer",
        launcher=ProcessConfig(device_isolation=False),
        scenario=InferenceConfig(latency=True, memory=False, warmup_runs=10, iterations=10, duration=seconds,
                                 input_shapes={"batch_size": 1, "sequence_length": 128}),
        backend=PyTorchConfig(model=folder + "/model", task="feature-extraction", library="transformers", device="cpu",
                              **limits))
    Benchmark.launch(config).save_json(target)

if __name__ == "__main__":
    main()
"""


@dataclass
class Ran:
    """One finished command: wall and CPU seconds, the largest resident set among its processes, what it printed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


Figure = dict[str, Any]
"""p50_ms (or mean_ms), loop_s, and what the command cost."""


def command(argv: Sequence[str], cwd: Path) -> Ran:
    """Run a command while this process only waits."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, cwd=cwd,
                                 env={**os.environ, **OFFLINE})  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        file.seek(0)
        output = file.read()
    if child.returncode:
        raise RuntimeError(f"ended with {child.returncode}: {output[-600:]}")
    return Ran(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, output)


def cost(ran: Ran, loop_s: float) -> Figure:
    """Return what a command cost around the loop that its figure is from."""
    return {"wall_s": ran.wall_s, "beyond_s": ran.wall_s - loop_s, "cpu_s": ran.cpu_s, "peak_mib": ran.peak_mib}


class Peers:
    """The tools, all in one environment, on one model."""

    def __init__(self, python: Path, folder: Path, threads: int) -> None:
        self.python, self.folder, self.threads = python.absolute(), folder, threads

    def loop(self, kind: str) -> Figure:
        """Time the hand-written loop."""
        ran = command([str(self.python), "-I", "-c", LOOP, kind, str(self.folder), str(self.threads), str(SECONDS)],
                      self.folder)  # fmt: skip
        told: Figure = json.loads(ran.output.strip().splitlines()[-1])
        return {**told, **cost(ran, told["loop_s"])}

    def dnnbox(self, runtime: str, checkpoint: str) -> Figure:
        """Run one measure job of the harness, as `dnnbox run` does three times."""
        place = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        library = self.folder / "lib"
        library.mkdir(exist_ok=True)
        if not (library / "dnnbox_harness").exists():
            (library / "dnnbox_harness").symlink_to(Path(protocol.__file__).parent)
        ids = struct.pack("<128q", *(number * 7 % 1000 for number in range(128)))
        arrays.write_npy(str(self.folder / "ids.npy"), "int64", (1, 128), ids)
        given = [InputFile(str(self.folder / "ids.npy"), "tensor", "input_ids")]
        path = str(self.folder / checkpoint)
        request = RunRequest("measure", runtime, path, inputs=given, plan=PLAN, threads=self.threads)
        protocol.write(request, str(place / protocol.REQUEST))
        ran = command([str(self.python), "-I", "-B", "-c", START, str(library), str(place)], self.folder)
        result = protocol.read(RunResult, str(place / protocol.RESULT))
        if result.error or result.samples is None:
            raise RuntimeError(result.error.detail if result.error else "no samples")
        _, shape, data = arrays.read_npy(str(place / result.samples.path))
        values = memoryview(bytes(data)).cast("q").tolist()
        model = values[result.samples.columns.index("model") :: shape[1]]  # the loop has no other stage
        loop_s = sum(values[:: shape[1]]) / 1e9
        return {"p50_ms": statistics.median(model) / 1e6, "loop_s": loop_s, "n": shape[0], **cost(ran, loop_s)}

    def optimum(self) -> Figure:
        """Run optimum-benchmark's PyTorch backend in its own process launcher."""
        script, target = self.folder / "optimum_peer.py", self.folder / "optimum.json"
        script.write_text(OPTIMUM)
        target.unlink(missing_ok=True)
        ran = command([str(self.python), str(script), str(self.folder), str(self.threads), str(SECONDS), str(target)],
                      self.folder)  # fmt: skip
        report = json.loads(target.read_text())
        values = next(found for found in _values(report.get("forward", report)) if len(found) >= 10)
        return {
            "p50_ms": 1e3 * statistics.median(values),
            "loop_s": sum(values),
            "n": len(values),
            **cost(ran, sum(values)),
        }

    def benchmark_app(self) -> Figure:
        """Run OpenVINO's benchmark_app, one synchronous request at a time."""
        hint = ["-hint", "none", "-nthreads", str(self.threads)] if self.threads else ["-hint", "latency"]
        argv = [str(self.python.parent / "benchmark_app"), "-m", "model.onnx", "-d", "CPU", "-api", "sync",
                "-t", str(int(SECONDS)), "-infer_precision", "f32", *hint]  # fmt: skip
        ran = command(argv, self.folder)
        median = re.search(r"Median:\s+([\d.]+) ms", ran.output)
        duration = re.search(r"Duration:\s+([\d.]+) ms", ran.output)
        if median is None or duration is None:
            raise RuntimeError(f"tells no median: {ran.output[-400:]}")
        return {"p50_ms": float(median[1]), "loop_s": float(duration[1]) / 1e3, **cost(ran, float(duration[1]) / 1e3)}

    def onnxruntime_test(self, mean_ms: float) -> Figure:
        """Run the test program of ONNX Runtime's wheel: no threads option, no warm-up, a mean."""
        count = max(30, int(1e3 * SECONDS / mean_ms))
        ran = command([str(self.python.parent / "onnxruntime_test"), "model.onnx", str(count)], self.folder)
        found = re.search(r"avg latency: ([\d.]+) ms", ran.output)
        if found is None:
            raise RuntimeError(f"tells no latency: {ran.output[-400:]}")
        return {"mean_ms": float(found[1]), "n": count, **cost(ran, count * float(found[1]) / 1e3)}

    def bert_perf_test(self, p50_ms: float) -> Figure:
        """Run ONNX Runtime's own performance test for BERT models."""
        count = max(30, int(1e3 * SECONDS / p50_ms))
        for old in self.folder.glob("perf_results_*"):
            old.unlink()
        argv = [str(self.python), "-m", "onnxruntime.transformers.bert_perf_test", "--model", "model.onnx",
                "--input_ids_name", "input_ids", "--batch_size", "1", "--sequence_length", "128", "--samples", "1",
                "--test_times", str(count)]  # fmt: skip
        if self.threads:
            argv += ["--intra_op_num_threads", str(self.threads)]
        ran = command(argv, self.folder)
        lines = next(self.folder.glob("perf_results_*")).read_text().splitlines()
        titles, values = lines[0].split("\t"), lines[1].split("\t")
        row = dict(zip(titles, values, strict=False))
        loop_s = count * float(row["Latency(ms)"]) / 1e3
        return {"p50_ms": float(row["Latency_P50"]), "n": count, "loop_s": loop_s, **cost(ran, loop_s)}


def _values(node: Any) -> list[list[float]]:
    """Return every list of numbers under a key named values."""
    if isinstance(node, dict):
        own = [node["values"]] if isinstance(node.get("values"), list) else []
        return own + [found for item in node.values() for found in _values(item)]
    return []


def one_round(peers: Peers) -> dict[str, Figure]:
    """Return every row of one round: the loop of each runtime, then the tools on it."""
    found: dict[str, Figure] = {}

    def add(name: str, base: str, run: Callable[[], Figure]) -> None:
        try:
            figure = run()
        except (RuntimeError, OSError, ValueError, KeyError, StopIteration) as error:
            found[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
            print(f"{name:<28} {found[name]['failed'][:200]}", flush=True)
            return
        loop = found.get(base, {})
        kind = "p50_ms" if "p50_ms" in figure else "mean_ms"
        figure["ratio"] = figure[kind] / loop[kind] if loop.get(kind) else 1.0
        found[name] = figure
        print(f"{name:<28} {figure[kind]:9.3f} ms {figure['ratio']:7.3f} {figure['wall_s']:7.1f} s "
              f"{figure['beyond_s']:7.1f} s {figure['peak_mib']:8.0f} MiB", flush=True)  # fmt: skip

    add("loop torch", "", lambda: peers.loop("torch"))
    add("dnnbox torch", "loop torch", lambda: peers.dnnbox("transformers", "model"))
    add("optimum-benchmark", "loop torch", peers.optimum)
    add("loop onnxruntime", "", lambda: peers.loop("onnxruntime"))
    add("dnnbox onnxruntime", "loop onnxruntime", lambda: peers.dnnbox("onnxruntime", "model.onnx"))
    base = found["loop onnxruntime"]
    add("onnxruntime_test", "loop onnxruntime", lambda: peers.onnxruntime_test(base["mean_ms"]))
    add("bert_perf_test", "loop onnxruntime", lambda: peers.bert_perf_test(base["p50_ms"]))
    add("loop openvino", "", lambda: peers.loop("openvino"))
    add("dnnbox openvino", "loop openvino", lambda: peers.dnnbox("openvino", "model.onnx"))
    add("benchmark_app", "loop openvino", peers.benchmark_app)
    return found


def table(record: dict[str, Any]) -> str:
    """Return the Markdown table of a record."""
    lines = [
        "| tool | reported ÷ tight loop, median (rounds) | wall s | beyond the timed loop s | peak MiB |",
        "|---|---|---|---|---|",
    ]
    for name in record["rounds"][0]:
        rows = [found[name] for found in record["rounds"] if "failed" not in found[name]]
        if not rows:
            lines.append(f"| {name} | failed: {record['rounds'][0][name]['failed'][:120].splitlines()[0]} | | | |")
            continue
        ratios = [row["ratio"] for row in rows]
        told = (
            "1"
            if name.startswith("loop")
            else f"{statistics.median(ratios):.3f} ({', '.join(f'{r:.2f}' for r in ratios)})"
        )
        figures = [statistics.median(row[key] for row in rows) for key in ("wall_s", "beyond_s", "peak_mib")]
        lines.append(f"| {name} | {told} | {figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="the environment that holds the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: each library's default")
    parser.add_argument("--write", action="store_true", help="write the table into docs/peers.md")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dnnbox-peers-"))
    before = os.getloadavg()[0]
    try:
        command([str(arguments.python.absolute()), "-c", MAKE, str(folder)], folder)
        peers = Peers(arguments.python, folder, arguments.threads)
        rounds = [one_round(peers) for _ in range(arguments.rounds)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    record = {
        **stamp(),
        "load_before": round(before, 2),
        "threads": arguments.threads,
        "seconds": SECONDS,
        "rounds": rounds,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "timing_peers.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"\n{table(record)}")
    if arguments.write:
        head, _, rest = TABLE.read_text(encoding="utf-8").partition(BEGIN)
        machine = f"{record['processor']}, {record['cpus']} CPUs"
        when = f"Measured {record['measured_utc']} on {machine}, load before {before:.1f}."
        TABLE.write_text(f"{head}{BEGIN}\n{when}\n\n{table(record)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
