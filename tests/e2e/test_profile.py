"""A profiled run: operators with their work, measured peaks, a verdict with evidence, a trace that a viewer opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnnbox.reports.check import unmatched
from tests.conftest import Cli
from tests.e2e.schemas import check_outputs, check_trace
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_run__onnx_with_profile_and_batches__stands_in_outputs_and_reports(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path
) -> None:
    arguments = ("--box", "venv", "--yes", "--quick", "--profile", "--batch", "1,4,16", "--json")
    done = dnnbox("run", zoo.path("onnx"), *arguments, "--wait-quiet", "3", timeout_s=550)

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
    assert stats["noise"]["waited"]["seconds"] > 0
    assert "noise.waited" in stats["definitions"]
    check_outputs(experiment)
    check_trace(experiment / profile["trace"])
    report = (experiment / "reports" / "experiment-report.md").read_text()
    assert "| `Conv` |" in report
    assert "Timing waited for the machine's usual speed" in report
    assert unmatched(report, experiment) == ()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_run__causal_model_with_profile_and_dropped_cache__tokens_stand_in_outputs_and_reports(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path
) -> None:
    options = ("--box", "venv", "--yes", "--quick", "--profile", "--drop-cache", "--threads", "1", "--json")
    done = dnnbox("run", zoo.path("hf_decoder"), *options, timeout_s=550)

    assert done.code == 0, done.stderr[-3000:]
    experiment = workspace / done.json["experiment"]
    check_outputs(experiment)
    stats = json.loads((experiment / "outputs" / "stats.json").read_text())
    made = stats["generation"]
    assert made["new_tokens"] == 32
    assert 0 < made["between_tokens_ms"]["p50"] < made["total_ms"]["p50"]
    assert made["decode_tokens_per_s"] > 0
    assert stats["cold"]["page_cache"]["dropped"] is True
    assert stats["energy"] is not None or stats["reasons"]["energy"]
    profile = json.loads((experiment / "outputs" / "profile.json").read_text())
    check_trace(experiment / profile["trace"])
    packed = list((experiment / "outputs" / "jobs").rglob("samples.npy.gz"))
    assert len(packed) == 2  # one measuring process, one that generates
    report = (experiment / "reports" / "experiment-report.md").read_text()
    assert "Token by token" in report
    for name in ("tokens", "memory", "roofline"):
        assert (experiment / "reports" / "figures" / f"{name}.svg").is_file(), name
    assert unmatched(report, experiment) == ()
