"""From a real process to stats.json: a model with two speeds, one that answers NaN, one that changes its mind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dnnbox.harness.protocol import MeasurePlan, RunRequest
from dnnbox.records.measurements import Stats
from dnnbox.records.run import RunOutcome
from dnnbox.results import measure
from tests.unit.harness.box import run

ADAPTER = """
import time

class Adapter:
    def load(self, checkpoint, device, precision):
        self.calls = 0
    def example_inputs(self, batch_size):
        return {"x": [1.0]}
    def preprocess(self, paths):
        return {"x": [1.0]}
    def infer(self, inputs):
        self.calls += 1
        {BODY}
    def postprocess(self, outputs, out_dir):
        return {}
"""
PLAN = MeasurePlan(min_iterations=60, min_seconds=0.5, max_seconds=1.5, warmup_max_seconds=0.5, ci_half_width=0.05)


def measured(folder: Path, body: str) -> Stats:
    """Run a measure job over an adapter whose ``infer`` ends with ``body``, and summarise it as a run does."""
    adapter = folder / "adapter.py"
    adapter.write_text(ADAPTER.replace("{BODY}", body), encoding="utf-8")
    request = RunRequest("measure", "adapter", str(folder), options={"adapter": str(adapter)}, plan=PLAN)
    ran = run(sys.executable, folder / "run", request)
    files = {"arrays/samples.npy": str(ran.folder / "arrays" / "samples.npy")}
    return measure([RunOutcome("measure", ran.result, ran.code, 0, 1.0, files=files)])


def test_measure__model_with_two_speeds__is_reported_as_bimodal(tmp_path: Path) -> None:
    stats = measured(tmp_path, "time.sleep(0.002 if self.calls % 2 else 0.02); return {'y': [1.0]}")
    low, high = stats.warm.modes_ms
    assert 2 <= low < 20 <= high


@pytest.mark.parametrize(
    "body",
    ["return {'y': [float('nan')]}", "return {'y': [1.0] * self.calls}", "return {'y': [float(self.calls)]}"],
    ids=["not a number", "another shape the second time", "another answer the second time"],
)
def test_measure__output_that_is_not_to_be_trusted__gets_no_number(tmp_path: Path, body: str) -> None:
    stats = measured(tmp_path, body)
    assert stats.warm.latency_ms.p50 is None
    assert stats.throughput == ()
    assert stats.reasons["warm.latency_ms"]
    assert stats.quality is None
