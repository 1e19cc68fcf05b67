"""The contract: what ran is observed, what was declared keeps its source, the rest is assumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnnbox import codec
from dnnbox.harness.protocol import ArrayRecord, Check, InputFile, RunRequest, RunResult, TensorRecord
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.records.measurements import Contract, ContractStep
from dnnbox.records.plan import InputChoice
from dnnbox.records.run import RunOutcome
from dnnbox.results import artifacts, contract, opened, params, stated


def _outcome(result: RunResult, files: dict[str, str] | None = None) -> RunOutcome:
    return RunOutcome("infer", result, 0, 0, 1.0, files=files or {})


RESULT = RunResult(
    job="infer",
    python="3.11",
    inputs=[TensorRecord("x", "float32", [1, 3, 224, 224])],
    outputs=[TensorRecord("y", "float32", [1, 10])],
    arrays=[ArrayRecord("x", "input", "arrays/x.npy", "float32", [1, 3, 224, 224], minimum=-2.1, maximum=2.6)],
    checks=[Check("finite", True)],
    preprocessing=[{"step": "normalize", "parameters": {"mean": [0.5]}, "status": "declared", "source": "config.json"}],
    decoded=[{"label": "cat", "score": 0.9}],
)


def test_contract__symbolic_declaration_that_fits__keeps_its_names() -> None:
    hints = IoHints(inputs=(IoField("x", ("N", 3, 224, 224), "float32", "declared", "graph"),), modality="image")
    field = contract(_outcome(RESULT), hints).inputs[0]
    assert field.shape == ("N", 3, 224, 224)
    assert (field.status["shape"], field.source["shape"]) == ("declared", "graph")
    assert (field.status["dtype"], field.layout, field.range) == ("observed", "NCHW", (-2.1, 2.6))
    assert field.status["layout"] == "assumed"


def test_contract__declaration_that_contradicts__loses_to_what_ran() -> None:
    hints = IoHints(inputs=(IoField("x", ("N", 3, 299, 299), "float32", "declared", "graph"),))
    field = contract(_outcome(RESULT), hints).inputs[0]
    assert field.shape == (1, 3, 224, 224)
    assert field.status["shape"] == "observed"


def test_opened__twice_the_batch_doubled_an_input__its_first_dimension_is_open() -> None:
    found = RunResult(job="memory", python="3.11", findings={"open_batch": {"inputs": ["x", 3], "outputs": []}})
    ran = contract(_outcome(RESULT), IoHints())

    made = opened(ran, _outcome(found))

    assert [made.inputs[0].shape, made.outputs[0].shape] == [("N", 3, 224, 224), (1, 10)]
    assert made.inputs[0].status["shape"] == "observed"


@pytest.mark.parametrize("findings", [{}, {"open_batch": "x"}, {"open_batch": {"inputs": "x"}}])
def test_opened__a_box_that_answers_otherwise__contract_stays(findings: dict[str, object]) -> None:
    ran = contract(_outcome(RESULT), IoHints())
    assert opened(ran, _outcome(RunResult(job="memory", python="3.11", findings=findings))) == ran
    assert opened(ran, None) == ran


def test_contract__nothing_ran__is_what_was_declared() -> None:
    hints = IoHints(inputs=(IoField("x", ("N", 4), "int64", "declared", "graph"),))
    found = contract(None, hints)
    assert found.inputs[0].shape == ("N", 4)
    assert found.inputs[0].status == {"shape": "declared", "dtype": "declared"}
    assert found.outputs == ()


def test_contract__json__survives() -> None:
    found = contract(_outcome(RESULT), IoHints())
    assert codec.loads(Contract, codec.dumps(found)) == found


def test_artifacts__files__are_relative_and_hashed(tmp_path: Path) -> None:
    root = tmp_path / "experiment"
    (root / "inputs").mkdir(parents=True)
    given = root / "inputs" / "a.txt"
    given.write_text("hello")
    array = root / "outputs" / "infer" / "x.npy"
    array.parent.mkdir(parents=True)
    array.write_bytes(b"x")
    outside = tmp_path / "secret.npy"
    outside.write_bytes(b"s")
    outcome = _outcome(RESULT, {"arrays/x.npy": str(array), "arrays/secret.npy": str(outside)})
    found = artifacts(root, inputs=[(InputChoice("given", "text", "/home/u/a.txt"), given)], outcome=outcome)
    assert [(a.path, a.role, a.kind) for a in found] == [
        ("inputs/a.txt", "input", "text"),
        ("outputs/infer/x.npy", "input", "tensor"),
    ]
    assert all(a.sha256.startswith("sha256:") for a in found)


def test_params__request__holds_no_absolute_path() -> None:
    request = RunRequest(
        "infer",
        "timm",
        "/dnnbox/checkpoint/m.pth",
        options={"config": "/dnnbox/x/config.json"},
        inputs=[InputFile("/dnnbox/inputs/a.png")],
    )
    document = codec.dumps(params(request, _outcome(RESULT)))
    assert "/dnnbox" not in document
    assert '"m.pth"' in document


def test_merged__one_step_stated__the_others_are_not_the_users(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    file.write_text(json.dumps({"preprocessing": [{"step": "normalize", "parameters": {"mean": [0], "std": [1]}}]}))
    told = tuple(ContractStep(name, {}, "stated", "contract.json") for name in ("resize", "normalize"))
    found = stated.merged(Contract(preprocessing=told), stated.read(file))
    assert [(step.step, step.status) for step in found.preprocessing] == [
        ("resize", "assumed"),
        ("normalize", "stated"),
    ]
