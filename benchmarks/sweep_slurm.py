"""What a sweep costs beside its runs on a real Slurm with two slots, and what a kill in the middle costs.

    make engines SLURM=1 && .venv/bin/python benchmarks/sweep_slurm.py

24 cells: four checkpoints, one of them broken, times six batch sizes; every cell is a whole `dnnbox run --quick`.
Straight through: the overhead of a cell is (slots × time from the first submission to the last answer − the runs' own
time) / cells, so that an idle slot at the end counts too. Then 24 others, whose coordinator gets SIGKILL after six
answers and is started again. Wanted: at most 1 s; every cell once. Writes benchmarks/results/slurm.json.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox.sweep import matrix as matrices  # noqa: E402
from dnnbox.sweep import running  # noqa: E402
from dnnbox.sweep.cells import Cell, Result  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "slurm.json"
SLOTS, KILLED_AFTER = 2, 6
MATRIX = """
name = "{name}"
executor = "slurm"
checkpoints = ["a.onnx", "b.onnx", "c.onnx", "broken.onnx"]
boxes = ["venv"]
batches = [1, 2, 3, 4, 5, 6]
[options]
quick = true
profile = false
threads = 1
[slurm]
timeout_min = 30
workers = {slots}
"""
MAKE = """
import sys, numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
for number, name in enumerate("abc"):
    weight = np.random.default_rng(number).standard_normal((64, 64), dtype=np.float32)
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["n", 64]) for end in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "net", ends[:1], ends[1:],
                              [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
              "%s/%s.onnx" % (sys.argv[1], name))
"""


class Clock:
    """A watcher that notes when cells were submitted and when each one ended."""

    def __init__(self) -> None:
        self.began = self.last = 0.0
        self.results: list[Result] = []

    def prepare(self, count: int) -> None:
        """Environments are being made."""

    def note(self, text: str) -> None:
        """Show what the sweep says."""
        print(text, file=sys.stderr)

    def start(self, planned: running.Planned) -> None:
        """Cells are submitted from now on."""
        del planned
        self.began = time.monotonic()

    def ended(self, cell: Cell, result: Result) -> None:
        """A cell has ended."""
        self.last = time.monotonic()
        self.results.append(result)
        print(f"{self.last - self.began:7.2f} s  {result.seconds:6.2f} s  {cell.name}  {result.exit_code}", flush=True)


def straight(folder: Path) -> dict[str, Any]:
    """Run a sweep to its end; return what it cost."""
    matrix = written(folder, "straight")
    target = running.default_folder(folder, matrix)
    executor = running.open_executor("slurm", matrix, target)
    clock = Clock()
    running.run(running.plan(matrix, target, executor), executor, folder, clock)
    wall, runs = clock.last - clock.began, sum(each.seconds for each in clock.results)
    return {
        "cells": len(clock.results),
        "succeeded": sum(each.exit_code == 0 for each in clock.results),
        "failed": sum(each.exit_code not in (0, 1) for each in clock.results),
        "first_submission_to_last_answer_s": round(wall, 2),
        "runs_s": round(runs, 2),
        "overhead_per_cell_s": round((SLOTS * wall - runs) / len(clock.results), 3),
    }


def killed(folder: Path) -> dict[str, Any]:
    """Kill a sweep in the middle and start it again; return what was done how often."""
    matrix = written(folder, "killed")
    target = running.default_folder(folder, matrix)
    command = [sys.executable, "-m", "dnnbox", "sweep", str(matrix.file), "--yes", "--progress", "none", "--json"]
    first = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
    while len(answers := list((target / "cells").glob("*/*/cell.json"))) < KILLED_AFTER:
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = {path: path.read_bytes() for path in answers}
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False)
    cells = list((target / "cells").glob("*/*/"))
    runs = [len([each for each in cell.glob("run-*") if each.is_dir()]) for cell in cells]
    answer = json.loads(done.stdout)
    return {
        "killed_after_answers": len(before),
        "cells": answer["cells"],
        "succeeded": answer["success"],
        "failed": answer["failed"],
        "answers": sum((cell / "cell.json").is_file() for cell in cells),
        "cells_begun_more_than_once": sum(count > 1 for count in runs),
        "answers_changed_by_the_second_start": sum(path.read_bytes() != data for path, data in before.items()),
    }


def written(folder: Path, name: str) -> matrices.Matrix:
    """Return the matrix; its own name keeps its folder apart."""
    file = folder / f"{name}.toml"
    file.write_text(MATRIX.format(name=name, slots=SLOTS), encoding="utf-8")
    return matrices.load(file)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-zoo" / "bin" / "python")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    arguments = parser.parse_args()
    os.environ.setdefault("SLURM_CONF", str(ROOT / ".cache" / "slurm" / "slurm.conf"))
    os.environ.setdefault("DNNBOX_HOME", str(ROOT / ".cache" / "test-home"))
    version = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="dnnbox-slurm-") as name:
        folder = Path(name)
        subprocess.run([str(arguments.python), "-c", MAKE, name], stdin=subprocess.DEVNULL, check=True)
        (folder / "broken.onnx").write_bytes((folder / "a.onnx").read_bytes()[:100])
        os.chdir(folder)
        found = {"slurm": version, "slots": SLOTS, "straight": straight(folder), "killed": killed(folder)}
    found["measured_utc"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if arguments.record:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
