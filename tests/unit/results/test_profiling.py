"""From a raw profile to profile.json: operators, rates against the peaks, and what bounds the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnnbox import codec, results
from dnnbox.harness.protocol import RunError, RunResult
from dnnbox.records.measurements import Profile, Statistics, Stats, Warm
from dnnbox.records.run import RunOutcome
from dnnbox.results import traces

RAW: dict[str, Any] = {
    "tool": "torch.profiler of torch 2.13.0",
    "calls": 20,
    "profiled_ns": 12_000_000,
    "mean_ns": 12_500_000,
    "self_ns": 11_000_000,
    "operators_n": 2,
    "operators": [
        {"name": "convolution", "calls": 20.0, "self_ns": 9_900_000, "flops": 3_600_000_000, "bytes": 40_000_000,
         "provider": "cpu", "shapes": "[[1, 3, 224, 224]]"},
        {"name": "relu", "calls": 17.0, "self_ns": 1_100_000, "flops": None, "bytes": 10_000_000, "provider": "cpu"},
    ],
    "flops": 3_600_000_000,
    "bytes": 50_000_000,
    "peaks": {"flops_per_s": 600e9, "bytes_per_s": 20e9, "library": "torch"},
    "reasons": {},
}  # fmt: skip


def taken(stats: Stats | None = None, *, reason: str = "", **changes: Any) -> Profile:
    result = RunResult("profile", "3.11", profile={**RAW, **changes})
    outcome = RunOutcome("profile", result, 0, 0, 1.0)
    return results.profile([outcome], stats or timed(10.0), reason=reason, trace="logs/profile-trace.json")


def timed(model_ms: float, **shares: float) -> Stats:
    stages = {"model": Statistics(p50=model_ms)}
    told = {f"warm.{name}": share for name, share in shares.items()}
    return Stats(warm=Warm(stages_ms=stages, latency_ms=Statistics(p50=model_ms)), shares=told)


def test_profile__raw_figures__shares_rates_and_slowdown() -> None:
    profile = taken()
    assert [(o.name, o.self_ms, o.share) for o in profile.operators] == [("convolution", 9.9, 0.9), ("relu", 1.1, 0.1)]
    assert profile.operators[1].flops is None
    assert (profile.total_flops, profile.total_bytes, profile.slowdown) == (3_600_000_000, 50_000_000, 1.2)
    assert profile.roofline["compute_share"] == 0.6  # 3.6 GFLOP in 10 ms of 600 GFLOP/s
    assert profile.roofline["memory_share"] == 0.25
    assert profile.roofline["flops_per_byte"] == 72.0
    assert profile.shares == {"operators_share": 0.88, "others_share": 0.0}
    assert profile.reasons == {}
    assert codec.from_json(Profile, json.loads(codec.dumps(profile))) == profile


GAPS = {"self_ns": 4_000_000, "flops": 60_000_000}
MANY = {"operators": [{**RAW["operators"][0], "calls": 1000.0}], "flops": 60_000_000, "bytes": 1000}


@pytest.mark.parametrize(
    ("stats", "changes", "verdict", "evidence"),
    [
        (timed(10.0), {}, "compute", "60\u00a0% of the measured compute peak"),
        (timed(10.0), {"flops": 60_000_000, "bytes": 150_000_000}, "memory", "75\u00a0% of the measured copy rate"),
        (timed(10.0), {"flops": 60_000_000, "bytes": 400_000_000}, "memory", "stays in caches"),
        (timed(10.0, preprocess=0.7), {}, "preprocess", "70\u00a0% of a request"),
        (timed(10.0, postprocess=0.5), {}, "postprocess", "50\u00a0% of a request"),
        (timed(10.0, host_to_device=0.3, device_to_host=0.4), {}, "transfer", "70\u00a0% of a request"),
        (timed(10.0), GAPS, "python", "operators fill 32\u00a0%"),
        (timed(10.0), {**GAPS, "tool": "profile of onnxruntime 1"}, "launch", "operators fill 32\u00a0%"),
        (timed(10.0), MANY, "launch", "1000 operators, one in 10.0\u00a0µs"),
        (timed(10.0), {"flops": 60_000_000}, "unknown", "most time goes to convolution, 90\u00a0%"),
        (timed(10.0), {"flops": 60_000_000_000}, "unknown", "busy machine"),
        (timed(10.0), {"peaks": {}}, "unknown", "nothing in the box measures this device"),
        (timed(1.0), {**GAPS, "bytes": 1000}, "unknown", "10\u00a0% of the measured compute peak"),
    ],
)
def test_bound_by__figures__verdict_with_evidence(
    stats: Stats, changes: dict[str, Any], verdict: str, evidence: str
) -> None:
    found = taken(stats, **changes).bound_by
    assert (found["verdict"], evidence in found["evidence"]) == (verdict, True), found


def test_bound_by__figures_did_not_settle__says_nothing_of_the_roof() -> None:
    found = taken(replace(timed(10.0), quality="unstable")).bound_by
    assert (found["verdict"], "did not settle" in found["evidence"]) == ("unknown", True)


def test_profile__none_taken__null_with_the_reason() -> None:
    profile = results.profile([], timed(10.0), reason="not taken with `--quick`")
    assert (profile.operators, profile.total_flops, profile.trace) == ((), None, "")
    assert profile.reasons == {"operators": "not taken with `--quick`"}
    assert profile.bound_by == {"verdict": "unknown", "evidence": "not taken with `--quick`"}


def test_profile__job_failed__stages_still_decide() -> None:
    failed = RunResult("profile", "3.11", error=RunError("unsupported", "no profiler"))
    outcome = RunOutcome("profile", failed, 0, 0, 1.0)
    profile = results.profile([outcome], timed(10.0, preprocess=0.8), reason="UNSUPPORTED: no profiler")
    assert profile.bound_by["verdict"] == "preprocess"
    assert profile.reasons == {"operators": "UNSUPPORTED: no profiler"}


def test_profile__hostile_values__are_left_out() -> None:
    rows = ["x", {"name": "a" * 500, "self_ns": "much", "flops": -1}]
    numbers: dict[str, Any] = {"calls": "many", "flops": True, "profiled_ns": -5}
    changes: dict[str, Any] = {
        "operators": rows,
        "peaks": [],
        "providers": {"CPU": "x"},
        "nodes": [7],
        "reasons": "none",
        **numbers,
    }
    profile = taken(**changes)
    assert [(len(o.name), o.self_ms, o.flops) for o in profile.operators] == [(120, 0.0, None)]
    assert (profile.total_flops, profile.profiled_ms, profile.slowdown, profile.providers) == (None, None, None, {})
    assert {"peaks", "total_flops"} <= set(profile.reasons)


def test_keep_trace__paths_and_foreign_keys__are_not_kept(tmp_path: Path) -> None:
    event = {"ph": "X", "name": "conv\x1b[31m", "ts": 1.5, "dur": 2, "pid": 1, "tid": 2, "evil": {"a": 1},
             "args": {"path": "/home/somebody/model.pt", "shape": [[1, 3]]}}  # fmt: skip
    source, target = tmp_path / "trace.json", tmp_path / "kept.json"
    source.write_text(json.dumps({"traceName": "/home/somebody/trace.json", "traceEvents": [event, 3]}))
    assert traces.keep(source, target) == ""
    text = target.read_text()
    assert "somebody" not in text
    assert "evil" not in text
    assert "\\u001b" not in text
    kept = json.loads(text)["traceEvents"]
    assert [(e["ph"], e["ts"], e["dur"]) for e in kept] == [("X", 1.5, 2)]


@pytest.mark.parametrize("text", ["{", "[]", '{"traceEvents": [{"ph": "X", "ts": NaN}]}', '{"traceEvents": {"a": 1}}'])
def test_keep_trace__no_trace__says_why_and_writes_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(text)
    assert traces.keep(tmp_path / "trace.json", tmp_path / "kept.json") != ""
    assert not (tmp_path / "kept.json").exists()


def test_profile__nodes_left_to_the_cpu__are_kept_with_their_share() -> None:
    nodes = [{"name": "NonZero", "operator": "NonZero", "provider": "CPU", "self_ns": 1_100_000}]
    profile = taken(fallbacks=nodes, fallbacks_n=3, fallbacks_ns=1_100_000)
    assert profile.fallbacks == ({"name": "NonZero", "operator": "NonZero", "provider": "CPU", "self_ms": 1.1},)
    assert (profile.fallbacks_n, profile.shares["fallbacks_share"]) == (3, 0.1)
    assert taken().fallbacks == ()
