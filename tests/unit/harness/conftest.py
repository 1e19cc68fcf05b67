"""Adapters in plain Python: models that need no library, so that the harness is tested on every interpreter."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from dnnbox.harness.protocol import MeasurePlan, RunRequest

GOOD = """
    from array import array

    class Adapter:
        def load(self, checkpoint, device, precision):
            self.weights = [1.0, 2.0, 3.0]
        def example_inputs(self, batch_size):
            return {"x": [[1.0, 2.0, 3.0]] * batch_size}
        def preprocess(self, paths):
            return {"x": [[float(len(path)) for _ in range(3)] for path in paths]}
        def infer(self, inputs):
            rows = inputs["x"]
            return {"y": array("f", [sum(a * b for a, b in zip(self.weights, row)) for row in rows]), "n": len(rows)}
        def postprocess(self, outputs, out_dir):
            return {"best": max(outputs["y"])}
"""

QUICK = MeasurePlan(min_iterations=10, min_seconds=0.05, max_seconds=2.0, ci_half_width=0.5, warmup_max_seconds=2.0)

MakeRequest = Callable[..., RunRequest]


@pytest.fixture
def adapter_request(tmp_path: Path) -> MakeRequest:
    """Return a function: (adapter's source or "", job, **changes to the request) → request."""

    def make(source: str = GOOD, job: str = "infer", **changes: object) -> RunRequest:
        path = tmp_path / "adapter.py"
        path.write_text(textwrap.dedent(source))
        fields: dict[str, object] = {"options": {"adapter": str(path)}, "plan": QUICK, **changes}
        return RunRequest(job=job, runtime="adapter", checkpoint=str(tmp_path / "model"), **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def changed() -> Callable[..., str]:
    """Return a function that replaces methods of the good adapter: name → body lines."""

    def change(**methods: str) -> str:
        source = textwrap.dedent(GOOD)
        for name, body in methods.items():
            start = source.index(f"    def {name}(")
            line_end = source.index("\n", start) + 1
            end = source.find("\n    def ", line_end)
            rest = source[end + 1 :] if end >= 0 else ""
            block = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
            source = f"{source[:line_end]}{block}\n{rest}"
        return source

    return change
