"""The harness runs on every Python from 3.7 on that this machine has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from dnnbox.harness import arrays
from tests.unit.harness import box
from tests.unit.harness.conftest import MakeRequest

VERSIONS = ("3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


@cache
def interpreter(version: str) -> Path | None:
    """Return a Python of this version, from pyenv's own folders or the search path."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    for candidate in [*found, *([Path(on_path)] if on_path else [])]:
        probe = [str(candidate), "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return candidate
    return Path(sys.executable) if sys.version_info[:2] == tuple(map(int, version.split("."))) else None


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    """Return each interpreter in turn."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} on this machine")
    return found


def test_infer__plain_adapter__answers_with_checked_arrays(
    python: Path, tmp_path: Path, adapter_request: MakeRequest
) -> None:
    ran = box.run(python, tmp_path / "run", adapter_request())
    result = ran.answer
    assert (ran.code, result.error) == (0, None)
    assert [check.name for check in result.checks if not check.passed] == []
    assert [(record.name, record.dtype, record.shape) for record in result.outputs] == [
        ("y", "float32", [1]),
        ("n", "int64", []),
    ]
    kept = {record.name: record for record in result.arrays}
    assert arrays.load(str(ran.folder / kept["y"].path)).values()[0] == 14.0
    assert result.decoded == [{"best": 14.0}]
    assert list(result.stages_ns) == ["interpreter", "import", "context", "load", "to_device", "first"]


def test_memory__plain_adapter__tells_that_its_batch_is_open(
    python: Path, tmp_path: Path, adapter_request: MakeRequest
) -> None:
    ran_with = {"inputs": [{"name": "x", "ran_with": [1, 3]}], "outputs": [{"name": "y", "ran_with": [1]}]}
    ran = box.run(python, tmp_path / "run", adapter_request(job="memory", work={"contract": ran_with}))
    assert ran.answer.findings["open_batch"] == {"inputs": ["x"], "outputs": ["y"]}


@pytest.mark.parametrize("job", ["probe", "measure", "cold", "memory"])
def test_jobs__plain_adapter__succeed(python: Path, job: str, tmp_path: Path, adapter_request: MakeRequest) -> None:
    ran = box.run(python, tmp_path / "run", adapter_request(job=job))
    assert (ran.code, ran.answer.error, ran.answer.job) == (0, None, job)
