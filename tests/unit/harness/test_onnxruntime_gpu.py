"""ONNX Runtime on a GPU at its boundary: what the runtime asks of the library, played by a recording stand-in."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from dnnbox.harness.failures import Failure
from dnnbox.harness.protocol import RunRequest
from dnnbox.harness.runtimes.onnxruntime import OnnxRuntime


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put the stand-ins in place; returns what they are asked for."""
    calls: list[str] = []
    library = SimpleNamespace(
        __version__="1.31.1",
        set_default_logger_severity=lambda level: None,
        set_seed=lambda seed: None,
        preload_dlls=lambda: calls.append("preload"),
        get_available_providers=lambda: ["CPUExecutionProvider"],
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    monkeypatch.setitem(sys.modules, "numpy", SimpleNamespace())
    return calls


def runtime(device: str) -> OnnxRuntime:
    found = OnnxRuntime(RunRequest("infer", "onnxruntime", "net.onnx", device=device))
    found.import_libraries()
    return found


def test_import_libraries__on_a_gpu__loads_the_wheels_of_cuda_first(asked: list[str]) -> None:
    runtime("cpu")
    assert asked == []
    runtime("cuda:0")
    assert asked == ["preload"]


def test_open_context__package_for_the_cpu__says_which_one_has_the_gpu(asked: list[str]) -> None:
    with pytest.raises(
        Failure, match=r"no CUDAExecutionProvider; it has CPUExecutionProvider.*onnxruntime-gpu"
    ) as told:
        runtime("cuda").open_context()
    assert told.value.kind == "device_unavailable"
