"""Figures of quality get honest intervals, and targets on them a verdict with what would have to change."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dnnbox.errors import BadOutput, Usage
from dnnbox.harness.arrays import Array, write_npy
from dnnbox.harness.examples import pack
from dnnbox.harness.protocol import RunResult
from dnnbox.records.evaluation import LabelledSet, Quality, TensorAgreement
from dnnbox.records.measurements import Contract, ContractField, Statistics, Stats, Throughput, Warm
from dnnbox.records.run import RunOutcome
from dnnbox.results import compare, judge, quality, saved_outputs, stated, training
from dnnbox.results.agreement import summary
from dnnbox.results.quality import wilson

DATASET = LabelledSet("/data", "pets", "folders", "classes", ({"path": "/data/a.png", "label": "cat"},), ("cat",))


def evaluated(*figures: dict[str, Any], **more: Any) -> Quality:
    findings = {"n": 200, "failed": 0, "figures": list(figures), **more}
    outcome = RunOutcome("evaluate", RunResult("evaluate", "3.11", findings=findings), 0, 0, 1.0)
    found = quality(outcome, DATASET, None)
    assert found is not None
    return found


def share(hits: int, n: int) -> dict[str, Any]:
    return {"name": "top1", "value": hits / n, "hits": hits, "n": n, "better": "higher", "method": "from the scores"}


def test_wilson__known_values__are_those_of_the_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@pytest.mark.parametrize(
    ("hits", "status", "needed"),
    [(190, "met", ""), (150, "unknown", "another model"), (156, "unknown", "items"), (100, "missed", "50 more of 200")],
)
def test_judge__share_against_its_interval__decides_only_outside(hits: int, status: str, needed: str) -> None:
    (target,) = judge(Stats(), Contract(), ["top1>=0.75"], quality=evaluated(share(hits, 200))).targets
    assert target.status == status
    assert needed in target.needed
    assert target.delta == pytest.approx(hits / 200 - 0.75)
    assert "Wilson" in target.method


@pytest.mark.parametrize(
    ("expression", "told"),
    [("latency_p50_ms<=1", "1 ms less (50 % of the figure)"), ("throughput_items_s>=200", "100 items/s more")],
)
def test_judge__missed__what_would_have_to_change_has_its_unit(expression: str, told: str) -> None:
    latency = Statistics(p50=2.0, ci95=(1.9, 2.1), n=100)
    stats = Stats(warm=Warm(latency_ms=latency), throughput=(Throughput(1, 100.0, 2.0, (99.0, 101.0)),))
    (target,) = judge(stats, Contract(), [expression]).targets
    assert target.status == "missed"
    assert target.needed.startswith(told)


def test_judge__mean_of_items__interval_comes_from_drawing_them_again() -> None:
    values = [30.0, 31.0, 29.0, 30.5] * 10
    found = evaluated({"name": "psnr_db", "value": 30.125, "values": values, "n": 40})
    figure = found.figure("psnr_db")
    assert figure is not None
    assert figure.interval is not None
    assert 29.5 < figure.interval[0] < 30.125 < figure.interval[1] < 30.8
    assert judge(Stats(), Contract(), ["psnr_db>=29"], quality=found).targets[0].status == "met"
    assert judge(Stats(), Contract(), ["psnr_db>=30.1"], quality=found).targets[0].status == "unknown"


def test_judge__metric_without_a_dataset__says_what_it_needs() -> None:
    (target,) = judge(Stats(), Contract(), ["top1>=0.75"]).targets
    assert (target.status, target.measured) == ("unknown", None)
    assert "needs --dataset" in target.method


def test_judge__own_metric__only_where_the_user_brings_some() -> None:
    with pytest.raises(Usage, match="unknown metric"):
        judge(Stats(), Contract(), ["my_score>=1"])
    found = evaluated({"name": "my_score", "value": 2.0})
    assert judge(Stats(), Contract(), ["my_score>=1"], quality=found, has_own=True).targets[0].status == "met"


def test_quality__foreign_findings__cannot_break_the_record() -> None:
    found = evaluated({"name": "a\x1b[31m", "value": math.inf, "interval": [2, 1]}, {"value": 3}, notes=["\x07bell"])
    assert [figure.value for figure in found.figures] == [None]
    assert found.figures[0].interval is None
    assert "\x1b" not in found.figures[0].name
    assert "\x07" not in found.notes[0]


def test_training__failed_check__is_no_go() -> None:
    checks = [{"name": "loss_falls", "passed": False, "detail": "from 1 to 2"}]
    result = RunResult("train", "3.11", findings={"checks": checks, "losses": [1.0, 2.0], "steps": 2})
    found = training(RunOutcome("train", result, 0, 0, 1.0), wanted=True)
    assert found is not None
    assert found.passed is False
    assert found.losses == (1.0, 2.0)
    assert judge(Stats(), Contract(), training=found).decision == "no-go"


def floats(*values: float, shape: tuple[int, ...] = ()) -> Array:
    return Array("float32", shape or (len(values),), pack("float32", values))


def test_compare__same_near_and_other_shape__each_says_how(tmp_path: Path) -> None:
    scores = floats(0.1, 0.7, 0.2, 0.5, 0.3, 0.2, shape=(2, 3))
    near = floats(0.1, 0.7, 0.2, 0.5, 0.3, 0.25, shape=(2, 3))
    write_npy(str(tmp_path / "scores.npy"), near.dtype, near.shape, near.data)
    saved = saved_outputs(tmp_path)
    (exact,) = compare([("scores", scores)], [("scores", scores)])
    (close,) = compare([("scores", scores)], saved)
    (other,) = compare([("scores", scores)], [("scores", floats(1.0))])
    assert exact.exact
    assert close.max_abs == pytest.approx(0.05, abs=1e-6)
    assert close.max_rel == pytest.approx(0.05 / 0.7, abs=1e-6)
    assert close.same_best == 1.0
    assert "shape [1]" in other.problem
    assert summary([close])["agreement_max_abs"] == close.max_abs
    assert summary([close, TensorAgreement("b", "", problem="gone")])["agreement_max_abs"] is None


OBSERVED = Contract(inputs=(ContractField("x", (1, 3, 32, 32), "float32", "NCHW", (-2.1, 2.6)),))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"shape": ["N", 3, 64, 64]}, "shape ['N', 3, 64, 64] stated, [1, 3, 32, 32] observed"),
        ({"dtype": "float16"}, "dtype float16 stated, float32 observed"),
        ({"range": [0, 1]}, "range [0, 1] stated, -2.1 to 2.6 observed"),
        ({"layout": "NHWC"}, "layout NHWC stated, NCHW"),
        ({"name": "y"}, "input y is stated, the model has x"),
    ],
)
def test_stated__contradiction__is_an_error_with_both_values(field: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps({"inputs": [{"name": "x", **field}]}))
    with pytest.raises(BadOutput) as caught:
        stated.require(OBSERVED, stated.read(path))
    assert words in caught.value.details["contradictions"][0]


def test_stated__agrees__is_marked_and_steers_the_run(tmp_path: Path) -> None:
    steps = [{"step": "normalize", "parameters": {"mean": [0.5], "std": [0.5]}}]
    known = {"inputs": [{"name": "x", "shape": ["N", 3, 32, 32], "colour_order": "RGB"}], "preprocessing": steps}
    path = tmp_path / "contract.json"
    path.write_text(json.dumps({**known, "labels": ["cat", "dog"]}))
    found = stated.read(path)
    stated.require(OBSERVED, found)
    (field,) = stated.merged(OBSERVED, found).inputs
    assert (field.shape, field.colour_order) == (("N", 3, 32, 32), "RGB")
    assert field.status["shape"] == "stated"
    assert field.source["shape"] == "contract.json"
    options = found.options()
    assert options["labels"] == ["cat", "dog"]
    assert options["preprocess"] == {"mean": [0.5], "std": [0.5], "status": "stated", "source": "contract.json"}


@pytest.mark.parametrize("labels", [["cat", "dog"], {"1": "dog", "0": "cat"}])
def test_stated__labels__a_list_or_numbered(labels: object, tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps({"labels": labels}))
    assert stated.read(path).labels == ("cat", "dog")


NONSENSE = (
    "[]", "{", '{"input": []}', '{"inputs": [{"shape": "3"}]}', '{"inputs": [1]}',
    '{"labels": {"cat": 0}}', '{"labels": "cat"}', '{"labels": [["cat"]]}',
)  # fmt: skip


@pytest.mark.parametrize("text", NONSENSE)
def test_stated__nonsense__is_one_clear_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(text)
    with pytest.raises(Usage, match="--contract"):
        stated.read(path)
