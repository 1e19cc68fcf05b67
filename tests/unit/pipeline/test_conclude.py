"""What two runs must share to be compared."""

from __future__ import annotations

from typing import Any

import pytest

from dnnbox.pipeline.conclude import device_class

CARD = {"name": "NVIDIA H100", "uuid": "GPU-1", "pci": "0000:01:00.0"}


@pytest.mark.parametrize(
    ("machine", "device", "told"),
    [
        ({}, "cpu", None),
        ({"cpu": "EPYC", "cores": 4, "gpu": [CARD]}, "cpu", "EPYC, 4 cores"),
        ({"gpu": [CARD], "driver": "580.1"}, "cuda", "NVIDIA H100, driver 580.1"),
        (
            {"gpu": [CARD, {**CARD, "uuid": "GPU-2"}], "driver": "580.1"},
            "cuda",
            "NVIDIA H100, NVIDIA H100, driver 580.1",
        ),
        ({"gpu": [], "driver": None}, "cuda", "unknown GPU, driver unknown"),
        ({"gpu": "not a list"}, "cuda", "unknown GPU, driver unknown"),
        ({"gpu": [{"name": "\x1b[31mred"}, 7]}, "cuda", "\\x1b[31mred, driver unknown"),
    ],
)
def test_device_class__machine_of_a_run__is_what_figures_depend_on(
    machine: dict[str, Any], device: str, told: str | None
) -> None:
    assert device_class(machine, device) == told
