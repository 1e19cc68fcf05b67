"""A pynvml of one H100-like GPU at NVML's border: the functions that dnnbox calls, with figures that tests set."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class NVMLError(Exception):
    """What the library raises for everything that it cannot do."""


class FakeNvml(ModuleType):
    """``facts`` maps a function's name to its answer, a function of nothing, or an exception to raise."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    NVML_PERF_POLICY_POWER, NVML_PERF_POLICY_THERMAL = 0, 1
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC = 1, 0

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.is_open = False
        self.uuids = ["GPU-aaaa", "GPU-bbbb"]
        self.violations = {0: 0, 1: 0}
        self.processes: list[tuple[int, int | None]] = []
        self.facts: dict[str, Any] = {
            "nvmlDeviceGetTotalEnergyConsumption": 1_000,
            "nvmlDeviceGetPowerUsage": 250_000,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetClockInfo": 1_755,
            "nvmlDeviceGetMaxClockInfo": 1_980,
            "nvmlDeviceGetCurrentClocksEventReasons": 0b100,
            "nvmlDeviceGetTotalEccErrors": 0,
        }

    def nvmlInit(self) -> None:
        if "nvmlInit" in self.facts:
            raise self.facts["nvmlInit"]
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        assert self.is_open
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return self.uuids[handle]

    def nvmlDeviceGetViolationStatus(self, handle: int, policy: int) -> Any:
        return SimpleNamespace(referenceTime=0, violationTime=self.violations[policy])

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in self.processes]

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name not in facts:
            raise AttributeError(name)

        def answer(*_: Any) -> Any:
            value = facts[name]
            if isinstance(value, Exception):
                raise value
            return value() if callable(value) else value

        return answer


@pytest.fixture
def nvml_library(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Put the fake in pynvml's place."""
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake
