"""The package as a user installs it: built, installed into a fresh environment, used from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.slow, pytest.mark.xdist_group("box-venv")]

UV = Path(sys.executable).with_name("uv")


def call(*command: str | Path, cwd: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environ,
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from this checkout."""
    into = tmp_path_factory.mktemp("wheel")
    call(UV, "build", "-q", "--wheel", "-o", into, ROOT, cwd=into)
    return next(into.glob("dnnbox-*.whl"))


def test_wheel__content__is_the_package_and_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "dnnbox/harness/protocol.py" in names
    assert {f"dnnbox/_data/envs/{path.name}" for path in (ROOT / "envs").glob("*.toml")} <= set(names)
    assert any(name.startswith("dnnbox/_data/dockerfiles/") for name in names)
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    assert tops == {"dnnbox"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_wheel__installed__inspects_without_the_checkout(wheel: Path, zoo: Zoo, tmp_path: Path) -> None:
    call(UV, "venv", "-q", "--python", sys.executable, tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    call(UV, "pip", "install", "-q", "-p", python, "-c", ROOT / "tools" / "constraints.txt", wheel, cwd=tmp_path)

    dnnbox = tmp_path / "env" / "bin" / "dnnbox"
    assert call(dnnbox, "--version", cwd=tmp_path).startswith("dnnbox ")
    inspection = json.loads(call(dnnbox, "inspect", zoo.path("timm_safetensors"), "--json", cwd=tmp_path))
    assert inspection["format"] == "safetensors"
    assert inspection["identity"]["candidates"][0]["library"] == "timm"
