"""A new pixi environment: Python from a conda channel by py-rattler, wheels by uv, the model in it under bubblewrap.

pixi itself is not needed for it. The channel is a folder with this machine's Python as a conda package: a stand-in for
conda-forge, which cannot be reached from every machine.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from dnnbox import integrity
from dnnbox.environments import platform_of_host, resolve
from dnnbox.environments.prefixes import MANIFEST, conda_part, realise_prefix
from dnnbox.errors import IntegrityFailed, NetworkFailed
from dnnbox.events import Silent
from dnnbox.process import run
from dnnbox.records.environment import EnvSpec, Indexes, Workspace
from dnnbox.store import Store
from tests.conftest import Cli
from tests.unit.environments.wheels import make_wheel
from tests.zoo import Zoo

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.xdist_group("exports")]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "alpha", "1.0", requires=["beta>=1"], script=True)
    make_wheel(folder, "beta", "2.0")
    return folder


@pytest.fixture
def made(conda_folder: Path, wheels: Path, tmp_path: Path) -> Any:
    """Return a function that makes the environment in a store of its own, without network."""
    spec = EnvSpec("adapter", ("alpha",), PYTHON, platform_of_host(), indexes=Indexes(find_links=(str(wheels),)))
    workspace = Workspace(str(tmp_path), settings={"channels": [str(conda_folder)]})
    store = Store(tmp_path / "store")

    def make() -> Path:
        lock = resolve(spec, store, offline=True, progress=Silent())
        solution = conda_part(spec, workspace, store, offline=True, refresh=False)
        return realise_prefix(spec, lock, solution, workspace, store, offline=True, progress=Silent())

    make.store = store  # type: ignore[attr-defined]
    return make


def test_realise_prefix__local_channel__conda_python_with_locked_wheels(made: Any) -> None:
    python = made()

    code = "import sys, alpha, beta; print(sys.prefix)"
    assert run([str(python), "-I", "-c", code], timeout_s=60).stdout.strip() == str(python.parent.parent)
    assert list((python.parent.parent / "conda-meta").glob("python-*.json"))
    assert list(integrity.differences(python.parent.parent)) == []
    lock = (python.parent.parent / MANIFEST / "pixi.lock").read_text("utf-8")
    assert "- conda: ./channel/" in lock
    assert "- pypi: ./wheels/alpha-1.0-py3-none-any.whl" in lock

    changed = next(python.parent.parent.glob("lib/python3*/os.py"))
    changed.write_bytes(changed.read_bytes().replace(b"import", b"inport", 1))
    assert list(integrity.differences(python.parent.parent)) == [f"{changed.relative_to(python.parent.parent)} differs"]


@pytest.mark.long
def test_realise_prefix__made_before__nothing_is_started(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    python = made()
    monkeypatch.setattr("dnnbox.process.run", lambda *_, **__: pytest.fail("nothing may be started"))

    assert made() == python


@pytest.mark.long
def test_realise_prefix__dies_half_way__is_made_anew(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dnnbox.integrity.vouch", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            made()
    assert list((made.store.root / "venvs").glob("[!.]*")) == []
    stranded = made.store.root / "venvs" / ("0" * 64 + "-pixi-000000000000")
    stranded.mkdir()

    assert made().exists()
    assert made.store.remove_leftovers() == 1
    assert not stranded.exists()


@pytest.mark.long
def test_realise_prefix__package_changed_in_the_channel__is_refused(
    made: Any, conda_folder: Path, tmp_path: Path, wheels: Path
) -> None:
    copy = tmp_path / "channel"
    shutil.copytree(conda_folder, copy)
    spec = EnvSpec("adapter", ("alpha",), PYTHON, platform_of_host(), indexes=Indexes(find_links=(str(wheels),)))
    workspace, store = Workspace(str(tmp_path), settings={"channels": [str(copy)]}), Store(tmp_path / "store")
    lock = resolve(spec, store, offline=True, progress=Silent())
    solution = conda_part(spec, workspace, store, offline=True, refresh=False)
    package = next(copy.glob("noarch/pip-*.tar.bz2"))
    package.write_bytes(next(conda_folder.glob("*/python-*.tar.bz2")).read_bytes())

    with pytest.raises(IntegrityFailed, match="conda package pip 0"):
        realise_prefix(spec, lock, solution, workspace, store, offline=True, progress=Silent())
    assert list((store.root / "venvs").glob("[!.]*")) == []


def test_conda_part__remote_channel_offline__is_network(tmp_path: Path) -> None:
    spec = EnvSpec("adapter", (), PYTHON, platform_of_host())

    with pytest.raises(NetworkFailed, match="--offline"):
        conda_part(spec, Workspace(str(tmp_path)), Store(tmp_path / "store"), offline=True, refresh=False)


@pytest.mark.zoo
@pytest.mark.long
def test_run__new_pixi_environment__is_a_measured_experiment_with_its_manifest(
    dnnbox: Cli, zoo: Zoo, workspace: Path, conda_folder: Path, bubblewrap: Path
) -> None:
    (workspace / "dnnbox.toml").write_text(f'channels = ["{conda_folder}"]\n', encoding="utf-8")
    options = ("--box", "pixi", "--deps", "new", "--threads", "1", "--yes", "--quick", "--json")

    done = dnnbox("run", zoo.path("onnx"), *options)

    assert done.code == 0, done.stderr[-3000:]
    experiment = workspace / done.json["experiment"]
    environment = json.loads((experiment / "outputs" / "environment.json").read_text("utf-8"))
    assert (environment["box"], environment["sandbox"]) == ("pixi", "bubblewrap")
    assert environment["conda_packages"]["python"] == "{}.{}.{}".format(*sys.version_info)
    assert environment["settings"]["network"] == "none"
    for name in ("pixi.toml", "pixi.lock"):
        text = (experiment / "outputs" / "pixi" / name).read_text("utf-8")
        assert str(conda_folder) not in text
        assert "onnxruntime" in text
    again = dnnbox("plan", zoo.path("onnx"), *(o for o in options if o not in ("--yes", "--threads", "1")), "--offline")
    assert again.json["environment_exists"] is True
