"""What of the machine a run is held against."""

from __future__ import annotations

import pytest

from dnnbox.machine import Gpu
from dnnbox.pipeline.fitting import chosen

GPUS = tuple(Gpu(f"card {number}", (9, 0), 1, 2, uuid=f"GPU-{number}ab") for number in range(3))


@pytest.mark.parametrize(
    ("device", "named", "numbers"),
    [
        ("cuda", "", [0, 1, 2]),
        ("cuda:1", "", [1]),
        ("cuda", "all", [0, 1, 2]),
        ("cuda", "2", [0, 1]),
        ("cuda", "device=2,0", [0, 2]),
        ("cuda", "device=GPU-1ab", [1]),
    ],
)
def test_chosen__device_and_gpus__only_those_that_are_used(device: str, named: str, numbers: list[int]) -> None:
    assert chosen(GPUS, device, named) == tuple(GPUS[number] for number in numbers)
