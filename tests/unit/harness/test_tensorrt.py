"""TensorRT at its boundary: what the runtime asks of the library and of torch, both played by recording stand-ins.

No GPU and no TensorRT are here: this says nothing about a real engine.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dnnbox.harness.failures import Failure
from dnnbox.harness.protocol import RunRequest
from dnnbox.harness.runtimes.tensorrt import TensorRt

SHAPES = {"x": (-1, 3), "y": (-1, 2)}


class Tensor:
    """As much of a torch tensor as the runtime touches."""

    def __init__(self, shape: Any) -> None:
        self.shape, self.ndim = tuple(shape), len(shape)

    def reshape(self, shape: Any) -> Tensor:
        return Tensor(shape)

    def data_ptr(self) -> int:
        return 4096


class Engine:
    num_io_tensors = 2

    def get_tensor_name(self, place: int) -> str:
        return list(SHAPES)[place]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "x" else "out"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return SHAPES[name]

    def get_tensor_dtype(self, name: str) -> str:
        return "FLOAT"

    def get_tensor_profile_shape(self, name: str, profile: int) -> Any:
        return ((1, 3), (4, 3), (8, 3))

    def create_execution_context(self) -> Context:
        return Context()


class Context:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.answer = True

    def set_input_shape(self, name: str, shape: Any) -> None:
        self.calls.append((name, shape))

    def set_tensor_address(self, name: str, address: int) -> None:
        self.calls.append((name, address))

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (5, 2)

    def execute_async_v3(self, stream: int) -> bool:
        self.calls.append(("execute", stream))
        return self.answer


def stand_ins(monkeypatch: pytest.MonkeyPatch, engine: Engine | None) -> list[bytes]:
    given: list[bytes] = []

    def deserialize(plan: bytes) -> Engine | None:
        given.append(plan)
        return engine

    class Logger:
        ERROR = 1

        def __init__(self, level: int) -> None: ...

    trt = SimpleNamespace(
        __version__="11.4.0",
        Logger=Logger,
        Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=deserialize),
        TensorIOMode=SimpleNamespace(INPUT="in"),
        nptype=lambda kind: SimpleNamespace(__name__="float32"),
    )
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 1,
        set_device=lambda device: None,
        synchronize=lambda: None,
        Stream=lambda device: SimpleNamespace(cuda_stream=7),
    )
    torch = SimpleNamespace(
        cuda=cuda,
        manual_seed=lambda seed: None,
        device=lambda kind, index=0: SimpleNamespace(type=kind),
        zeros=lambda count, device: None,
        inference_mode=nullcontext,
        float32="float32",
        frombuffer=lambda data, dtype: Tensor((len(data) // 4,)),
        empty=lambda shape, dtype, device: Tensor(shape),
    )
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return given


def opened(tmp_path: Path, device: str = "cuda", data: bytes = b"ptrt-plan") -> TensorRt:
    (tmp_path / "net.engine").write_bytes(data)
    runtime = TensorRt(RunRequest("infer", "tensorrt", str(tmp_path / "net.engine"), device=device))
    runtime.import_libraries()
    runtime.open_context()
    return runtime


def test_open_context__cpu__device_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins(monkeypatch, Engine())
    with pytest.raises(Failure, match="needs an NVIDIA GPU"):
        opened(tmp_path, "cpu")


def test_infer__open_batch__bound_for_the_shapes_and_enqueued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefixed = (2).to_bytes(4, "little") + b"{}" + b"ptrt-plan"
    given = stand_ins(monkeypatch, Engine())
    runtime = opened(tmp_path, data=prefixed)
    runtime.load()
    runtime.place()
    inputs = runtime.example_inputs(5)

    outputs = runtime.infer(inputs)

    assert given == [b"ptrt-plan"], "what ultralytics writes before a plan is no part of it"
    assert [record.shape for record in runtime.signature()[0]] == [["x_dim0", 3]]
    assert inputs["x"].shape == (5, 3)
    assert outputs["y"].shape == (5, 2)
    assert runtime.context.calls == [("x", (5, 3)), ("x", 4096), ("y", 4096), ("execute", 7)]


def test_load__engine_of_another_version__says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins(monkeypatch, None)
    with pytest.raises(Failure, match="another version or for another GPU"):
        opened(tmp_path).load()


def test_infer__refused__is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins(monkeypatch, Engine())
    runtime = opened(tmp_path)
    runtime.load()
    runtime.place()
    runtime.context.answer = False
    with pytest.raises(Failure, match="refused to run"):
        runtime.infer(runtime.example_inputs(1))
