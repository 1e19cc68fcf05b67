"""What an engine says of a GPU that it does not pass, and what helps."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from dnnbox.boxes.engine import engine_errors
from dnnbox.boxes.gpu_refusals import gpu_refused, is_gpu_refusal
from dnnbox.errors import DnnboxError, EngineUnavailable, GpuUnavailable


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ('could not select device driver "" with capabilities: [[gpu compute utility]]', "runtime configure"),
        ("CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=9", "nvidia-ctk cdi list"),
        ("error running hook: nvidia-container-cli: device error: 9: unknown device: unknown", "nvidia-smi -L"),
        ("nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown", "nvidia-smi` must"),
        ("nvidia-container-cli: something new", "dnnbox doctor"),
    ],
)
def test_gpu_refused__words_of_an_engine__have_their_own_way_out(words: str, way: str) -> None:
    error = gpu_refused("docker", words)

    assert is_gpu_refusal(words)
    assert error.what == f"docker cannot pass a GPU: {words}"
    assert way in error.hint


@pytest.mark.parametrize(("has_gpu", "kind"), [(True, GpuUnavailable), (False, EngineUnavailable)])
def test_engine_errors__words_that_may_be_of_a_gpu__are_so_only_where_one_was_asked_for(
    has_gpu: bool, kind: type[DnnboxError]
) -> None:
    with pytest.raises(kind, match="no such device"), engine_errors("docker", has_gpu=has_gpu):
        raise APIError("500", explanation="error mounting /data: no such device")
