"""Is the p50 of the same experiment the same again? Five whole `dnnbox run`s of one model, one after the other.

    .venv/bin/python benchmarks/spread.py [--runs N] [--threads N]

The small ONNX chain of benchmarks/fidelity.py, in a venv box, by the full protocol without profile and sizes. Wanted on
a quiet machine: the largest p50 at most 3 % above the smallest. Prints a table, writes benchmarks/results/spread.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fidelity import MAKE, RESULTS, SIZES, foreign_share, stamp, start  # noqa: E402
from tests.zoo import Zoo  # noqa: E402

WANTED = 0.03


def one(model: Path, workspace: Path, home: Path, threads: int, number: int) -> dict[str, Any]:
    """Run the experiment once and return what its stats.json says."""
    busy = foreign_share(0.5)
    out = workspace / f"run-{number}"
    argv = [sys.executable, "-m", "dnnbox", "run", str(model), "--box", "venv", "--yes", "--no-profile", "--no-sizes",
            "--json", "--threads", str(threads), "--out", str(out)]  # fmt: skip
    env = {**os.environ, "DNNBOX_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, cwd=workspace, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"run {number} ended with {done.returncode}: {done.stderr[-1000:]}")
    stats = json.loads((out / "outputs" / "stats.json").read_text(encoding="utf-8"))
    latency = stats["warm"]["latency_ms"]
    return {"p50_ms": latency["p50"], "ci95": latency["ci95"], "n": latency["n"], "quality": stats["quality"],
            "per_process_p50_ms": stats["warm"]["per_process_p50_ms"], "busy_before": busy}  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    zoo = Zoo()
    home = ROOT / ".cache" / "test-home"
    home.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix="dnnbox-spread-"))
    runs: list[dict[str, Any]] = []
    try:
        rows, layers = SIZES["small"]
        start([str(zoo.python), "-c", MAKE, str(workspace), "small", str(rows), str(layers)])
        for number in range(arguments.runs):
            runs.append(one(workspace / "small.onnx", workspace, home, arguments.threads, number))
            print(
                f"{number + 1}  p50 {runs[-1]['p50_ms']:.4f} ms  {runs[-1]['quality']:<10} n {runs[-1]['n']}",
                flush=True,
            )
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    medians = [run["p50_ms"] for run in runs]
    spread = (max(medians) - min(medians)) / min(medians)
    quiet = all(run["quality"] == "quiet" for run in runs)
    print(f"\nspread of p50 over {len(runs)} runs: {100 * spread:.2f} % (wanted at most {100 * WANTED:.0f} %); "
          f"{'every run was quiet' if quiet else 'not every run was quiet'}")  # fmt: skip
    record = {
        **stamp(),
        "threads": arguments.threads,
        "spread_share": round(spread, 6),
        "all_quiet": quiet,
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "spread.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
