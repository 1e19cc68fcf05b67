"""The adapter skeleton: valid Python, holes by name, foreign text only as comments."""

from __future__ import annotations

import ast

import pytest

from dnnbox.dependencies.skeleton import adapter_skeleton
from dnnbox.records.inspection import Inspection, TensorInfo, TensorSummary

REQUIRED = {"load", "example_inputs", "preprocess", "infer", "postprocess"}


def inspection(**changes: object) -> Inspection:
    values: dict[str, object] = {
        "path": "unknown.pth", "kind": "file", "format": "torch-zip", "framework": "pytorch", "size_bytes": 1,
        "verdict": "data-only", "entry": "model", "tensors": TensorSummary(1, 6, 24, {"float32": 1}),
        "tensor_list": (TensorInfo("0.weight", "float32", (2, 3)),),
    }  # fmt: skip
    return Inspection(**(values | changes))  # type: ignore[arg-type]


def methods(text: str) -> set[str]:
    (cls,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    return {node.name for node in cls.body if isinstance(node, ast.FunctionDef)}


def test_adapter_skeleton__unknown_state_dict__is_python_with_all_methods_and_the_entry():
    text = adapter_skeleton(inspection(), "which class builds the model")

    assert methods(text) >= REQUIRED
    assert "weights_only=True)['model']" in text
    assert "0.weight  [2, 3]  float32" in text
    assert text.count("HOLE") == 3


def test_adapter_skeleton__safetensors__reads_them_without_pickle():
    text = adapter_skeleton(inspection(format="safetensors", entry=""), "the class")

    assert "safetensors" in text
    assert "torch.load(" not in text


@pytest.mark.parametrize(
    "name", ['x\nimport os; os.system("id")', "x\r\nraise SystemExit", '"""\nimport os', "\x1b[2J", "x\u2028import os"]
)
def test_adapter_skeleton__hostile_names__stay_inside_comments(name):
    hostile = inspection(
        path=f"/tmp/{name.replace('/', '')}.pth",
        tensor_list=(TensorInfo(name, name, (1,)),),
        needs_code=(name,),
        entry=f"model.{name}",
    )
    body = ast.parse(adapter_skeleton(hostile, name)).body

    assert [type(node).__name__ for node in body] == ["Expr", "ClassDef"]
