"""How long it takes from bare weights to a verified forward pass, and how long a source takes to index.

    .venv/bin/python benchmarks/source_times.py --pairs DIR --sources DIR [--index REPOSITORY] [--only NAME]…
        [--runs N] [--cold] [--record FILE]

Each pair of a known family is run with `dnnbox run CKPT --source CHECKOUT --box venv --yes --quick`, from the start of
the command to the moment at which the job `infer` has ended, where it is stopped: inspection, source, packages,
environment, import, strict load, forward pass, output gate. Warm: the environment is in the store. ``--cold`` first
measures once with an empty store, as far as that needs no more than the package index. Indexing reads and ranks all
classes of a checkout, three times in fresh processes; the best is what the code takes, the worst what the machine gave.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = ("kair_dncnn25", "detr_r50", "unet_carvana")
_INDEX = """
import sys, time
from pathlib import Path
start = time.perf_counter()
from dnnbox.sources.matching.classes import Classes
from dnnbox.sources.matching.ranking import Ranking
from dnnbox.sources.matching.reading import read_tree
tree = read_tree(Path(sys.argv[1]))
classes = Classes(tree)
Ranking(classes).rank([f"layer{n}.conv.weight" for n in range(100)])
print(len(tree.by_path), sum(1 for _ in classes.modules()), time.perf_counter() - start)
"""


def indexed(root: Path, runs: int) -> dict[str, Any]:
    """Return how long reading and ranking a checkout takes, imports of dnnbox included."""
    command = [sys.executable, "-c", _INDEX, str(root)]
    outputs = [subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
               .stdout.split() for _ in range(runs)]  # fmt: skip
    seconds = sorted(round(float(output[2]), 3) for output in outputs)
    return {"repository": root.name, "python_files": int(outputs[0][0]), "module_classes": int(outputs[0][1]),
            "seconds": seconds}  # fmt: skip


def until_verified(checkpoint: Path, source: Path, home: Path) -> dict[str, Any]:
    """Run one experiment and return the seconds until `infer` had ended, with those of the stages before."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dnnbox", "run", str(checkpoint), "--source", str(source), "--box", "venv",
                   "--yes", "--quick", "--json", "--progress", "plain", "--out", f"{folder}/experiment"]  # fmt: skip
        environ = {**os.environ, "DNNBOX_HOME": str(home), "PYTHONPATH": str(ROOT)}
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        verified = None
        assert process.stderr is not None
        for line in process.stderr:
            if verified is None and line.split()[:2] == ["infer", "ok"]:
                verified = time.monotonic() - start
                process.send_signal(signal.SIGINT)  # what comes after is not measured here
        process.wait()
        index = json.loads(Path(folder, "experiment", "experiment.json").read_text("utf-8"))
    stages = {stage["name"]: round(stage["seconds"], 2) for stage in index["stages"]}
    before = ("inspect", "source", "dependencies", "plan", "resolve", "inputs", "environment", "infer")
    return {"seconds": round(verified, 2) if verified is not None else None,
            "stages": {name: stages[name] for name in before if name in stages}}  # fmt: skip


def main() -> int:
    """Print a line per figure and record them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--index", action="append", default=[])
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    home = Path(os.environ.get("DNNBOX_HOME") or ROOT / ".cache" / "test-home")
    document: dict[str, Any] = {
        "command": "make bench-source PAIRS=DIR SOURCES=DIR",
        "cores": len(os.sched_getaffinity(0)),
        "load_before": [round(load, 1) for load in os.getloadavg()],
        "index": [],
        "warm": {},
        "cold": {},
    }
    for name in options.index:
        document["index"].append(indexed(options.sources / name, options.runs))
        print("index", document["index"][-1], flush=True)
    for name in options.only or FAMILIES:
        truth = json.loads((options.pairs / name / "truth.json").read_text("utf-8"))
        checkpoint = next((options.pairs / name).glob("ckpt*")).resolve()
        source = (options.sources / truth["repo"].replace("/", "+")).resolve()
        if options.cold and not document["cold"]:
            with tempfile.TemporaryDirectory(prefix="dnnbox-cold-") as empty:
                document["cold"][name] = until_verified(checkpoint, source, Path(empty))
            print("cold", name, document["cold"][name], flush=True)
        until_verified(checkpoint, source, home)  # makes the environment where it is not there yet
        document["warm"][name] = [until_verified(checkpoint, source, home) for _ in range(options.runs)]
        for run in document["warm"][name]:
            print("warm", name, run, flush=True)
    document["load_after"] = [round(load, 1) for load in os.getloadavg()]
    if options.record:
        options.record.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
