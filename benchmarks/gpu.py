"""On an NVIDIA GPU: device times and VRAM beside hand-written loops, proof of the device, refusals, a container.

    VIRTUAL_ENV=/path/of/torch python benchmarks/gpu.py [--parts NAME,…] [--out DIR]

Runs with the Python that has torch, timm, transformers and onnxruntime, and dnnbox's own needs. Paired: in each round
a loop with CUDA events and the harness, started by dnnbox's own parent, run one after the other, the first of them in
turn. Wanted: p50 within 1 % of the loop's, VRAM within 2 % of what torch reserved and its context, exit code 32 where
the device that was asked for is not the one that would run. Each part is a table on the screen and an entry of
benchmarks/results/gpu_NAME.json; a part that fails says so there and the others go on.
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
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import gpu_container, gpu_jobs  # noqa: E402
from dnnbox import machine as facts_of_machine  # noqa: E402
from dnnbox.harness.protocol import MeasurePlan  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PLAN = MeasurePlan(min_seconds=1.0, max_seconds=5.0, warmup_max_seconds=3.0)
SIZES = {"launches": (64, 1024, 24), "small": (512, 4096, 3), "large": (512, 4096, 200)}
"""Rows of the input, its width, and layers of width x width: kernels so short that starting them takes the time, about
a millisecond of arithmetic, about a hundred."""

MAKE = """
import numpy, sys, torch
folder, rows, width, layers = sys.argv[1], *map(int, sys.argv[2:])
torch.manual_seed(0)
class Chain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width, width) * (2 / width) ** 0.5, requires_grad=False)
    def forward(self, x):
        for _ in range(layers):
            x = torch.relu(x @ self.weight)
        return x
torch.jit.trace(Chain().eval(), torch.rand(1, rows, width), check_trace=False).save(folder)
numpy.save(folder + ".npy", torch.randn(1, rows, width).numpy())
"""

LOOP = """
import json, statistics, sys, time
path, rows, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
import torch, pynvml
torch.inference_mode().__enter__()
model = torch.jit.load(path).eval().cuda()
x = torch.randn(1, rows, width).cuda()
def waited(seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 20:
        start = time.perf_counter_ns()
        model(x)
        torch.cuda.synchronize()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times
waited(2.0)
host = waited(1.0)
count = max(20, int(1e3 / statistics.median(host)))
events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
for first, last in events:
    first.record()
    model(x)
    last.record()
torch.cuda.synchronize()
ahead = [first.elapsed_time(last) for first, last in events]
for first, last in events:
    first.record()
    model(x)
    last.record()
    last.synchronize()
waiting = [first.elapsed_time(last) for first, last in events]
pynvml.nvmlInit()
card = pynvml.nvmlDeviceGetHandleByIndex(0)
held = [p.usedGpuMemory for p in pynvml.nvmlDeviceGetComputeRunningProcesses(card)]
free, total = torch.cuda.mem_get_info()
found = {"host_ms": host, "events_ms": ahead, "events_waiting_ms": waiting}
answer = {name: statistics.median(times) for name, times in found.items()}
answer.update(n=count, reserved=torch.cuda.max_memory_reserved(), device_used=total - free, held=held)
print(json.dumps(answer))
"""


def loop(model: Path, rows: int, width: int, code: str = LOOP) -> dict[str, Any]:
    """Return the medians of the hand-written loops, and the memory that they held."""
    argv = [sys.executable, "-I", "-c", code, str(model), str(rows), str(width)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fidelity(folder: Path, rounds: int) -> dict[str, Any]:
    """Return the rounds of both models: what a loop measures, what dnnbox reports."""
    found = {}
    for size, (rows, width, layers) in SIZES.items():
        model = folder / f"{size}.pt"
        subprocess.run([sys.executable, "-c", MAKE, str(model), *map(str, (rows, width, layers))], check=True)
        pairs = []
        for number in range(rounds):
            order: list[Callable[[], Any]] = [
                lambda: loop(model, rows, width),  # noqa: B023 - called at once
                lambda: gpu_jobs.reported(model, rows, width, PLAN),  # noqa: B023
            ]
            first, second = (order[number % 2](), order[1 - number % 2]())
            bare, told = (first, second) if number % 2 == 0 else (second, first)
            pairs.append({"loop": bare, "dnnbox": told, **ratios(bare, told)})
        boxed = through_the_box(model, pairs[-1]["loop"])
        found[size] = {
            "rounds": pairs,
            "run": boxed,
            **{name: median_of(pairs, name) for name in ("host", "events", "memory")},
        }
        line = "  ".join(f"{name} {found[size][name]}" for name in ("host", "events", "memory"))
        line += f"  driver {boxed['memory']}"
        print(f"{size:<8} loop {pairs[-1]['loop']['events_ms']:.3f} ms   ratios: {line}", flush=True)
    return found


MAKE_ONNX = """
import numpy, onnx, sys
from onnx import TensorProto, helper, numpy_helper
folder, rows, width, layers = sys.argv[1], *map(int, sys.argv[2:])
weight = numpy.random.default_rng(0).standard_normal((width, width), dtype="float32")
weight *= numpy.float32((2 / width) ** 0.5)
def save(name, nodes, sides):
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, shape) for end, shape in sides]
    held = [numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder + "/" + name)
