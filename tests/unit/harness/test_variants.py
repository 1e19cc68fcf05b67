"""Variants: what they ask for, and how two outputs are compared."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from dnnbox.harness import variants
from dnnbox.harness.arrays import Array
from dnnbox.harness.failures import Failure
from dnnbox.harness.protocol import MeasurePlan, RunRequest
from tests.unit.harness import box
from tests.zoo import Zoo

REQUEST = RunRequest("measure", "onnxruntime", "net.onnx")
QUICK = MeasurePlan(min_iterations=10, min_seconds=0.1, max_seconds=2.0, ci_half_width=0.5, warmup_max_seconds=2.0)


def test_applied__names__change_the_request() -> None:
    assert variants.applied(REQUEST, "threads-3").threads == 3
    assert variants.applied(REQUEST, "bf16").precision == "bf16"
    assert variants.applied(REQUEST, "graph-off").options == {"graph_level": "DISABLE_ALL"}
    assert variants.applied(REQUEST, "provider-openvino").options == {"provider": "openvino"}
    assert variants.applied(REQUEST, "compile") == REQUEST


@pytest.mark.parametrize("name", ["threads-0", "faster", "graph-none"])
def test_applied__unknown_name__is_refused(name: str) -> None:
    with pytest.raises(Failure, match="no variant"):
        variants.applied(REQUEST, name)


def floats(*values: float) -> Array:
    return Array("float32", (len(values),), array("f", values).tobytes())


def test_compared__outputs__largest_difference_or_what_is_wrong() -> None:
    assert variants.compared([("y", floats(1, 4))], [("y", floats(1, 3))]) == ("y", 0.25)
    assert variants.compared([("y", floats(1, 4))], [("z", floats(1, 4))])[1] is None


@pytest.mark.zoo
@pytest.mark.slow
def test_measure__variant_of_a_real_model__is_held_against_the_plain_output(zoo: Zoo, tmp_path: Path) -> None:
    request = RunRequest("measure", "onnxruntime", str(zoo.path("onnx")), plan=QUICK, variant="threads-1")
    answer = box.run(zoo.python, tmp_path / "run", request).answer
    assert answer.error is None
    assert answer.effective["threads"] == 1
    assert answer.variant["name"] == "threads-1"
    assert answer.variant["difference"] <= answer.variant["tolerance"]
    assert next(check for check in answer.checks if check.name == "variant").passed
