"""The user's own environment: what it lacks is read from files; changing it is undone when it fails."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dnnbox import uv
from dnnbox.environments import install_current, installed, missing, platform_of_host
from dnnbox.environments.pixi import add_feature, feature_name, has_feature, with_feature, with_requirements
from dnnbox.errors import EnvFailed, NetworkFailed
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import EnvSpec, Indexes, Workspace
from tests.unit.environments.wheels import make_wheel, serving

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "alpha", "1.0", requires=["beta>=2"])
    make_wheel(folder, "beta", "1.0")
    make_wheel(folder, "beta", "2.0")
    return folder


@pytest.fixture
def python(tmp_path: Path, wheels: Path) -> Path:
    """The interpreter of a user's venv that has beta 1.0."""
    venv = tmp_path / "project" / ".venv"
    subprocess.run(uv.venv_argv(venv, sys.executable), check=True)
    argv = [str(uv.binary()), "pip", "install", "-q", "--offline", "--find-links", str(wheels), "beta==1.0"]
    subprocess.run([*argv, "--python", str(venv / "bin" / "python")], check=True)
    return venv / "bin" / "python"


def workspace_of(python: Path) -> Workspace:
    return Workspace(str(python.parents[2]), ("venv",), str(python))


def spec_of(wheels: Path) -> EnvSpec:
    return EnvSpec("adapter", (), PYTHON, platform_of_host(), indexes=Indexes(find_links=(str(wheels),)))


