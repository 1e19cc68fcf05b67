"""Does the gate cry wolf, and does it hear one? Equal models on a busy machine, a 10 % slower one on a quiet machine.

    .venv/bin/python benchmarks/gate.py noisy|quiet|recorded [--runs N] [--keep FILE]

Every run is real: the harness measures a chain of matrix products in ONNX Runtime, in a sandboxed box and in five
fresh processes, as `dnnbox run --processes 5` does, with less time per process. `noisy` starts busy loops beside it, as
many as there are processors, for a random half of the runs. The slower model has 22 layers where the other has 20,
taken in turns. `quiet` waits for a quiet machine as `dnnbox run --wait-quiet 120` does, on the processor that is the
quieter one (as with `--cpus`); a process that dnnbox itself calls contended or unstable, or that lost all its seconds,
is repeated. Its latencies have no say in that. `--keep` writes each process that counts to a file, its
samples beside it, from which a later call goes on. Wanted: of 50 comparisons of equals at most 1 called a regression;
of 50 with the slower one at least 48. Writes benchmarks/results/gate.json, and what the statistics were made of to
tests/unit/handoff/recorded.json with --record. `recorded` measures nothing: it judges those runs again, the neighbours
in time as `quiet` does, and each with every other one.
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


from benchmarks.calm import calmest  # noqa: E402
from dnnbox import boxes, codec, paces, results  # noqa: E402
from dnnbox.handoff.experiments import Opened  # noqa: E402
from dnnbox.handoff.gating import gate  # noqa: E402
from dnnbox.harness.protocol import MeasurePlan, RunRequest  # noqa: E402
from dnnbox.records.environment import EnvironmentRecord, Limits, Mount  # noqa: E402
from dnnbox.records.experiment import ExperimentIndex  # noqa: E402
from dnnbox.records.measurements import Stats  # noqa: E402
from dnnbox.records.run import RunOutcome  # noqa: E402
from dnnbox.reports.outputs import Outputs  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "gate.json"
RECORDED = ROOT / "tests" / "unit" / "handoff" / "recorded.json"
PLAN = MeasurePlan(min_seconds=0.6, max_seconds=3.0, ci_half_width=0.05, warmup_max_seconds=3.0)
PROCESSES = 5
WAIT_QUIET_S = 120.0
TRIES = 60
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
        self.count = len(list(folder.glob("job*")))

    def measure(self, name: str) -> Opened:
        """Return one experiment's figures."""
        return self.told(name, [self.process(name) for _ in range(PROCESSES)])

    def process(self, name: str, cpus: str = "", wait_s: float = 0.0) -> RunOutcome:
        """Return what one fresh process measured, on all processors or on these; it waits for the usual pace."""
        usual_ns = round(1e3 * paces.known(self.folder, "here"))
        plan = replace(PLAN, quiet_seconds=wait_s, usual_pace_ns=usual_ns)
        model = self.folder / f"chain{LAYERS[name]}.onnx"
        mounts = [Mount(str(model), f"/dnnbox/checkpoint/{model.name}")]
        self.count += 1
        with boxes.open_venv(self.python, mounts, Limits(memory_bytes=2 << 30, cpus=cpus)) as box:
            request = RunRequest("measure", "onnxruntime", box.path(model), threads=1, plan=plan)
            outcome = box.run(request, self.folder / f"job{self.count}", timeout_s=60 + wait_s)
        if outcome.result is None or outcome.result.error is not None:
            raise SystemExit(f"the run failed: {outcome.stderr_tail[-400:]} {outcome.result and outcome.result.error}")
        return outcome

    def told(self, name: str, outcomes: list[RunOutcome]) -> Opened:
        """Return the figures of these processes."""
        return self.paced(opened(name, self.count, outcomes))

    def paced(self, each: Opened) -> Opened:
        """Return the run with the usual best pace of the runs before it, as `dnnbox run` remembers it."""
        stats = each.outputs.stats
        pace = stats.noise["pace"]
        usual_us = paces.usual(self.folder, "here", pace["best_us"])
        stats = replace(stats, noise={**stats.noise, "pace": {**pace, "usual_us": usual_us}})
        return replace(each, outputs=replace(each.outputs, stats=stats))


def opened(name: str, number: int, outcomes: list[RunOutcome]) -> Opened:
    """Return what the gate would read from the experiment's folder."""
    first = outcomes[0].result
    assert first is not None
    stats = results.measure(outcomes, plan="full", batch=1)
    index = indexed(f"{name}{number}")
    environment = EnvironmentRecord(machine=first.machine)
    outputs = Outputs(index=index, stats=stats, samples=results.samples(outcomes), environment=environment)
    return Opened(Path(index.id), outputs)


def indexed(name: str) -> ExperimentIndex:
    """Return the index of a run that ended well."""
    return ExperimentIndex(id=name, status="success", exit_code=0, box="venv", device="cpu")


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


