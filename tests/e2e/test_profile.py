"""A profiled run: operators with their work, measured peaks, a verdict with evidence, a trace that a viewer opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnnbox.reports.check import unmatched
from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_run__onnx_with_profile_and_batches__stands_in_outputs_and_reports(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path
) -> None:
    arguments = ("--box", "venv", "--yes", "--quick", "--profile", "--batch", "1,4,16", "--json")
    done = dnnbox("run", zoo.path("onnx"), *arguments, timeout_s=550)

    assert done.code == 0, done.stderr[-3000:]
    experiment = workspace / done.json["experiment"]
    profile = json.loads((experiment / "outputs" / "profile.json").read_text())
    rows = {row["name"]: row for row in profile["operators"]}
    assert rows["Conv"]["flops"] == 2 * (16 * 16 * 16 * 27 + 32 * 8 * 8 * 144)
    assert rows["Conv"]["provider"] == "CPU"
    assert sum(row["share"] for row in profile["operators"]) == pytest.approx(1.0, abs=1e-3)
    assert profile["total_flops"] > rows["Conv"]["flops"]
    assert profile["peaks"]["flops_per_s"] > 0
    assert profile["slowdown"] > 0
    assert profile["bound_by"]["evidence"]
    trace = json.loads((experiment / profile["trace"]).read_text())
    assert any(event["ph"] == "X" and event["dur"] >= 0 for event in trace["traceEvents"])
    stats = json.loads((experiment / "outputs" / "stats.json").read_text())
    assert [point["batch"] for point in stats["throughput"]] == [1, 4, 16]
    assert stats["throughput_best"]["batch"] in (1, 4, 16)
    report = (experiment / "reports" / "experiment-report.md").read_text()
    assert "| `Conv` |" in report
    assert unmatched(report, experiment) == ()
