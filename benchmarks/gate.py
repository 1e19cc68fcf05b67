"""Does the gate cry wolf, and does it hear one? Equal models on a busy machine, a 10 % slower one on a quiet machine.

    .venv/bin/python benchmarks/gate.py noisy|quiet [--runs N]

Every run is real: the harness measures a chain of matrix products in ONNX Runtime, in a sandboxed box and fresh
processes, as `dnnbox run --quick` does, with less time per process. `noisy` starts busy loops beside it, as many as
there are processors, for a random half of the runs. The slower model has 22 layers where the other has 20, taken in
turns; on the quiet machine a run that dnnbox itself calls contended is repeated. Wanted: of 50 comparisons of equals at
most 1 called a regression; of 50 with the slower one at least 48. Writes benchmarks/results/gate.json, and what the
statistics were made of to tests/unit/handoff/recorded.json with --record.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


from dnnbox import boxes, codec, paces, results  # noqa: E402
from dnnbox.handoff.experiments import Opened  # noqa: E402
from dnnbox.handoff.gating import gate  # noqa: E402
from dnnbox.harness.protocol import MeasurePlan, RunRequest  # noqa: E402
from dnnbox.records.environment import EnvironmentRecord, Limits, Mount  # noqa: E402
from dnnbox.records.experiment import ExperimentIndex  # noqa: E402
from dnnbox.records.run import RunOutcome  # noqa: E402
from dnnbox.reports.outputs import Outputs  # noqa: E402
from dnnbox.results.pace import SLOW  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "gate.json"
RECORDED = ROOT / "tests" / "unit" / "handoff" / "recorded.json"
PLAN = MeasurePlan(min_seconds=0.6, max_seconds=3.0, ci_half_width=0.05, warmup_max_seconds=3.0)
TRIES = 8
LAYERS = {"base": 20, "slower": 22}

MAKE = """
import sys, numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
for layers in map(int, sys.argv[2:]):
    weight = np.random.default_rng(0).standard_normal((256, 256), dtype=np.float32) / 16
    nodes = [helper.make_node("MatMul", ["x%d" % i, "w"], ["x%d" % (i + 1)]) for i in range(layers)]
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [16, 256]) for end in ("x0", "x%d" % layers)]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
              "%s/chain%d.onnx" % (sys.argv[1], layers))
"""
BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: sum(range(20000))"


class Bench:
    """Measures one of the two models, again and again."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        command = [str(python), "-c", MAKE, str(folder), *map(str, LAYERS.values())]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        self.count = 0

    def measure(self, name: str) -> Opened:
        """Return one experiment's figures: one fresh process that is timed."""
        model = self.folder / f"chain{LAYERS[name]}.onnx"
        mounts = [Mount(str(model), f"/dnnbox/checkpoint/{model.name}")]
        self.count += 1
        with boxes.open_venv(self.python, mounts, Limits(memory_bytes=2 << 30)) as box:
            request = RunRequest("measure", "onnxruntime", box.path(model), threads=1, plan=PLAN)
            outcome = box.run(request, self.folder / f"job{self.count}", timeout_s=60)
        if outcome.result is None or outcome.result.error is not None:
            raise SystemExit(f"the run failed: {outcome.stderr_tail[-400:]} {outcome.result and outcome.result.error}")
        return self.paced(opened(name, self.count, outcome))

    def paced(self, each: Opened) -> Opened:
        """Return the run with the usual best pace of the runs before it, as `dnnbox run` remembers it."""
        stats = each.outputs.stats
        pace = stats.noise["pace"]
        usual_us = paces.usual(self.folder, "here", pace["best_us"])
        stats = replace(stats, noise={**stats.noise, "pace": {**pace, "usual_us": usual_us}})
        return replace(each, outputs=replace(each.outputs, stats=stats))


def opened(name: str, number: int, outcome: RunOutcome) -> Opened:
    """Return what the gate would read from the experiment's folder."""
    assert outcome.result is not None
    stats = results.measure([outcome], plan="quick", batch=1)
    index = ExperimentIndex(id=f"{name}{number}", status="success", exit_code=0, box="venv", device="cpu")
    environment = EnvironmentRecord(machine=outcome.result.machine)
    outputs = Outputs(index=index, stats=stats, samples=results.samples([outcome]), environment=environment)
    return Opened(Path(index.id), outputs)


