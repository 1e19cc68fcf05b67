"""Measures what dnnbox costs beside the model: start-up, and all of a warm run that is not the harness's own process.

    .venv/bin/python benchmarks/overhead.py [--repeat N]

Paired: in each round a bare script that loads and runs the same ONNX model is timed next to the run, so that a noisy
minute hits both. Prints a table and writes benchmarks/results/<what>.json. Seconds are wall time.
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
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.zoo import Zoo  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
DNNBOX = (sys.executable, "-m", "dnnbox")

BARE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
image = numpy.zeros((1, 3, 32, 32), numpy.float32)
for _ in range(30):
    session.run(None, {"image": image})
"""

# The command line in its own process, with a clock around each process of the harness that it starts.
CLOCKED = """
import json, pathlib, sys, time
from dnnbox import process
from dnnbox.cli import run
plain, jobs = process.run, []
def clocked(argv, **options):
    done = plain(argv, **options)
    if any("dnnbox_harness" in str(part) for part in argv):
        jobs.append(done.wall_s)
    return done
process.run = clocked
code = run(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(json.dumps({"jobs_s": sum(jobs), "own_cpu_s": time.process_time()}))
sys.exit(code)
"""


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def execute(command: Sequence[str], *, cwd: Path, home: Path) -> str:
    """Run a command to its end and return its stdout; a failure ends the benchmark with what it said."""
    environ = os.environ | {"DNNBOX_HOME": str(home), "NO_COLOR": "1"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as on a user's machine: compiled once
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, env=environ, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def help_times(repeat: int, cwd: Path, home: Path) -> list[float]:
    """Return the wall times of `dnnbox --help`."""
    return [seconds(lambda: execute([*DNNBOX, "--help"], cwd=cwd, home=home)) for _ in range(repeat)]


def interpreter_times(repeat: int, cwd: Path, home: Path) -> list[float]:
    """Return the wall times of an interpreter that does nothing: the floor under every command."""
    return [seconds(lambda: execute([sys.executable, "-c", ""], cwd=cwd, home=home)) for _ in range(repeat)]


def warm_run(checkpoint: Path, cwd: Path, home: Path) -> dict[str, float]:
    """Run one experiment in an environment that is there already; split its wall time.

    ``jobs_s`` is the wall time of the processes in the box, from the start of each to its end; ``own_cpu_s`` is the
    processor time of dnnbox itself, which says on a busy machine how much of ``outside_s`` was waiting for a CPU.
    """
    out, clock = cwd / f"experiment-{time.monotonic_ns()}", cwd / "clock.json"
    arguments = ["run", str(checkpoint), "--box", "venv", "--yes", "--quick", "--json", "--out", str(out)]
    total = seconds(lambda: execute([sys.executable, "-c", CLOCKED, str(clock), *arguments], cwd=cwd, home=home))
    clocked = json.loads(clock.read_text(encoding="utf-8"))
    index = json.loads((out / "experiment.json").read_text(encoding="utf-8"))
    stages = {f"stage_{stage['name']}_s": float(stage["seconds"]) for stage in index["stages"]}
    return {"total_s": total, "outside_s": total - clocked["jobs_s"], **clocked, **stages}


def bare_time(checkpoint: Path, python: Path, cwd: Path, home: Path) -> float:
    """Return the wall time of a script that does the same without dnnbox, in the frameworks' environment."""
    return seconds(lambda: execute([str(python), "-I", "-c", BARE, str(checkpoint)], cwd=cwd, home=home))


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median, extremes and count."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def write(name: str, data: dict[str, Any]) -> None:
    """Write one result file with what is needed to compare it with another."""
    RESULTS.mkdir(exist_ok=True)
    load = round(os.getloadavg()[0], 2)
    machine = {
        "load_1min": load,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    stamp = {"measured_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), **machine}
    (RESULTS / f"{name}.json").write_text(json.dumps({**stamp, **data}, indent=2) + "\n", encoding="utf-8")


def row(label: str, values: Sequence[float], wanted: str = "") -> None:
    """Print one line of the table, in milliseconds."""
    low, middle, high = min(values) * 1e3, statistics.median(values) * 1e3, max(values) * 1e3
    print(f"{label:<44} {middle:9.1f} {low:9.1f} {high:9.1f}   {wanted}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20, help="calls of --help; a quarter as many warm runs")
    repeat = parser.parse_args().repeat
    zoo = Zoo()
    checkpoint = zoo.path("onnx")
    home = ROOT / ".cache" / "test-home"
    home.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="dnnbox-bench-"))
    try:
        helps, floors = help_times(repeat, work, home), interpreter_times(repeat, work, home)
        warm_run(checkpoint, work, home)  # makes the environment
        runs, bare = [], []
        for _ in range(max(3, repeat // 4)):
            runs.append(warm_run(checkpoint, work, home))
            bare.append(bare_time(checkpoint, zoo.python, work, home))
    finally:
        shutil.rmtree(work, ignore_errors=True)

    if os.getloadavg()[0] > (os.cpu_count() or 1):
        print(f"this machine is busy (load {os.getloadavg()[0]:.1f}): wall times are too high\n")
    print(f"{'':<44} {'median':>9} {'min':>9} {'max':>9}   wanted (ms)")
    row("python -c ''", floors)
    row("dnnbox --help", helps, "< 150")
    row("bare script: load and run 30 times", bare)
    row("warm run --quick: all", [run["total_s"] for run in runs])
    row("  in the harness's own processes", [run["jobs_s"] for run in runs])
    row("  outside of them", [run["outside_s"] for run in runs], "< 500")
    row("  dnnbox's own processor time", [run["own_cpu_s"] for run in runs])
    stages = sorted({key for run in runs for key in run if key.startswith("stage_")})
    for key in stages:
        row(f"    {key.removeprefix('stage_').removesuffix('_s')} (stage, jobs included)", [r[key] for r in runs])
    write("overhead", {
        "help_s": summary(helps), "interpreter_s": summary(floors), "bare_s": summary(bare),
        **{key: summary([run[key] for run in runs]) for key in runs[0]},
    })  # fmt: skip


if __name__ == "__main__":
    main()