def test_installed__venv__names_and_versions_without_running_it(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnnbox.process.run", lambda *_, **__: pytest.fail("nothing may be started"))

    assert installed(python) == {"beta": "1.0"}


def test_installed__no_venv__asked() -> None:
    assert "pip" in installed(Path(sys.executable).resolve()) or installed(Path(sys.executable).resolve()) == {}


def test_missing__absent_old_and_fitting__the_first_two(python: Path) -> None:
    wanted = (Requirement("alpha"), Requirement("beta", ">=2"), Requirement("Beta", "<2"), Requirement("beta[extra]"))

    assert missing(Dependencies("adapter", wanted), python) == wanted[:2]


def test_install_current__missing__added_and_both_states_kept(python: Path, wheels: Path, tmp_path: Path) -> None:
    wanted = Dependencies("adapter", (Requirement("alpha"),))

    install_current(workspace_of(python), wanted, spec_of(wheels), tmp_path, offline=True)

    assert installed(python) == {"alpha": "1.0", "beta": "2.0"}
    assert list(python.parents[1].rglob("alpha/__pycache__/*.pyc"))
    assert (tmp_path / "environment-before.txt").read_text() == "beta==1.0\n"
    assert (tmp_path / "environment-after.txt").read_text() == "alpha==1.0\nbeta==2.0\n"


def test_missing__another_distribution_of_the_same_module__enough(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    (site / "onnxruntime_gpu-1.31.1.dist-info").mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    wanted = (Requirement("onnxruntime", ">=1.20"), Requirement("onnxruntime", ">=2"))

    assert missing(Dependencies("onnxruntime", wanted), tmp_path / "bin" / "python") == wanted[1:]


def test_install_current__torch_has_an_index_of_its_own__taken_from_there(python: Path, tmp_path: Path) -> None:
    make_wheel(tmp_path / "pypi", "torch", "3.0")
    make_wheel(tmp_path / "cpu", "torch", "2.0+cpu")
    with serving(tmp_path / "pypi") as pypi, serving(tmp_path / "cpu") as cpu:
        indexes = Indexes(f"{pypi.url}/simple", pinned={"torch": f"{cpu.url}/simple"})
        spec = EnvSpec("adapter", (), PYTHON, platform_of_host(), indexes=indexes)
        wanted = Dependencies("adapter", (Requirement("torch"),))

        install_current(workspace_of(python), wanted, spec, tmp_path, offline=False, cache_dir=tmp_path / "cache")

    assert installed(python)["torch"] == "2.0+cpu"


def test_install_current__no_solution__as_before(python: Path, wheels: Path, tmp_path: Path) -> None:
    wanted = Dependencies("adapter", (Requirement("alpha"), Requirement("beta", "<2,>1")))

    with pytest.raises((EnvFailed, NetworkFailed)):
        install_current(workspace_of(python), wanted, spec_of(wheels), tmp_path, offline=True)

    assert installed(python) == {"beta": "1.0"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, EnvFailed("later")])
def test_install_current__stopped_after_installing__put_back(
    interruption: type[BaseException] | BaseException,
    python: Path,
    wheels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dnnbox import process

    run = process.run

    def stopped(argv: list[str], **options: object) -> process.Completed:
        ended = run(argv, **options)  # type: ignore[arg-type]
        if "install" in argv and "--requirements" in argv:
            raise interruption
        return ended

    monkeypatch.setattr("dnnbox.process.run", stopped)
    wanted = Dependencies("adapter", (Requirement("alpha"),))

    with pytest.raises((KeyboardInterrupt, EnvFailed)):
        install_current(workspace_of(python), wanted, spec_of(wheels), tmp_path, offline=True)

    assert installed(python) == {"beta": "1.0"}


PIXI = """# our project
[workspace]
name = "x"  # keep me

[dependencies]
python = "3.11.*"
"""


def pixi_workspace(tmp_path: Path) -> Workspace:
    manifest = tmp_path / "pixi.toml"
    manifest.write_text(PIXI)
    python = tmp_path / ".pixi" / "envs" / "default" / "bin" / "python"
    (python.parents[1] / "conda-meta").mkdir(parents=True)
    (python.parents[1] / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    python.parent.mkdir()
    python.write_text("")
    return Workspace(str(tmp_path), ("pixi",), str(python), str(manifest))


def pretend_pixi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for pixi on PATH: the real one needs a conda channel."""
    folder.mkdir()
    (folder / "pixi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pixi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_with_requirements__pixi_manifest__comments_and_order_stay() -> None:
    text = with_requirements(PIXI, "pixi.toml", [Requirement("timm", ">=1"), Requirement("numpy")])

    assert text.startswith(PIXI)
    assert '[pypi-dependencies]\ntimm = ">=1"\nnumpy = "*"' in text


def test_with_requirements__extras_and_pyproject__written_as_pixi_reads_them() -> None:
    text = with_requirements("[tool.pixi.workspace]\n", "pyproject.toml", [Requirement("lightning[extra]", ">=2")])

    assert text == (
        '[tool.pixi.workspace]\n\n[tool.pixi.pypi-dependencies]\nlightning = {version = ">=2", extras = ["extra"]}\n'
    )


def test_with_feature__pixi_manifest__an_environment_of_its_own_and_nothing_else_changed() -> None:
    pinned = {"torch": "https://user:secret@index.example/cpu"}
    spec = EnvSpec("timm", ("timm>=1", "torch"), "3.12", "x86_64-manylinux_2_28", indexes=Indexes(pinned=pinned))

    text = with_feature(PIXI, "pixi.toml", "dnnbox-model", spec)

    assert text.startswith(PIXI)
    table = tomllib.loads(text)
    assert table["feature"]["dnnbox-model"] == {
        "dependencies": {"python": "3.12.*"},
        "pypi-dependencies": {"timm": ">=1", "torch": {"version": "*", "index": "https://index.example/cpu"}},
    }
    assert table["environments"] == {"dnnbox-model": {"features": ["dnnbox-model"], "no-default-feature": True}}
    assert tomllib.loads(with_feature(text, "pixi.toml", "dnnbox-model", spec)) == table


@pytest.mark.parametrize("code", [0, 3])
def test_add_feature__pixi_stand_in__environment_made_or_manifest_put_back(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = pixi_workspace(tmp_path)
    made = f"mkdir -p {tmp_path}/.pixi/envs/$5/bin; ln -s /bin/true {tmp_path}/.pixi/envs/$5/bin/python"
    pretend_pixi(tmp_path / "bin", f"echo lock > {tmp_path}/pixi.lock; {made}; echo no >&2; exit {code}", monkeypatch)
    (tmp_path / "record").mkdir()
    spec = EnvSpec("timm", ("timm>=1",), "3.12", "x86_64-manylinux_2_28")
    assert not has_feature(workspace, "dnnbox-model", spec)

    if code:
        with pytest.raises(EnvFailed, match="pixi could not install timm>=1: no"):
            add_feature(workspace, "dnnbox-model", spec, tmp_path / "record")
        assert Path(workspace.manifest).read_text() == PIXI
        assert not (tmp_path / "pixi.lock").exists()
        assert not has_feature(workspace, "dnnbox-model", spec)
    else:
        python = add_feature(workspace, "dnnbox-model", spec, tmp_path / "record")
        assert python == tmp_path / ".pixi" / "envs" / "dnnbox-model" / "bin" / "python"
        assert has_feature(workspace, "dnnbox-model", spec)
        assert (tmp_path / "record" / "pixi-before.toml").read_text() == PIXI
        assert "no-default-feature" in (tmp_path / "record" / "pixi-after.toml").read_text()


@pytest.mark.parametrize(("title", "name"), [("ResNet_50 v2", "dnnbox-resnet-50-v2"), ("…", "dnnbox-model")])
def test_feature_name__any_title__is_one_that_pixi_takes(title: str, name: str) -> None:
    assert feature_name(title) == name


def test_install_current__pixi_is_not_there__says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = pixi_workspace(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(EnvFailed) as caught:
        install_current(
            workspace, Dependencies("adapter", (Requirement("timm", ">=1"),)), spec_of(tmp_path), tmp_path, offline=True
        )

    assert 'pixi add --pypi "timm>=1"' in caught.value.hint
    assert Path(workspace.manifest).read_text() == PIXI


@pytest.mark.parametrize("code", [0, 3])
def test_install_current__pixi_stand_in__manifest_changed_or_put_back(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = pixi_workspace(tmp_path)
    pretend_pixi(tmp_path / "bin", f"echo lock > {tmp_path}/pixi.lock; echo no >&2; exit {code}", monkeypatch)
    (tmp_path / "record").mkdir()
    wanted = Dependencies("adapter", (Requirement("timm"),))

    if code:
        with pytest.raises(EnvFailed, match="no"):
            install_current(workspace, wanted, spec_of(tmp_path), tmp_path / "record", offline=True)
        assert Path(workspace.manifest).read_text() == PIXI
        assert not (tmp_path / "pixi.lock").exists()
    else:
        install_current(workspace, wanted, spec_of(tmp_path), tmp_path / "record", offline=True)
        assert 'timm = "*"' in Path(workspace.manifest).read_text()
        assert (tmp_path / "record" / "pixi-before.toml").read_text() == PIXI


def test_install_current__pixi_does_not_reach_the_channel__is_network_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = pixi_workspace(tmp_path)
    said = "  × failed to fetch repodata\n  ╰─▶ error sending request for url (https://c/noarch)\n  help: try again"
    pretend_pixi(tmp_path / "bin", f"printf '%s' '{said}' >&2; exit 1", monkeypatch)
    (tmp_path / "record").mkdir()
    wanted = Dependencies("adapter", (Requirement("timm"),))

    with pytest.raises(NetworkFailed, match="could not install timm: error sending request") as caught:
        install_current(workspace, wanted, spec_of(tmp_path), tmp_path / "record", offline=True)

    assert "--offline" in caught.value.hint
    assert Path(workspace.manifest).read_text() == PIXI


def test_install_current__pixi_fails_offline__putting_back_is_offline_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = pixi_workspace(tmp_path)
    (tmp_path / "pixi.lock").write_text("lock")
    pretend_pixi(tmp_path / "bin", f'echo "$4 $HTTPS_PROXY" >> {tmp_path}/calls; exit 3', monkeypatch)
    (tmp_path / "record").mkdir()
    wanted = Dependencies("adapter", (Requirement("timm"),))

    with pytest.raises(EnvFailed):
        install_current(workspace, wanted, spec_of(tmp_path), tmp_path / "record", offline=True)

    nowhere = uv.unreachable()["HTTPS_PROXY"]
    assert (tmp_path / "calls").read_text().splitlines() == [f" {nowhere}", f"--frozen {nowhere}"]
