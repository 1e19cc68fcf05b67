"""What the sandbox costs: the time around a job that does nothing, and the latencies of a CPU loop in and out of it.

.venv/bin/python benchmarks/sandbox.py [--runs N] [--record benchmarks/results/sandbox.json]

The same small job is run bare, in the sandboxed venv and in a container, in turns, so that all see the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import boxes  # noqa: E402
from dnnbox.boxes.base import Box  # noqa: E402
from dnnbox.boxes.container import open_container  # noqa: E402
from dnnbox.boxes.venv import open_venv  # noqa: E402
from dnnbox.harness.protocol import RunRequest  # noqa: E402
from dnnbox.records.environment import Limits  # noqa: E402

PROBE = ROOT / "tests" / "engine" / "boxes" / "probe"
LIMITS = Limits(memory_bytes=512 << 20)
LOOP = """
import time
def work():
    total = 0
    for number in range(20_000):
        total += number * number
    return total
times = []
for _ in range(1500):
    begin = time.perf_counter_ns()
    work()
    times.append(time.perf_counter_ns() - begin)
times = sorted(times[100:])
facts["p50_ms"] = times[len(times) // 2] / 1e6
facts["p99_ms"] = times[len(times) * 99 // 100] / 1e6
"""


def opened(kind: str) -> AbstractContextManager[Box]:
    """Return a box of one kind with the interpreter that it takes; both are Python 3.11 where the base image is."""
    if kind == "docker":
        return open_container("docker", boxes.DEFAULT_IMAGE, "/usr/bin/python3", [], LIMITS, harness_dir=PROBE)
    sandbox = "none" if kind == "bare" else "auto"
    return open_venv(Path("/usr/bin/python3"), [], LIMITS, sandbox=sandbox, harness_dir=PROBE)  # type: ignore[arg-type]


def job(box: Box, code: str, folder: Path) -> tuple[float, dict[str, float]]:
    """Run one job; returns the seconds around it and what it found."""
    begin = time.monotonic()
    outcome = box.run(RunRequest("probe", "none", "", options={"code": code}), folder, timeout_s=120)
    assert outcome.result is not None, outcome.stderr_tail
    return time.monotonic() - begin, dict(outcome.result.effective)


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--box", action="append")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    kinds = ["bare", *(options.box or ["venv", "docker"])]
    around: dict[str, list[float]] = {kind: [] for kind in kinds}
    loops: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as place:
        for number in range(options.runs):
            for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
                folder = Path(place, f"{number}-{kind}")
                with opened(kind) as box:
                    around[kind].append(job(box, "pass", folder / "nothing")[0])
                    loops[kind].append(job(box, LOOP, folder / "loop")[1])
    # The middle round: a best one is luck, most of all in the 99th percentile.
    base = {name: statistics.median(loop[name] for loop in loops["bare"]) for name in ("p50_ms", "p99_ms")}
    document: dict[str, object] = {
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "runs": options.runs,
    }
    for kind in kinds:
        figures = {name: statistics.median(loop[name] for loop in loops[kind]) for name in base}
        document[kind] = {
            "job_s": round(statistics.median(around[kind]), 4),
            "more_than_bare_s": round(statistics.median(around[kind]) - statistics.median(around["bare"]), 4),
            "best_more_than_bare_s": round(min(around[kind]) - min(around["bare"]), 4),
            **{name: round(value, 4) for name, value in figures.items()},
            **{f"{name[:3]}_to_bare": round(figures[name] / base[name], 4) for name in base},
        }
    text = json.dumps(document, indent=2) + "\n"
    print(text, end="")
    if options.record:
        options.record.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
