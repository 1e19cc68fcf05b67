"""Is the p50 of the same experiment the same again? Five whole `dnnbox run`s of one model, one after the other.

    .venv/bin/python benchmarks/spread.py [--runs N] [--threads N] [--processes N] [--wait-quiet S]

The small ONNX chain of benchmarks/fidelity.py, in a venv box, by the full protocol without profile and sizes, on the
processor that is the quieter one just before, with `--wait-quiet` (300 s in each process, 0 for none): a host with
neighbours is quiet for seconds only. A run that dnnbox itself does not call quiet is repeated, and told. Wanted: the
largest p50 at most 3 % above the smallest; beside it the same at equal pace, each p50 divided by the run's own mean of
the fixed loop that is timed beside every window. Prints a table, writes benchmarks/results/spread.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.calm import calmest  # noqa: E402
from benchmarks.fidelity import MAKE, RESULTS, SIZES, foreign_share, stamp, start  # noqa: E402
from tests.zoo import Zoo  # noqa: E402

WANTED = 0.03
TRIES = 3
"""Times the runs asked for: then what there is counts."""


def one(model: Path, workspace: Path, home: Path, number: int, options: list[str]) -> dict[str, Any]:
    """Run the experiment once and return what its stats.json says."""
    busy = foreign_share(0.5)
    out = workspace / f"run-{number}"
    argv = [sys.executable, "-m", "dnnbox", "run", str(model), "--box", "venv", "--yes", "--no-profile", "--no-sizes",
            "--json", "--cpus", str(calmest()), "--out", str(out), *options]  # fmt: skip
    env = {**os.environ, "DNNBOX_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, cwd=workspace, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"run {number} ended with {done.returncode}: {done.stderr[-1000:]}")
    stats = json.loads((out / "outputs" / "stats.json").read_text(encoding="utf-8"))
    latency = stats["warm"]["latency_ms"]
    paces_us = [us for process in stats["noise"]["processes"] for us, _ in process["pace"]]
    return {"p50_ms": latency["p50"], "pace_us": statistics.geometric_mean(paces_us), "ci95": latency["ci95"],
            "n": latency["n"], "quality": stats["quality"], "reasons": stats["noise"]["reasons"],
            "waited": stats["noise"].get("waited"), "usual_pace_us": stats["noise"]["pace"].get("usual_us"),
            "per_process_p50_ms": stats["warm"]["per_process_p50_ms"], "busy_before": busy}  # fmt: skip


def quiet_of(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs that dnnbox itself calls quiet."""
    return [run for run in runs if run["quality"] == "quiet"]


def spread_of(values: list[float]) -> float:
    """Return how much the largest exceeds the smallest, as a share."""
    return (max(values) - min(values)) / min(values)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--wait-quiet", type=float, default=300)
    arguments = parser.parse_args()
    zoo = Zoo()
    home = ROOT / ".cache" / "test-home"
    home.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix="dnnbox-spread-"))
    runs: list[dict[str, Any]] = []
    try:
        rows, layers = SIZES["small"]
        start([str(zoo.python), "-c", MAKE, str(workspace), "small", str(rows), str(layers)])
        options = [f"--threads={arguments.threads}", f"--processes={arguments.processes}",
                   f"--wait-quiet={arguments.wait_quiet}"]  # fmt: skip
        while len(quiet_of(runs)) < arguments.runs and len(runs) < TRIES * arguments.runs:
            runs.append(last := one(workspace / "small.onnx", workspace, home, len(runs), options))
            print(f"{len(runs)}  p50 {last['p50_ms']:.4f} ms  pace {last['pace_us']:.1f} us  {last['quality']:<10} "
                  f"n {last['n']}  waited {last['waited']}", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    quiet = quiet_of(runs)
    counted = quiet if len(quiet) >= arguments.runs else runs
    spread = spread_of([run["p50_ms"] for run in counted])
    paced = spread_of([run["p50_ms"] / run["pace_us"] for run in counted])
    print(f"\nspread of p50 over {len(counted)} runs: {100 * spread:.2f} % (wanted at most {100 * WANTED:.0f} %), at "
          f"equal pace {100 * paced:.2f} %; {len(quiet)} of {len(runs)} runs were quiet")  # fmt: skip
    record = {
        **stamp(),
        "threads": arguments.threads,
        "processes": arguments.processes,
        "wait_quiet_s": arguments.wait_quiet,
        "spread_share": round(spread, 6),
        "spread_at_equal_pace_share": round(paced, 6),
        "all_quiet": counted is quiet,
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "spread.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
