"""Does the noise verdict hold? Twenty runs beside a spinner on the same cores, twenty on a quiet machine, in turn.

    .venv/bin/python benchmarks/noise.py [--runs N]

Each run is a measure job of the harness in the frameworks' environment (ONNX Runtime, with one thread and with the
library's default), judged as `dnnbox run` judges it. Wanted: the spinner is flagged in 20 of 20, quiet runs in at most
1 of 20. A run starts when other processes use little of the CPUs; how much they used just before it is written down, so
that a flag that was right can be told from a false one. Prints a table and writes benchmarks/results/noise.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fidelity import MAKE, RESULTS, foreign_share, harness, stamp, start  # noqa: E402
from dnnbox.harness.protocol import MeasurePlan  # noqa: E402
from dnnbox.records.run import RunOutcome  # noqa: E402
from dnnbox.results.noise import judge  # noqa: E402
from tests.zoo import Zoo  # noqa: E402

PLAN = MeasurePlan(min_seconds=1.5, max_seconds=3.0, warmup_max_seconds=3.0)
THREADS = (0, 1)
BUSY = 0.05
WAIT_S = 60


def one(zoo: Zoo, model: Path, threads: int, spinners: int) -> dict[str, Any]:
    """Measure once beside so many spinners and return the verdict."""
    before = alone()
    busy = [subprocess.Popen([sys.executable, "-I", "-c", "while True: pass"]) for _ in range(spinners)]
    try:
        result, folder = harness(zoo.python, "onnxruntime", model, 16, threads, "measure", PLAN)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
    quality, facts = judge([RunOutcome("measure", result, 0, 0, 0.0)], [])
    values = {check["name"]: check["value"] for check in facts["checks"]}
    return {"threads": threads, "quality": quality, "busy_before": before, "checks": values, "why": facts["reasons"]}


def alone() -> float:
    """Wait until other processes use little of the CPUs, a minute at most; return how much they used just now."""
    end = time.monotonic() + WAIT_S
    while (share := foreign_share(0.5)) > BUSY and time.monotonic() < end:
        pass
    return share


def flagged(runs: Sequence[dict[str, Any]]) -> int:
    """Return how many runs are not called quiet."""
    return sum(run["quality"] != "quiet" for run in runs)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    count = parser.parse_args().runs
    zoo = Zoo()
    folder = Path(tempfile.mkdtemp(prefix="dnnbox-noise-"))
    loud: list[dict[str, Any]] = []
    quiet: list[dict[str, Any]] = []
    try:
        start([str(zoo.python), "-c", MAKE, str(folder), "small", "16", "8"])
        for number in range(count):
            threads = THREADS[number % len(THREADS)]
            loud.append(one(zoo, folder / "small.onnx", threads, 1))
            quiet.append(one(zoo, folder / "small.onnx", threads, 0))
            print(f"{number + 1:3d}  threads {threads or 'default'}  spinner: {loud[-1]['quality']:<10} "
                  f"quiet: {quiet[-1]['quality']:<10} {', '.join(quiet[-1]['why'])}", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    disturbed = sum(run["busy_before"] > BUSY for run in quiet)
    print(f"\nspinner flagged in {flagged(loud)} of {count}; quiet runs flagged in {flagged(quiet)} of {count} "
          f"(before {disturbed} of them other processes used more than 5 % of the CPUs)")  # fmt: skip
    record = {**stamp(), "spinner_flagged": flagged(loud), "quiet_flagged": flagged(quiet), "runs": count,
              "busy_before": disturbed, "spinner": loud, "quiet": quiet}  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "noise.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"load now {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
