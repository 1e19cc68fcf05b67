"""The exported files: pure, whole, the same every time, and without a secret or a place of this machine."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.environments import exports
from dnnbox.environments.exports import base
from dnnbox.environments.exports.base import Material, Package, Wheel
from dnnbox.environments.gathering import _kept_lines
from dnnbox.errors import Unsupported, Usage
from dnnbox.pipeline.exporting import _write
from dnnbox.records.environment import CondaPackage, CondaSolution, EnvSpec, Indexes, Lock, LockedPackage

LINUX = "x86_64-manylinux_2_28"
A, B, C = "a" * 64, "b" * 64, "c" * 64
URL = "https://files.example.org/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl"


def material(*, local: bool = False, accelerator: str = "cpu", system: tuple[str, ...] = ()) -> Material:
    """A small environment; ``local`` adds a torch that is on no index."""
    indexes = Indexes(
        default="https://me:hunter2@mirror.example.org/simple?token=abc",
        pinned={"torch": "https://user:sesame@torch.example.org/cpu", "torchvision": "https://torch.example.org/cpu"},
        find_links=("/private/wheels",),
    )
    locked = [LockedPackage("numpy", "2.4.6", 10, (A, B))]
    packages = [Package("numpy", "2.4.6", (Wheel(URL.rpartition("/")[2], URL, A, 10), Wheel("n-any.whl", URL, B)))]
    if local:
        locked.append(LockedPackage("torch", "2.13.0+cpu", 0, (C,)))
        packages.append(Package("torch", "2.13.0+cpu", (Wheel("torch-2.13.0+cpu.whl", "", C),), ("numpy",)))
    text = "".join(
        f"{p.name}=={p.version}" + "".join(f" \\\n    --hash=sha256:{h}" for h in p.sha256) + "\n" for p in locked
    )
    spec = EnvSpec("torchscript", ("numpy", "torch"), "3.11", LINUX, accelerator, indexes, "", system)  # type: ignore[arg-type]
    conda = CondaSolution(
        ("conda-forge", "./channel"),
        (
            CondaPackage(
                "python", "3.11.9", "h_0", "linux-64", "./channel/linux-64/p.conda", A, "1e" + "0" * 30, 5, ("a >=1",)
            ),
        ),
    )
    lock = Lock(text, "d" * 64, tuple(locked), "2026-11-23T00:00:00Z")
    return Material("a | model", spec, lock, tuple(packages), ("torch", "numpy"), "version = 1\n", "", conda)


def test_render__all_formats__same_bytes_and_nothing_private() -> None:
    first = exports.render(material(local=True), exports.FORMATS)
    second = exports.render(material(local=True), reversed(tuple(exports.FORMATS)))

    assert {name: text for name, text in first.items() if name != "README.md"} == {
        name: text for name, text in second.items() if name != "README.md"
    }
    assert first == exports.render(material(local=True), exports.FORMATS)
    assert set(first) == {
        *("pyproject.toml", "uv.lock", "requirements.txt", "pylock.toml", "Dockerfile", ".dockerignore"),
        *("pixi.toml", "pixi.lock", "conda-lock.yml", "environment.yml", "README.md"),
    }
    for name, text in first.items():
        for secret in ("hunter2", "sesame", "token", "/private", "2026-11-23"):
            assert secret not in text, name
        assert base.MADE_BY in text.splitlines()[0], name
        assert text.endswith("\n"), name


def test_render__wheel_on_no_index__every_installing_file_says_what_to_provide() -> None:
    files = exports.render(material(local=True), exports.FORMATS)

    assert "--find-links wheels" in files["requirements.txt"]
    assert f"put torch-2.13.0+cpu.whl (sha256 {C}) into wheels/" in files["requirements.txt"]
    assert f"`torch-2.13.0+cpu.whl`, sha256 `{C}`" in files["README.md"]
    assert "COPY wheels /build/wheels" in files["Dockerfile"]
    assert "!wheels" in files[".dockerignore"]
    assert tomllib.loads(files["pylock.toml"])["packages"][1]["wheels"][0]["path"] == "wheels/torch-2.13.0+cpu.whl"
    assert tomllib.loads(files["pyproject.toml"])["tool"]["uv"]["find-links"] == ["wheels"]
    assert "- pypi: ./wheels/torch-2.13.0+cpu.whl" in files["pixi.lock"]
    assert "COPY wheels" not in exports.render(material(), ["dockerfile"])["Dockerfile"]


def test_pyproject__pinned_index__serves_its_packages_only() -> None:
    project = tomllib.loads(exports.render(material(local=True), ["uv"])["pyproject.toml"])

    assert project["project"]["requires-python"] == "==3.11.*"
    assert project["tool"]["uv"]["constraint-dependencies"] == ["numpy==2.4.6", "torch==2.13.0+cpu"]
    assert project["tool"]["uv"]["no-build"] is True
    indexes = {entry["name"]: entry for entry in project["tool"]["uv"]["index"]}
    assert indexes["index-0"] == {"name": "index-0", "url": "https://torch.example.org/cpu", "explicit": True}
    assert indexes["default"] == {"name": "default", "url": "https://mirror.example.org/simple", "default": True}
    assert project["tool"]["uv"]["sources"] == {"torch": {"index": "index-0"}}


def test_pylock__parsed__has_every_wheel_with_hash() -> None:
    lock = tomllib.loads(exports.render(material(), ["pylock"])["pylock.toml"])

    assert (lock["lock-version"], lock["requires-python"]) == ("1.0", "==3.11.*")
    assert lock["environments"] == ["sys_platform == 'linux' and platform_machine == 'x86_64'"]
    assert [wheel["hashes"]["sha256"] for wheel in lock["packages"][0]["wheels"]] == [A, B]
    assert lock["packages"][0]["wheels"][0]["size"] == 10


@pytest.mark.parametrize(
    ("accelerator", "says", "says_not"),
    [
        ("cpu", "USER 10001", "NVIDIA"),
        ("cuda", "NVIDIA_VISIBLE_DEVICES=all", "kfd"),
        ("rocm", "--device /dev/kfd", "NVIDIA"),
    ],
)
def test_dockerfile__each_accelerator__locked_and_not_root(accelerator: str, says: str, says_not: str) -> None:
    text = exports.render(material(accelerator=accelerator), ["dockerfile"])["Dockerfile"]

    assert says in text
    assert says_not not in text
    assert "--require-hashes --no-deps --only-binary :all:" in text
    assert text.index("USER 10001") < text.index("CMD")
    assert text.count("FROM ${BASE_IMAGE}") == 2
    assert "RUN python -c 'import torch, numpy'" in text


def test_dockerfile__digest_and_system_packages__are_taken() -> None:
    pinned = replace(material(system=("libgomp1",)), base_image=f"python:3.11@sha256:{A}")
    text = exports.render(pinned, ["dockerfile"])["Dockerfile"]

    assert f"ARG BASE_IMAGE=python:3.11@sha256:{A}" in text
    assert "digest was not known" not in text
    assert "--no-install-recommends libgomp1" in text
    assert "digest was not known" in exports.render(material(), ["dockerfile"])["Dockerfile"]


def test_conda_files__hashes_that_look_like_numbers__stay_texts() -> None:
    files = exports.render(material(local=True), exports.WITH_CONDA)

    assert f'md5: "1e{"0" * 30}"' in files["pixi.lock"]
    assert f'md5: "1e{"0" * 30}"' in files["conda-lock.yml"]
    assert "- url: https://conda.anaconda.org/conda-forge/" in files["pixi.lock"]
    assert tomllib.loads(files["pixi.toml"])["pypi-dependencies"]["torch"] == "==2.13.0+cpu"
    assert "put a copy of it beside this file" in files["README.md"]


@pytest.mark.parametrize(
    ("platform", "system", "machine", "conda"),
    [
        (LINUX, "linux", "x86_64", "linux-64"),
        ("aarch64-manylinux_2_28", "linux", "aarch64", "linux-aarch64"),
        ("aarch64-apple-darwin", "darwin", "arm64", "osx-arm64"),
        ("x86_64-apple-darwin", "darwin", "x86_64", "osx-64"),
        ("x86_64-pc-windows-msvc", "win32", "AMD64", "win-64"),
    ],
)
def test_platform__each_name__is_translated(platform: str, system: str, machine: str, conda: str) -> None:
    assert base.marker(platform) == f"sys_platform == '{system}' and platform_machine == '{machine}'"
    assert base.conda_platform(platform) == conda


def test_conda_platform__musl__is_refused() -> None:
    with pytest.raises(Unsupported, match="musl"):
        base.conda_platform("x86_64-unknown-linux-musl")


def test_format__unknown__names_the_nearest() -> None:
    with pytest.raises(Usage, match="pylok"):
        exports.render(material(), ["pylok"])


def test_uv_lock__more_than_was_locked__is_cut_to_the_lock() -> None:
    text = (
        "[[package]]\n"
        'sdist = { url = "https://x/n.tar.gz", hash = "sha256:' + A + '" }\n'
        "wheels = [\n"
        '    { url = "https://x/n-1.whl", hash = "sha256:' + A + '", size = 3 },\n'
        '    { url = "https://x/n-2.whl", hash = "sha256:' + C + '", size = 3 },\n'
        '    { path = "torch.whl" },\n'
        "]\n"
    )

    kept = "".join(_kept_lines(text, material().lock, {"torch.whl": B}))

    assert kept == (
        "[[package]]\n"
        "wheels = [\n"
        '    { url = "https://x/n-1.whl", hash = "sha256:' + A + '", size = 3 },\n'
        '    { path = "torch.whl", hash = "sha256:' + B + '" },\n'
        "]\n"
    )


def test_write__file_of_the_users__nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")

    with pytest.raises(Usage, match=r"pyproject\.toml"):
        _write(folder, exports.render(material(), ["uv", "requirements"]))

    assert [path.name for path in folder.iterdir()] == ["pyproject.toml"]


def test_write__own_files__are_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        _write(tmp_path / "new", exports.render(material(), exports.DEFAULT))

    assert (tmp_path / "new" / "uv.lock").read_text(encoding="utf-8").endswith("version = 1\n")
