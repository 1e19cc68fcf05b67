"""The GPU at NVML's border: what is asked, what is made of the answers, and drivers that do not tell everything."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from dnnbox import nvml


def read(device: str = "cuda", uuid: str = "") -> nvml.Reading:
    with nvml.opened(device, uuid) as gpu:
        assert isinstance(gpu, nvml.Gpu), gpu
        return gpu.read()


def power() -> tuple[float | None, float | None]:
    with nvml.opened("cuda") as gpu:
        assert isinstance(gpu, nvml.Gpu), gpu
        return gpu.power()


def test_read__all_there__has_units_of_its_names(nvml_library: Any) -> None:
    nvml_library.violations = {0: 7_000_000, 1: 3}
    nvml_library.processes = [(11, 1 << 30), (12, None)]
    found = read()
    assert (*power(), found.sm_clock_mhz, found.temperature_c) == (1.0, 250.0, 1755, 61)
    assert (found.reasons, found.ecc_errors) == (("power cap",), 0)
    assert (found.throttled_power_ns, found.throttled_thermal_ns) == (7_000_000, 3)
    assert found.processes == {11: 1 << 30, 12: None}
    assert not nvml_library.is_open


def test_read__driver_that_tells_little__leaves_the_rest_unknown(nvml_library: Any) -> None:
    for name in list(nvml_library.facts):
        nvml_library.facts[name] = nvml_library.NVMLError("not supported")
    del nvml_library.facts["nvmlDeviceGetCurrentClocksEventReasons"]  # an older library has no such function
    found = read()
    assert (*power(), found.sm_clock_mhz, found.reasons) == (None, None, None, ())


def test_read__older_library__takes_the_older_name_of_the_reasons(nvml_library: Any) -> None:
    del nvml_library.facts["nvmlDeviceGetCurrentClocksEventReasons"]
    nvml_library.facts["nvmlDeviceGetCurrentClocksThrottleReasons"] = 0x40
    assert read().reasons == ("heat (hardware)",)


def test_opened__uuid_of_the_run__wins_over_the_index(nvml_library: Any) -> None:
    with nvml.opened("cuda:0", "bbbb") as gpu:  # torch leaves the prefix out
        assert isinstance(gpu, nvml.Gpu)
        assert gpu.uuid == "GPU-bbbb"
    with nvml.opened("cuda:1") as gpu:
        assert isinstance(gpu, nvml.Gpu)
        assert gpu.uuid == "GPU-bbbb"


def test_opened__gpu_that_is_not_there__says_so(nvml_library: Any) -> None:
    with nvml.opened("cuda:0", "cccc") as gpu:
        assert gpu == "NVML knows no GPU cccc"


def test_opened__no_driver__says_so(nvml_library: ModuleType) -> None:
    vars(nvml_library)["facts"]["nvmlInit"] = vars(type(nvml_library))["NVMLError"]("driver not loaded")
    with nvml.opened("cuda") as gpu:
        assert gpu == "NVML does not answer: NVMLError"


def test_state_between__held_back_and_strangers__are_counted() -> None:
    before = nvml.Reading(throttled_power_ns=5, throttled_thermal_ns=None, ecc_errors=1, processes={1: 10})
    after = nvml.Reading(throttled_power_ns=105, throttled_thermal_ns=4, ecc_errors=1, processes={1: 10, 2: None},
                         reasons=("idle", "power cap"))  # fmt: skip
    state = nvml.state_between(before, after, 1000)
    assert (state["throttled_power_ns"], state["throttled_thermal_ns"], state["ecc_errors"]) == (100, None, 0)
    assert (state["foreign_processes"], state["wall_ns"], state["reasons"]) == (2, 1000, ["power cap"])
