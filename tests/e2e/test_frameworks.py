"""Files that the frameworks wrote themselves, each run by its runtime; products give what arithmetic says."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dnnbox import uv
from dnnbox.harness.arrays import read_npy, write_npy
from tests.conftest import Cli, refuse_or_skip

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.extended, pytest.mark.timeout(900)]

MAKER = Path(__file__).with_name("make_framework_files.py")
PRODUCT = [1.0, 2.0, 8.0, 10.0]
TORCH = "torch==2.13.0"


class Framework(NamedTuple):
    """``packages`` make the file. ``product``: the model is y = x · W; ``rows`` is 1 where there is no batch."""

    name: str
    runtime: str
    packages: tuple[str, ...]
    product: bool = True
    rows: int = 2
    input: str = "x"


FRAMEWORKS = (
    Framework("keras", "keras", ("keras", "h5py", "numpy", TORCH)),
    Framework("keras_h5", "keras", ("keras", "h5py", "numpy", TORCH)),
    Framework("tensorflow", "tensorflow", ("tensorflow-cpu",)),
    Framework("executorch", "executorch", ("executorch", "setuptools", "numpy", TORCH), input="input0"),
    Framework("ncnn", "ncnn", ("ncnn", "numpy"), rows=1),
    Framework("mnn", "mnn", ("MNN", "onnx", "numpy")),
    Framework("paddle", "paddle", ("paddlepaddle", "setuptools", "numpy")),
    Framework("jax", "jax", ("jax", "flatbuffers", "numpy"), input="input0"),
    Framework("lightning", "lightning", ("lightning", "numpy", TORCH)),
    Framework("diffusers", "diffusers", ("diffusers", "transformers", "accelerate", "pillow", "numpy", TORCH), False),
    Framework("open_clip", "open_clip", ("open-clip-torch", "torchvision", "safetensors", "numpy", TORCH), False),
    Framework("ultralytics", "ultralytics", ("ultralytics", "torchvision", "numpy", TORCH), False),
    Framework("llama_cpp", "llama_cpp", ("gguf", "numpy"), False),
)


def made(framework: Framework, folder: Path, home: Path) -> Path:
    """Make the file in an environment of the framework, from the cache that dnnbox fills anyway."""
    environ = {**os.environ, "UV_CACHE_DIR": str(home / "container" / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
    if "UV_FIND_LINKS" not in environ and "PIP_FIND_LINKS" in environ:
        environ["UV_FIND_LINKS"] = environ["PIP_FIND_LINKS"]
    options = [part for package in framework.packages for part in ("--with", package)]
    command = [str(uv.binary()), "run", "-q", "--no-project", "--isolated", "--no-build"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    script = ["python", str(MAKER), framework.name, str(folder)]
    done = subprocess.run(
        [*command, "--python", version, *options, *script], capture_output=True, text=True, env=environ, timeout=600
    )
    if done.returncode != 0 and "No solution found" in done.stderr:
        refuse_or_skip(f"no environment of {framework.name}: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr[-2000:]
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=[each.name for each in FRAMEWORKS])
def test_run__file_of_the_framework__measured_and_right(
    dnnbox: Cli, workspace: Path, tmp_path: Path, dnnbox_home: Path, bubblewrap: Path, framework: Framework
) -> None:
    checkpoint = made(framework, tmp_path, dnnbox_home)
    options = ["--box", "venv", "--threads", "1", "--yes", "--quick", "--json"]
    if framework.product:
        write_npy(tmp_path / "x.npy", "float32", *input_of(framework))
        options += ["--input", f"{framework.input}=@{tmp_path / 'x.npy'}", "--batch", str(framework.rows)]
    if framework.name == "lightning":
        options += ["--source", str(tmp_path / "source")]

    done = dnnbox("run", checkpoint, *options, timeout_s=880)

    if framework.name == "llama_cpp" and done.code == 21:
        assert "PyPI has its source only" in done.stderr, "the error says where to get a wheel"
        pytest.skip("llama-cpp-python has no wheel on PyPI; a folder with one in UV_FIND_LINKS runs this test")
    assert done.code == 0, done.stderr[-3000:]
    check(workspace / done.json["experiment"] / "outputs", framework)


def input_of(framework: Framework) -> tuple[tuple[int, ...], bytes]:
    if framework.rows == 1:
        return (3,), struct.pack("<3f", 0, 1, 1)
    return (2, 3), struct.pack("<6f", 1, 0, 0, 0, 1, 1)


def check(outputs: Path, framework: Framework) -> None:
    assert read(outputs, "dependencies")["runtime"] == framework.runtime
    assert read(outputs, "environment")["attempts"][-1]["ok"]
    assert read(outputs, "stats")["warm"]["latency_ms"]["p50"] > 0
    arrays = [read_npy(path) for path in outputs.rglob("*.npy")]
    assert arrays
    if framework.product:
        found = [list(data.cast("B").cast("f")) for kind, shape, data in arrays if kind == "float32"]
        assert PRODUCT[-2 * framework.rows :] in found


def read(outputs: Path, name: str) -> Any:
    return json.loads((outputs / f"{name}.json").read_text(encoding="utf-8"))


def test_plan__cpu_runtime_asked_for_cuda__refused_before_anything_is_installed(dnnbox: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.param").write_text("7767517\n1 1\nInput x 0 1 x 0=3\n")

    done = dnnbox("plan", tmp_path / "net.param", "--device", "cuda")

    assert done.code == 32, done.stderr