def quiet(bench: Bench, runs: int, keep: Path | None) -> dict[str, Any]:
    """Compare equals, and the slower model with the other, measured in turns."""
    base, slower = [], []
    waiting = Waiting(bench, Kept(keep))
    waiting.measure("base")  # the machine's usual pace is known from here on
    for number in range(1, runs + 1):
        base.append(waiting.measure("base"))
        slower.append(waiting.measure("slower"))
        told = f"{number} of {runs} pairs, {waiting.repeated} processes repeated, {waiting.waited_s:.0f} s waited"
        print(told, file=sys.stderr, flush=True)
    equals = judged(list(itertools.pairwise(base)))
    return {"equals": equals, "slower": judged(list(zip(base, slower, strict=True))), **facts(base),
            "repeated_processes": waiting.repeated, "waited_seconds": round(waiting.waited_s, 1),
            "repeated_windows": waiting.windows, "recorded": {
        "base": [recorded(each) for each in base], "slower": [recorded(each) for each in slower],
    }}  # fmt: skip


def replayed() -> dict[str, Any]:
    """Judge the recorded runs by the gate as it is now."""
    document = json.loads(RECORDED.read_text(encoding="utf-8"))
    base, slower = ([read(run, number) for number, run in enumerate(document[name])] for name in ("base", "slower"))
    return {
        "equals": judged(list(itertools.pairwise(base))),
        "slower": judged(list(zip(base, slower, strict=True))),
        "equals_each_with_each": judged([(one, other) for one in base for other in base if one is not other]),
        "slower_each_with_each": judged(list(itertools.product(base, slower))),
        "processes": sorted({each.outputs.stats.warm.processes for each in base}),
    }


def read(run: dict[str, Any], number: int) -> Opened:
    """Return a recorded run as the gate would read it."""
    index = indexed(f"run{number}")
    stats = codec.from_json(Stats, run["stats"])
    return Opened(Path(index.id), Outputs(index=index, stats=stats, samples=run["samples"]))


class Waiting:
    """Measures on a quiet machine only. Of a process, dnnbox's own verdict is looked at, no latency."""

    def __init__(self, bench: Bench, kept: Kept) -> None:
        self.bench, self.kept, self.repeated = bench, kept, 0
        self.waited_s, self.windows = 0.0, 0

    def measure(self, name: str) -> Opened:
        """Return one experiment's figures."""
        return self.bench.told(name, [self._process(name) for _ in range(PROCESSES)])

    def _process(self, name: str) -> RunOutcome:
        while (known := self.kept.take(name)) is not None:
            if self._was_quiet(name, known):
                return known
        for _ in range(TRIES):
            outcome = self.bench.process(name, str(calmest()), WAIT_QUIET_S)
            if self._was_quiet(name, outcome):
                self.kept.add(name, outcome)
                return outcome
            self.repeated += 1
        raise SystemExit("the machine is not quiet")

    def _was_quiet(self, name: str, outcome: RunOutcome) -> bool:
        stats = opened(name, 0, [outcome]).outputs.stats
        waited = stats.noise["waited"]
        self.waited_s += waited["seconds"]
        self.windows += waited["repeated_windows"]
        return stats.quality == "quiet" and not waited["used_up_processes"]


class Kept:
    """The processes that count, as lines of a file: (name, outcome). Without a file there are none."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.is_file() else []
        self.found = [(name, codec.from_json(RunOutcome, outcome)) for name, outcome in map(json.loads, lines)]

    def take(self, name: str) -> RunOutcome | None:
        """Return the next process of this model."""
        for at, (known, outcome) in enumerate(self.found):
            if known == name:
                del self.found[at]
                return outcome
        return None

    def add(self, name: str, outcome: RunOutcome) -> None:
        """Write one more line."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, codec.to_json(outcome)]) + "\n")


@contextmanager
def working_folder(keep: Path | None) -> Iterator[Path]:
    """Yield a folder for the jobs: beside the file of those that are kept, else one that goes away."""
    if keep is not None:
        folder = keep.with_name(f"{keep.name}.jobs")
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dnnbox-gate-") as made:
        yield Path(made)


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


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the comparisons that were asked for."""
    with working_folder(arguments.keep) as folder:
        bench = Bench(folder, arguments.python)
        is_quiet = arguments.machine == "quiet"
        return quiet(bench, arguments.runs, arguments.keep) if is_quiet else noisy(bench, arguments.runs)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("machine", choices=("noisy", "quiet", "recorded"))
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-zoo" / "bin" / "python")
    parser.add_argument("--keep", type=Path, help="of a quiet machine: go on from this file, and add to it")
    parser.add_argument("--record", action="store_true", help="also write what the unit test reads")
    arguments = parser.parse_args()
    start = time.monotonic()
    found = replayed() if arguments.machine == "recorded" else measured(arguments)
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