nodes = []
for layer in range(layers):
    nodes.append(helper.make_node("MatMul", ["x%d" % layer, "w"], ["p%d" % layer]))
    nodes.append(helper.make_node("Relu", ["p%d" % layer], ["x%d" % (layer + 1)]))
save("chain.onnx", nodes, [("x0", [1, rows, width]), ("x%d" % layers, [1, rows, width])])
square = [helper.make_node("MatMul", ["x0", "w"], ["p"]), helper.make_node("Tanh", ["p"], ["t"]),
          helper.make_node("Det", ["t"], ["d"], name="no_kernel_for_cuda")]
weight = weight[:64, :64]
save("mixed.onnx", square, [("x0", [8, 64, 64]), ("d", [8])])
"""

LOOP_ONNX = """
import json, statistics, sys, time
import numpy, onnxruntime
onnxruntime.preload_dlls()
path, rows, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
session = onnxruntime.InferenceSession(path, providers=["CUDAExecutionProvider"])
binding = session.io_binding()
x = numpy.random.default_rng(0).standard_normal((1, rows, width), dtype="float32")
binding.bind_ortvalue_input("x0", onnxruntime.OrtValue.ortvalue_from_numpy(x, "cuda", 0))
binding.bind_output(session.get_outputs()[0].name, "cuda", 0)
binding.synchronize_inputs()
def loop(seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 20:
        start = time.perf_counter_ns()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times
loop(2.0)
print(json.dumps({"host_ms": statistics.median(loop(1.0)), "providers": session.get_providers()}))
"""


def onnxruntime(folder: Path, rounds: int) -> dict[str, Any]:
    """Return pairs of a loop with bound inputs and dnnbox, and the run of a graph that CUDA has not all kernels for."""
    found: dict[str, Any] = {}
    for size in ("small", "large"):
        rows, width, layers = SIZES[size]
        here = folder / size
        here.mkdir()
        subprocess.run([sys.executable, "-c", MAKE_ONNX, str(here), *map(str, (rows, width, layers))], check=True)
        model, pairs = here / "chain.onnx", []
        for _ in range(rounds):
            bare = loop(model, rows, width, LOOP_ONNX)
            result, place = gpu_jobs.harness(model, rows, width, "measure", PLAN)
            told = gpu_jobs.medians(result, place)
            pairs.append({"loop": bare, "dnnbox": told, "host": told["model_ms"] / bare["host_ms"]})
        found[size] = {"rounds": pairs, "host": median_of(pairs, "host")}
        print(f"{size:<8} loop {pairs[-1]['loop']['host_ms']:.3f} ms   ratio {found[size]['host']}", flush=True)
    mixed = ["run", str(folder / "small" / "mixed.onnx"), "--device", "cuda", "--box", "current", "--deps", "current"]
    done = dnnbox([*mixed, "--yes", "--json", "--profile", "--out", str(folder / "mixed")], folder)
    found["mixed"] = {**done, "outputs": outputs_of(folder / "mixed")}
    profile = found["mixed"]["outputs"].get("profile", {})
    print(f"mixed    exit {done['exit_code']}   on the CPU: {json.dumps(profile.get('fallbacks'))[:400]}", flush=True)
    return found


def through_the_box(model: Path, bare: dict[str, Any]) -> dict[str, Any]:
    """Run it as a user does, in a box; return its times, and what the driver says that it held over the loop's."""
    out = model.parent / f"run-{model.stem}"
    options = ["--device", "cuda", "--box", "current", "--deps", "current", "--yes", "--quick", "--json"]
    done = dnnbox(["run", str(model), "--input", f"x=@{model}.npy", "--out", str(out), *options], model.parent)
    stats = outputs_of(out).get("stats", {})
    held = stats.get("memory", {}).get("vram_process_peak_mib")
    answer = {"exit_code": done["exit_code"], "seconds": done["seconds"], "stderr": done["stderr"][-500:]}
    return {
        **answer,
        "memory": round(held * 2**20 / bare["held"][0], 4) if held and bare["held"] else None,
        "warm": stats.get("warm"),
        "vram": stats.get("memory"),
        "energy": stats.get("energy"),
    }


def ratios(bare: dict[str, Any], told: dict[str, Any]) -> dict[str, float | None]:
    """Return dnnbox over the loop: by the host's clock, by events, and the memory that torch reserved."""
    return {
        "host": told["model_ms"] / bare["host_ms"],
        "events": told["device_ms"] / bare["events_ms"] if told["device_ms"] else None,
        "memory": told["reserved"] / bare["reserved"],
    }


def median_of(pairs: Sequence[dict[str, Any]], name: str) -> float | None:
    """Return the median ratio."""
    values = [pair[name] for pair in pairs if pair[name] is not None]
    return round(statistics.median(values), 4) if values else None


def machine(_folder: Path, _rounds: int) -> dict[str, Any]:
    """Return what doctor says, which build of torch would be chosen, and what keeps boxes apart here."""
    from dnnbox.boxes import bubblewrap, cgroup
    from dnnbox.environments import torch_build

    sandbox = bubblewrap.find()
    doctor = dnnbox(["doctor", "--json"])
    return {
        "torch_build": torch_build.wanted_build("cuda"),
        "sandbox": sandbox if isinstance(sandbox, str) else sandbox.version,
        "cgroup": cgroup.version(),
        "doctor_exit": doctor["exit_code"],
        "doctor": doctor["json"],
    }


def dnnbox(arguments: Sequence[str], cwd: Path | None = None, timeout_s: float = 300) -> dict[str, Any]:
    """Run dnnbox as a user would; return exit code, seconds, the document and the end of what it said."""
    began = time.perf_counter()
    argv = [sys.executable, "-m", "dnnbox", *arguments]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, cwd=cwd, env=environ, timeout=timeout_s, stdin=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as ended:
        return {"exit_code": None, "seconds": timeout_s, "json": None, "stderr": str(ended.stderr)[-1500:]}
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = {"stdout": done.stdout[-1500:]}
    seconds = round(time.perf_counter() - began, 1)
    return {"exit_code": done.returncode, "seconds": seconds, "json": document, "stderr": done.stderr[-1500:]}


SIDE_BY_SIDE = int(os.environ.get("DNNBOX_GPU_SIDE_BY_SIDE", "1"))
"""How many runs at once: more than one only to see whether they work, for their times disturb each other."""

RUNS: dict[str, tuple[str, list[str]]] = {
    "timm": ("timm_zip", ["--batch", "1,8", "--variant", "cudagraphs,channels-last,fp16,bf16", "--train-check"]),
    "timm_bf16": ("timm_safetensors", ["--precision", "bf16", "--quick"]),
    "compile": ("torchvision_zip", ["--variant", "compile", "--quick"]),
    "torchscript": ("torchscript", ["--quick"]),
    "torch_export": ("torch_export", ["--quick"]),
    "decoder": ("hf_decoder", ["--quick"]),
    "encoder": ("hf_encoder", ["--precision", "fp16", "--quick"]),
    "onnx": ("onnx", ["--profile"]),
    "target": ("torchvision_zip", ["--quick", "--target", "vram_peak_mib<10"]),
    "onnx_cpu_only": ("onnx", ["--quick"]),
    "second_gpu": ("onnx", ["--quick", "--device", "cuda:7"]),
}
WANTED_EXIT = {"target": 1, "onnx_cpu_only": 32, "second_gpu": 32}


def runs(folder: Path, _rounds: int) -> dict[str, Any]:
    """Return what `dnnbox run --device cuda` did with several kinds of checkpoint."""
    zoo, space = folder / "zoo", folder / "space"
    only = os.environ.get("DNNBOX_GPU_RUNS", ",".join(RUNS)).split(",")
    names = [name for name in RUNS if name in only]
    make = [sys.executable, "-B", str(ROOT / "tests/zoo/make.py")]
    kinds = sorted({RUNS[name][0] for name in names})
    makers = [subprocess.Popen([*make, str(zoo / kind), kind]) for kind in kinds]  # folders of their own: no waiting
    for maker in makers:
        maker.wait(200)
    space.mkdir()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(names, pool.map(lambda name: one_run(zoo, space, name), names), strict=True))


