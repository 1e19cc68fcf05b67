"""Hand-off for real: an experiment is bundled here and run again elsewhere, with dnnbox and without."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.xdist_group("handoff")]

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, zoo: Zoo, dnnbox_home: Path) -> tuple[Path, Path, Path]:
    """Return (workspace, experiment, bundle with weights)."""
    workspace = tmp_path_factory.mktemp("handoff")
    environ = os.environ | {"DNNBOX_HOME": str(dnnbox_home)}
    checkpoint = zoo.path("onnx")

    def call(*arguments: str | Path) -> None:
        command = [sys.executable, "-m", "dnnbox", *map(str, arguments)]
        done = subprocess.run(command, cwd=workspace, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    call("run", checkpoint, "--box", "venv", "--threads", "1", "--yes", "--quick", "--out", workspace / "exp")
    bundle = workspace / "exp.zip"
    call("bundle", workspace / "exp", "-o", bundle, "--with-weights", "--checkpoint", checkpoint)
    return workspace, workspace / "exp", bundle


def test_bundle__twice__same_bytes_and_no_place_of_this_machine(
    made: tuple[Path, Path, Path], dnnbox: Cli, tmp_path: Path
) -> None:
    workspace, experiment, bundle = made
    weights = Path(zipfile.ZipFile(bundle).extract("dnnbox-bundle/weights/net.onnx", tmp_path))
    done = dnnbox("bundle", experiment, "-o", tmp_path / "b.zip", "--with-weights", "--checkpoint", weights)
    assert done.code == 0, done.stderr
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (bundle, tmp_path / "b.zip")}
    assert len(digests) == 1
    archive = zipfile.ZipFile(bundle)
    assert not [name for name in archive.namelist() if str(workspace).encode() in archive.read(name)]


def test_replay__same_lock__same_digests(made: tuple[Path, Path, Path], dnnbox: Cli) -> None:
    done = dnnbox("replay", made[2], "--yes", "--json")

    assert done.code == 0, done.stderr
    assert done.json["same"] is True
    assert [each["verdict"] for each in done.json["outputs"]] == ["same bits"]
    assert not [cause for cause in done.json["causes"] if cause["what"].startswith("package")]


def test_replay__refusals__say_why(made: tuple[Path, Path, Path], dnnbox: Cli, zoo: Zoo, tmp_path: Path) -> None:
    _, experiment, bundle = made
    assert dnnbox("replay", bundle).code == 20
    assert dnnbox("replay", bundle, "--yes", "--sha256", "0" * 64).code == 23
    assert dnnbox("replay", bundle, "--yes", "--checkpoint", zoo.path("silero_onnx")).code == 23
    bare = tmp_path / "bare.zip"
    assert dnnbox("bundle", experiment, "-o", bare).code == 0
    without = dnnbox("replay", bare, "--yes")
    assert (without.code, "--checkpoint" in without.stderr) == (2, True)
    assert (
        dnnbox("bundle", experiment, "-o", bare, "--with-weights", "--checkpoint", zoo.path("silero_onnx")).code == 23
    )


@pytest.mark.long
def test_replay__one_package_changed_by_hand__explained(
    made: tuple[Path, Path, Path], dnnbox: Cli, tmp_path: Path
) -> None:
    changed = change_package(made[2], tmp_path, "packaging", "25.0")

    done = dnnbox("replay", changed, "--yes", "--json")

    assert done.code == 61, done.stderr
    assert done.json["same"] is False
    assert done.json["lock_changed"] is True
    (cause,) = [each for each in done.json["causes"] if each["what"] == "package packaging"]
    assert cause["now"] == "25.0"
    assert "packaging" in done.stderr


def change_package(bundle: Path, into: Path, name: str, version: str) -> Path:
    """Return the bundle, unpacked, with another version in its lock and its own hashes made to fit."""
    zipfile.ZipFile(bundle).extractall(into)
    root = into / "dnnbox-bundle"
    (into / "in.txt").write_text(f"{name}=={version}\n")
    options = ("--no-deps", "--generate-hashes", "--no-header", "--no-annotate")
    command = [str(UV), "pip", "compile", "-q", *options, "in.txt"]
    pin = subprocess.run(command, cwd=into, capture_output=True, text=True, check=True).stdout.strip()
    lock = (root / "environment" / "requirements.txt").read_text()
    text = re.sub(rf"^{name}==.*\n(?: .*\n)*", lambda _: f"{pin}\n", lock, flags=re.MULTILINE)
    assert text != lock
    (root / "environment" / "requirements.txt").write_text(text)
    manifest: Any = json.loads((root / "manifest.json").read_text())
    member = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "size_bytes": len(text.encode())}
    manifest["members"]["environment/requirements.txt"] = member
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


@pytest.fixture
def unpacked(made: tuple[Path, Path, Path], tmp_path: Path) -> Path:
    """Return the bundle, unpacked as a person would."""
    shutil.unpack_archive(made[2], tmp_path)
    root = tmp_path / "dnnbox-bundle"
    (root / "run.sh").chmod(0o755)
    return root


def run_script(root: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": f"{UV.parent}:{os.environ['PATH']}", **(env or {})}
    command = ["./run.sh", *arguments]
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=500)


@pytest.mark.long
@pytest.mark.parametrize("tool", ["uv", "docker"])
def test_run_script__without_dnnbox__same_digests(unpacked: Path, docker_engine: str, tool: str) -> None:
    env = {"DNNBOX_BASE_IMAGE": docker_engine, "DNNBOX_BUILD_NETWORK": "host"}
    name = json.loads((unpacked / "manifest.json").read_text())["experiment"]
    try:
        done = run_script(unpacked, "--with", tool, env=env)
    finally:
        subprocess.run(["docker", "rmi", "-f", f"dnnbox-bundle-{name}"], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "same bits" in done.stdout
    assert done.stdout.endswith("the same\n")


@pytest.mark.long
def test_run_script__changed_member__refused(unpacked: Path) -> None:
    (unpacked / "outputs" / "stats.json").write_text("{}")
    assert run_script(unpacked, "--with", "uv").returncode == 23


@pytest.fixture
def container(docker_engine: str) -> Iterator[list[str]]:
    """Return a command that runs another in a fresh container: other home, other user's Python, no engine in it."""
    name = f"dnnbox-test-{uuid.uuid4().hex[:12]}"
    start = ["docker", "run", "-d", "--name", name, "--network", "host", "-v", f"{ROOT}:/src:ro"]
    for variable in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        if file := os.environ.get(variable):
            start += ["-v", f"{file}:{file}:ro", "-e", f"{variable}={file}"]
    subprocess.run([*start, docker_engine, "sleep", "600"], capture_output=True, check=True)
    yield ["docker", "exec", "-e", "HOME=/home/other", "-w", "/home/other", name]
    subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_replay__in_a_fresh_container_with_another_home__same_digests(
    made: tuple[Path, Path, Path], container: list[str], tmp_path: Path
) -> None:
    call = ["uv", "build", "-q", "--wheel", "-o", str(tmp_path), str(ROOT)]
    subprocess.run([str(UV), *call[1:]], check=True, capture_output=True)
    wheel = next(tmp_path.glob("dnnbox-*.whl"))
    name = container[-1]
    subprocess.run(["docker", "exec", name, "mkdir", "-p", "/home/other"], check=True)
    for file in (wheel, made[2]):
        subprocess.run(["docker", "cp", str(file), f"{name}:/home/other/{file.name}"], check=True, capture_output=True)

    def inside(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*container, *command], capture_output=True, text=True, check=False)

    assert inside("python3", "-m", "venv", "/home/other/env").returncode == 0
    installed = inside("env/bin/pip", "install", "-q", "-c", "/src/tools/constraints.txt", wheel.name)
    assert installed.returncode == 0, installed.stderr[-2000:]
    done = inside("env/bin/dnnbox", "replay", made[2].name, "--yes", "--json")

    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    assert [each["verdict"] for each in answer["outputs"]] == ["same bits"]
