"""Profiles of real models: operators, work and a trace; and the arithmetic of shapes without any library."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dnnbox.harness import profilers
from dnnbox.harness.profilers import onnxruntime as ort_profiler
from dnnbox.harness.profilers import openvino as openvino_profiler
from dnnbox.harness.profilers import torch as torch_profiler
from dnnbox.harness.protocol import RunRequest
from tests.unit.harness import box
from tests.unit.harness.conftest import MakeRequest
from tests.zoo import Zoo


def node(name: str, inputs: list[list[int]], outputs: list[list[int]]) -> dict[str, Any]:
    def described(shapes: list[list[int]]) -> list[dict[str, list[int]]]:
        return [{"float": shape} for shape in shapes]

    return {"op_name": name, "input_type_shape": described(inputs), "output_type_shape": described(outputs)}


@pytest.mark.parametrize(
    ("details", "flops"),
    [
        (node("Conv", [[1, 3, 8, 8], [16, 3, 3, 3]], [[1, 16, 6, 6]]), 2 * 16 * 6 * 6 * 27),
        (node("FusedConv", [[1, 16, 8, 8], [16, 1, 3, 3]], [[1, 16, 6, 6]]), 2 * 16 * 6 * 6 * 9),
        (node("Gemm", [[4, 32], [10, 32]], [[4, 10]]), 2 * 4 * 32 * 10),
        (node("MatMul", [[2, 7, 5], [5, 3]], [[2, 7, 3]]), 2 * 2 * 7 * 5 * 3),
        (node("MatMul", [[2, 7, 5]], [[2, 7, 3]]), 2 * 2 * 7 * 5 * 3),  # its weights are packed
        (node("Relu", [[1, 16]], [[1, 16]]), None),
        (node("LSTM", [[1, 16], [2, 2]], [[1, 16]]), None),
        ({"op_name": "Conv"}, None),
    ],
)
def test_flops_of__shapes_of_a_node__two_for_each_product(details: dict[str, Any], flops: int | None) -> None:
    assert ort_profiler.flops_of(details) == flops


def test_with_own_time__nodes_of_a_branch__are_not_counted_twice() -> None:
    def event(name: str, ts: int, dur: int, tid: int = 1) -> dict[str, Any]:
        return {"name": name, "ts": ts, "dur": dur, "tid": tid}

    nested = [event("If", 0, 100), event("inner If", 10, 50), event("Conv", 20, 30), event("Add", 70, 10)]
    found = ort_profiler.with_own_time([*nested, event("Relu", 100, 5), event("elsewhere", 20, 40, tid=2)])
    assert {node["name"]: node["dur"] for node in found} == {
        "If": 40, "inner If": 20, "Conv": 30, "Add": 10, "Relu": 5, "elsewhere": 40,
    }  # fmt: skip


def test_family__names_of_one_operation__are_one() -> None:
    names = ("aten::conv2d", "aten::_convolution", "aten::mkldnn_convolution", "aten.convolution", "aten._convolution")
    assert {torch_profiler.family(name) for name in names} == {"convolution"}
    assert torch_profiler.family("aten.addmm.default") == torch_profiler.family("aten::linear") == "linear"
    assert torch_profiler.family("aten::gelu") == "gelu"
    assert torch_profiler.family("mine::kernel") == "mine::kernel"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no trace"),
        ("{", "not JSON"),
        ("[]", "no events"),
        ('{"traceEvents": [1]}', "no events"),
        ('[{"ph": "X"}]', ""),
        ('{"traceEvents": [{"ph": "X"}]}', ""),
    ],
)
def test_trace_problem__what_is_no_trace__is_said(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    if text is not None:
        path.write_text(text)
    problem = profilers.trace_problem(str(path))
    assert said in problem
    assert bool(said) == bool(problem)


def test_trace_problem__too_large__is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profilers, "TRACE_BYTES", 5)
    (tmp_path / "trace.json").write_text('[{"ph": "X"}]')
    assert "at most 5" in profilers.trace_problem(str(tmp_path / "trace.json"))


def test_profile__adapter_without_a_known_library__says_so(adapter_request: MakeRequest, tmp_path: Path) -> None:
    import sys

    error = box.run(sys.executable, tmp_path / "run", adapter_request(job="profile")).answer.error
    assert error is not None
    assert (error.kind, error.stage) == ("unsupported", "profile")


@pytest.mark.zoo
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runtime", "largest"), [("onnx", "onnxruntime", "Conv"), ("torchscript", "torchscript", "convolution")]
)
def test_profile__real_model__operators_work_peaks_and_a_trace(
    zoo: Zoo, tmp_path: Path, name: str, runtime: str, largest: str
) -> None:
    request = RunRequest("profile", runtime, str(zoo.path(name)))
    ran = box.run(zoo.python, tmp_path / "run", request)
    result = ran.answer
    assert result.error is None, result.error
    found = result.profile
    rows = {row["name"]: row for row in found["operators"]}
    assert rows[largest]["flops"] > 0
    assert rows[largest]["bytes"] > 0
    assert 0 < found["self_ns"] <= 1.2 * found["mean_ns"]
    assert found["flops"] >= rows[largest]["flops"]
    assert found["peaks"]["flops_per_s"] > 1e8
    assert found["peaks"]["bytes_per_s"] > 1e8
    assert found["reasons"] == {}
    assert [artifact["kind"] for artifact in result.artifacts] == ["trace"]
    trace = ran.folder / result.artifacts[0]["path"]
    assert profilers.trace_problem(str(trace)) == ""
    assert json.loads(trace.read_text())
    assert sorted(path.name for path in trace.parent.iterdir()) == ["trace.json"]
    assert result.samples is None
    if name == "onnx":
        assert found["providers"] == {"CPU": len(found["nodes"])}


def test_fallbacks__session_for_a_gpu__names_what_the_cpu_ran() -> None:
    def ran(name: str, provider: str, dur: int) -> dict[str, Any]:
        return {"name": f"{name}_kernel_time", "dur": dur, "args": {"provider": provider, "op_name": name}}

    nodes = [ran("Conv", "CUDAExecutionProvider", 900), ran("NonZero", "CPUExecutionProvider", 100)] * 2
    found = ort_profiler.fallbacks(nodes, 2, "cuda")
    assert [(row["name"], row["provider"], row["self_ns"]) for row in found["fallbacks"]] == [
        ("NonZero", "CPU", 100_000)
    ]
    assert (found["fallbacks_n"], found["fallbacks_ns"]) == (1, 100_000)
    assert ort_profiler.fallbacks(nodes, 2, "cpu") == {}


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "flops"),
    [
        ("FullyConnected", [[2, 3], [2, 3]], [[2, 2]], 24),
        ("Convolution", [[1, 3, 8, 8], [16, 3, 3, 3]], [[1, 16, 6, 6]], 2 * 16 * 36 * 27),
        (
            "Convolution",
            [[1, 16, 8, 8], [16, 1, 1, 3, 3]],
            [[1, 16, 6, 6]],
            2 * 16 * 36 * 9,
        ),  # a group for each channel
        ("Reorder", [[1, 3], [1, 3]], [[1, 3]], None),
        ("MatMul", [[2, 3]], [[2, 2]], None),
    ],
)
def test_openvino_flops__shapes_of_a_node__two_for_each_product(
    kind: str, inputs: list[list[int]], outputs: list[list[int]], flops: int | None
) -> None:
    assert openvino_profiler.flops_of(kind, inputs, outputs) == flops


def test_openvino_node__mean_over_all_calls__the_first_is_taken_out() -> None:
    told = SimpleNamespace(
        node_name="a", node_type="MatMul", exec_type="gemm", real_time=timedelta(microseconds=30)
    )  # the mean of a first call of 120 and three of none
    assert openvino_profiler._Node(told, {"a": 120.0}, 3).microseconds == 0.0
    assert openvino_profiler._Node(told, {"a": 60.0}, 3).microseconds == 20.0


def test_openvino_nodes__product_too_short_for_the_counter__is_kept_and_what_ran_once_is_not() -> None:
    def told(name: str) -> Any:
        duration = timedelta(microseconds=1)
        return SimpleNamespace(node_name=name, node_type="MatMul", exec_type="gemm", real_time=duration)

    nodes = [openvino_profiler._Node(told(name), {"product": 50.0, "once": 50.0}, 3) for name in ("product", "once")]
    work = {"product": {"flops": 24}, "once": {"flops": None}}
    assert [node.name for node in openvino_profiler._that_ran(nodes, work)] == ["product"]


def test_torch_rows__calls_of_the_driver__are_no_operators() -> None:
    def averaged(key: str, host_us: float, kernel_us: float) -> Any:
        return SimpleNamespace(key=key, count=4, self_cpu_time_total=host_us, self_device_time_total=kernel_us)

    told = [averaged("aten::addmm", 40, 800), averaged("cudaLaunchKernel", 90, 0), averaged("gemm_f32", 0, 800),
            averaged("Activity Buffer Request", 5000, 0), averaged("mine::op", 8, 20)]  # fmt: skip
    rows = {row["name"]: row for row in torch_profiler._rows(told, 4, True)}
    assert sorted(rows) == ["linear", "mine::op"]
    assert (rows["linear"]["self_ns"], rows["linear"]["host_ns"], rows["linear"]["provider"]) == (
        200_000,
        10_000,
        "cuda",
    )