def one_run(zoo: Path, space: Path, name: str) -> dict[str, Any]:
    """Run one of the table, and keep what its experiment says."""
    from tests.zoo.kinds import BY_NAME

    kind, options = RUNS[name]
    checkpoint, out = zoo / kind / kind / BY_NAME[kind].path, space / name
    device = [] if "--device" in options else ["--device", "cuda"]
    argv = ["run", str(checkpoint), "--box", "current", "--deps", "current", "--yes", "--json", "--out", str(out)]
    done = dnnbox([*argv, *device, *options], cwd=space)
    wanted = WANTED_EXIT.get(name, 0)
    print(f"{name:<14} exit {done['exit_code']} (wanted {wanted})  {done['seconds']} s", flush=True)
    if done["exit_code"] != wanted:
        print(done["stderr"][-900:], json.dumps(done["json"])[-600:], flush=True)
    return {**done, "wanted_exit": wanted, "outputs": outputs_of(out)}


def outputs_of(experiment: Path) -> dict[str, Any]:
    """Return the documents of an experiment that are about the device."""
    found = {}
    for name in ("stats", "profile", "environment", "training"):
        path = experiment / "outputs" / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text("utf-8"))
    return found


def container(folder: Path, _rounds: int) -> dict[str, Any]:
    """Return what a job in a container of a real Podman saw of the GPU, and its times beside those of a loop."""
    rows, width, layers = SIZES["small"]
    model = folder / "container.pt"
    subprocess.run([sys.executable, "-c", MAKE, str(model), *map(str, (rows, width, layers))], check=True)
    return gpu_container.measured(model, rows, width, PLAN)


PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "machine": machine, "fidelity": fidelity, "runs": runs, "container": container, "onnxruntime": onnxruntime,
}  # fmt: skip


def stamp() -> dict[str, Any]:
    """Return what is needed to compare a result with another."""
    driver, gpus = facts_of_machine.nvidia()
    versions = "import json, torch; print(json.dumps([torch.__version__, torch.version.cuda]))"
    torch = subprocess.run([sys.executable, "-c", versions], capture_output=True, text=True, check=False)
    return {
        "measured_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "gpus": [str(gpu) for gpu in gpus],
        "driver_cuda": driver,
        "torch": torch.stdout.strip(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def main() -> None:
    """Run the parts, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which of them, separated by commas")
    parser.add_argument("--rounds", type=int, default=3, help="pairs per model")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--keep", type=Path, help="keep the experiments here")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = stamp()
    print(json.dumps(facts), flush=True)
    for name in arguments.parts.split(","):
        folder = Path(tempfile.mkdtemp(prefix="dnnbox-gpu-"))
        began = time.perf_counter()
        try:
            found = PARTS[name](folder, arguments.rounds)
        except Exception:  # noqa: BLE001 - time on such a machine is dear: the other parts go on
            found = {"error": traceback.format_exc()[-3000:]}
            print(f"{name}: {found['error']}", flush=True)
        seconds = round(time.perf_counter() - began, 1)
        document = {**facts, "seconds": seconds, name: found}
        (arguments.out / f"gpu_{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"-- {name}: {seconds} s", flush=True)
        if arguments.keep and (folder / "space").exists():
            shutil.copytree(folder / "space", arguments.keep / "space", dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