@contextmanager
def others(count: int) -> Iterator[None]:
    """Run busy loops beside the block."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def noisy(bench: Bench, runs: int) -> dict[str, Any]:
    """Compare equals: run i against run i + 1, a random half of them beside busy loops."""
    choice = random.Random(0)
    taken = []
    for _ in range(runs + 1):
        with others(choice.choice((0, 0, 1, os.cpu_count() or 1))):
            taken.append(bench.measure("base"))
    pairs = list(itertools.pairwise(taken))
    return {"equals": judged(pairs), **facts(taken)}


def quiet(bench: Bench, runs: int) -> dict[str, Any]:
    """Compare equals, and the slower model with the other, measured in turns; a run that was not quiet is repeated."""
    base, slower = [], []
    again = Again(TRIES)
    for _ in range(runs):
        base.append(again.until_quiet(bench, "base"))
        slower.append(again.until_quiet(bench, "slower"))
    equals = judged(list(itertools.pairwise(base)))
    return {"equals": equals, "slower": judged(list(zip(base, slower, strict=True))), **facts(base),
            "repeated_runs": again.repeated, "recorded": {
        "base": [recorded(each) for each in base], "slower": [recorded(each) for each in slower],
    }}  # fmt: skip


class Again:
    """Repeats runs of which dnnbox itself says that the machine was not quiet, so many times at most."""

    def __init__(self, tries: int) -> None:
        self.tries, self.repeated = tries, 0

    def until_quiet(self, bench: Bench, name: str) -> Opened:
        """Return a run on a quiet machine, else the last of the tries. Its figures have no say in that."""
        for _ in range(self.tries):
            found = bench.measure(name)
            stats = found.outputs.stats
            pace = stats.noise["pace"]
            if stats.quality == "quiet" and pace["best_us"] <= SLOW * pace["usual_us"]:
                break
            self.repeated += 1
            time.sleep(1.0)
        return found


def judged(pairs: list[tuple[Opened, Opened]]) -> dict[str, Any]:
    """Return how often the gate answered what, for (baseline, candidate) pairs."""
    answers = [gate(candidate, baseline) for baseline, candidate in pairs]
    codes = Counter({0: "pass", 3: "regression", 4: "cannot be judged"}[answer.code] for answer in answers)
    changes = [rule.change for answer in answers for rule in answer.rules if rule.metric == "latency_p50_ms"]
    shares = [change.share for change in changes if change]
    noise = [change.noise for change in changes if change]
    return {
        "comparisons": len(pairs),
        "answers": dict(codes),
        "change_median": round(statistics.median(shares), 4),
        "change_range": [round(min(shares), 4), round(max(shares), 4)],
        "noise_median": round(statistics.median(noise), 4),
    }


def facts(taken: list[Opened]) -> dict[str, Any]:
    """Return what the runs themselves were like."""
    medians = [each.outputs.stats.warm.latency_ms.p50 or 0.0 for each in taken]
    qualities = Counter(str(each.outputs.stats.quality) for each in taken)
    deviation = statistics.stdev(medians) / statistics.median(medians)
    return {
        "runs": len(taken),
        "p50_ms_range": [round(min(medians), 4), round(max(medians), 4)],
        "between_runs_deviation": round(deviation, 4),
        "quality": dict(qualities),
    }


def recorded(each: Opened) -> dict[str, Any]:
    """Return the little that the gate reads of a run, for a test that measures nothing."""
    stats, samples = each.outputs.stats, each.outputs.samples
    processes = [{"latency_ms": thinned(process["latency_ms"])} for process in samples["processes"]]
    kept = replace(stats, definitions={}, reasons={}, shares={})
    return {"stats": codec.to_json(kept), "samples": {"processes": processes}}


def thinned(bins: list[list[float]]) -> list[list[float]]:
    """Return two dozen bins: the gate makes a dozen blocks of them."""
    size = max(1, len(bins) // 24)
    groups = (bins[at : at + size] for at in range(0, size * min(24, len(bins)), size))
    return [[round(statistics.median(triple[i] for triple in group), 5) for i in range(3)] for group in groups]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("machine", choices=("noisy", "quiet"))
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-zoo" / "bin" / "python")
    parser.add_argument("--record", action="store_true", help="also write what the unit test reads")
    arguments = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dnnbox-gate-") as folder:
        bench = Bench(Path(folder), arguments.python)
        found = (noisy if arguments.machine == "noisy" else quiet)(bench, arguments.runs)
    kept = found.pop("recorded", None)
    if kept and arguments.record:
        RECORDED.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")
    found["seconds"] = round(time.monotonic() - start, 1)
    found["measured_utc"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps({**known, arguments.machine: found}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
