"""Devices: asked for by name and not there is an error, never a silent CPU run."""

from pathlib import Path

import pytest

from dnnbox import devices
from dnnbox.errors import GpuUnavailable, Usage

no_gpu = pytest.mark.skipif(
    Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists(), reason="this machine has a GPU"
)


def test_resolve__cpu__is_cpu():
    assert devices.resolve("cpu").accelerator == "cpu"


@no_gpu
def test_resolve__auto_without_gpu__is_cpu_with_the_reason():
    device = devices.resolve("auto")

    assert device.name == "cpu"
    assert "no NVIDIA driver" in device.reason


@no_gpu
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "rocm", "mps"])
def test_resolve__absent_gpu_by_name__is_an_error(name):
    with pytest.raises(GpuUnavailable, match=name):
        devices.resolve(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "CPU"])
def test_resolve__unknown_name__is_usage(name):
    with pytest.raises(Usage):
        devices.resolve(name)


def test_fitted__runtime_for_the_cpu_only__auto_takes_the_cpu_and_a_name_is_an_error():
    gpu = devices.Device("cuda:1", "cuda", "cuda is there")

    assert devices.fitted(gpu, ("cpu", "cuda"), "auto", "jax") is gpu
    assert devices.fitted(gpu, ("cpu",), "auto", "ncnn").name == "cpu"
    with pytest.raises(GpuUnavailable, match="ncnn needs cpu, asked for cuda:1"):
        devices.fitted(gpu, ("cpu",), "cuda:1", "ncnn")


def test_fitted__runtime_for_a_gpu_only__a_machine_without_is_an_error():
    with pytest.raises(GpuUnavailable, match="tensorrt needs cuda, this machine has none"):
        devices.fitted(devices.Device("cpu", "cpu", ""), ("cuda",), "auto", "tensorrt")


def test_resolve__number_of_an_amd_gpu_that_is_not_there__says_how_many_there_are(tmp_path):
    for name in ("kfd", "dri/renderD128", "dri/renderD129", "dri/card0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert devices._no_rocm(1, tmp_path) == ""
    assert devices._no_rocm(9, tmp_path) == "GPU 9 was asked for, this machine has 2"
