"""One NVIDIA GPU as its driver tells it: energy, power, clocks, what holds them back, who uses it. Read by the host.

Every figure may be missing on some driver or card; then it is None. Asking never fails and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

_REASONS = {
    1 << 0: "idle",
    1 << 1: "application clocks setting",
    1 << 2: "power cap",
    1 << 3: "hardware slowdown",
    1 << 4: "sync boost",
    1 << 5: "heat (software)",
    1 << 6: "heat (hardware)",
    1 << 7: "power brake",
    1 << 8: "display clock setting",
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons. Source: nvml.h, nvmlClocksEventReason*."""


@dataclass(frozen=True)
class Reading:
    """One look. Times in nanoseconds; ``processes`` maps a process id to its bytes.

    ``throttled_power_ns`` and ``throttled_thermal_ns`` count since the driver was loaded.
    """

    sm_clock_mhz: int | None = None
    temperature_c: int | None = None
    reasons: tuple[str, ...] = ()
    throttled_power_ns: int | None = None
    throttled_thermal_ns: int | None = None
    ecc_errors: int | None = None
    processes: Mapping[int, int | None] = field(default_factory=dict)


class Gpu:
    """An open GPU; made by :func:`opened`."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library, self._handle = library, handle
        self.uuid = _text(self._ask("nvmlDeviceGetUUID") or "")
        self.highest_sm_clock_mhz: int | None = self._clock("nvmlDeviceGetMaxClockInfo")

    def read(self) -> Reading:
        """Take one look."""
        return Reading(
            sm_clock_mhz=self._clock("nvmlDeviceGetClockInfo"),
            temperature_c=self._ask("nvmlDeviceGetTemperature", getattr(self._library, "NVML_TEMPERATURE_GPU", 0)),
            reasons=self._reasons(),
            throttled_power_ns=self._held_back("NVML_PERF_POLICY_POWER", 0),
            throttled_thermal_ns=self._held_back("NVML_PERF_POLICY_THERMAL", 1),
            ecc_errors=self._ecc(),
            processes=self._processes(),
        )

    def power(self) -> tuple[float | None, float | None]:
        """Return (joules since the driver was loaded, watts now): two questions, for a sampler that asks often."""
        energy_mj, power_mw = self._ask("nvmlDeviceGetTotalEnergyConsumption"), self._ask("nvmlDeviceGetPowerUsage")
        return (
            energy_mj / 1e3 if isinstance(energy_mj, int) else None,
            power_mw / 1e3 if isinstance(power_mw, int) else None,
        )

    def _ask(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._library, name, None)
        if function is None:  # an older nvidia-ml-py
            return None
        with suppress(self._library.NVMLError):
            return function(self._handle, *arguments)
        return None

    def _clock(self, name: str) -> int | None:
        value = self._ask(name, getattr(self._library, "NVML_CLOCK_SM", 1))
        return int(value) if isinstance(value, int) else None

    def _reasons(self) -> tuple[str, ...]:
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return tuple(name for bit, name in _REASONS.items() if bits & bit) if isinstance(bits, int) else ()

    def _held_back(self, policy: str, default: int) -> int | None:
        """Return how long a policy has held the clocks down (nvmlViolationTime_t.violationTime, nanoseconds)."""
        found = self._ask("nvmlDeviceGetViolationStatus", getattr(self._library, policy, default))
        value = getattr(found, "violationTime", None)
        return int(value) if isinstance(value, int) else None

    def _ecc(self) -> int | None:
        """Return the uncorrected errors of memory since the driver was loaded."""
        uncorrected = getattr(self._library, "NVML_MEMORY_ERROR_TYPE_UNCORRECTED", 1)
        value = self._ask("nvmlDeviceGetTotalEccErrors", uncorrected, getattr(self._library, "NVML_VOLATILE_ECC", 0))
        return int(value) if isinstance(value, int) else None

    def _processes(self) -> dict[int, int | None]:
        """Return who computes on it; a desktop that draws with it is no stranger to a measurement."""
        found: dict[int, int | None] = {}
        for entry in self._ask("nvmlDeviceGetComputeRunningProcesses") or ():
            size = getattr(entry, "usedGpuMemory", None)
            found[int(entry.pid)] = int(size) if isinstance(size, int) else None
        return found


@contextmanager
def opened(device: str, uuid: str = "") -> Iterator[Gpu | str]:
    """Yield the GPU of a run (``cuda``, ``cuda:1``), found by ``uuid`` where that is known; or why it cannot be read.

    CUDA and NVML may count the same GPUs in different orders, so the index is only what is left without a UUID.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception as error:  # noqa: BLE001 - no driver, or one that does not answer
        yield f"NVML does not answer: {type(error).__name__}"
        return
    try:
        handle = _handle(pynvml, device, uuid)
        yield Gpu(pynvml, handle) if handle is not None else f"NVML knows no GPU {uuid or device}"
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _handle(library: Any, device: str, uuid: str) -> Any:
    count: Callable[[], int] = library.nvmlDeviceGetCount
    with suppress(library.NVMLError):
        handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(int(count()))]
        if uuid:
            wanted = uuid.removeprefix("GPU-").lower()
            named = ((handle, _text(library.nvmlDeviceGetUUID(handle))) for handle in handles)
            return next((h for h, name in named if name.removeprefix("GPU-").lower() == wanted), None)
        index = int(device.partition(":")[2] or 0)
        return handles[index] if index < len(handles) else None
    return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def state_between(before: Reading, after: Reading, wall_ns: int) -> dict[str, Any]:
    """Return what two looks around a job say: whether the GPU was held back, and whether strangers used it.

    The job itself is over, or not yet there, at both looks: whoever is there is a stranger.
    """
    found: dict[str, Any] = {"wall_ns": wall_ns}
    for name in ("throttled_power_ns", "throttled_thermal_ns", "ecc_errors"):
        first, last = getattr(before, name), getattr(after, name)
        found[name] = max(0, last - first) if first is not None and last is not None else None
    found["foreign_processes"] = len({*before.processes, *after.processes})
    found["sm_clock_mhz"] = [before.sm_clock_mhz, after.sm_clock_mhz]
    found["reasons"] = sorted({*before.reasons, *after.reasons} - {"idle"})
    return found
