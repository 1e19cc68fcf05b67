"""From dependencies to a description: names per accelerator, Python, platform, and torch's build with its reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dnnbox import catalog
from dnnbox.environments import plan, platform_of_host, python_for, python_version
from dnnbox.environments import torch_build as builds
from dnnbox.environments.planning import interpreter
from dnnbox.environments.torch_build import PYTORCH, with_torch
from dnnbox.errors import EnvFailed
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import Indexes, Workspace

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LINUX = "x86_64-manylinux_2_28"


def dependencies(runtime: str, *more: Requirement) -> Dependencies:
    spec = catalog.runtime(runtime)
    return Dependencies(runtime, (*spec.required_for("torch-zip"), *more), spec.python)


def torch_wheel(folder: Path, version: str = "2.13.0+cpu", tag: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    cp = f"cp{PYTHON.replace('.', '')}"
    path = folder / f"torch-{version}-{cp}-{cp}-{tag or 'manylinux_2_28_x86_64'}.whl"
    path.write_bytes(b"wheel")
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(str(tmp_path))


def test_plan__onnxruntime_on_a_cpu__no_torch_policy(workspace: Workspace) -> None:
    spec = plan(dependencies("onnxruntime"), workspace, box="venv", device="cpu")

    assert spec.requirements == ("numpy", "onnxruntime")
    assert (spec.python, spec.platform) == (PYTHON, platform_of_host())
    assert not spec.indexes.pinned
    assert not spec.indexes.reasons
    assert spec.base_image == ""


def test_plan__cuda__other_distributions(workspace: Workspace) -> None:
    wanted = dependencies("onnxruntime")
    wanted = Dependencies("onnxruntime", (Requirement("onnxruntime", ">=1.20"),), wanted.python)

    spec = plan(wanted, workspace, box="venv", device="cuda", platform=LINUX)

    assert spec.requirements == ("onnxruntime-gpu[cuda,cudnn]>=1.20",)


def test_plan__container__image_of_the_settings_before_the_hint(tmp_path: Path) -> None:
    hinted = plan(dependencies("onnxruntime"), Workspace(str(tmp_path)), box="docker", device="cpu", python="3.11")
    configured = Workspace(str(tmp_path), settings={"base-images": {"cpu": "corp/base:1"}})

    assert hinted.base_image.startswith("python:3.11")
    assert plan(dependencies("onnxruntime"), configured, box="docker", device="cpu").base_image == "corp/base:1"


@pytest.mark.parametrize("line", ["evil @ https://host/evil.whl", "-e .", "--index-url https://host", "../evil"])
def test_plan__requirement_that_leaves_the_index__refused_by_name(line: str, workspace: Workspace) -> None:
    with pytest.raises(EnvFailed) as caught:
        plan(dependencies("onnxruntime", Requirement(line)), workspace, box="venv", device="cpu")

    assert line.split()[0] in caught.value.what


def test_plan__torch_and_nothing_configured__pytorchs_cpu_index(workspace: Workspace) -> None:
    spec = plan(dependencies("timm"), workspace, box="venv", device="cpu", platform=LINUX)

    assert spec.indexes.pinned["torch"] == spec.indexes.pinned["torchvision"] == f"{PYTORCH}cpu"
    assert "CPU" in spec.indexes.reasons[0]


def test_plan__torch_wheel_in_find_links__exactly_that(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_wheel(tmp_path / "w", "2.9.1+cpu")
    torch_wheel(tmp_path / "w", "2.13.0+cpu")
    torch_wheel(tmp_path / "w", "2.14.0+cpu", tag="win_amd64")
    torch_wheel(tmp_path / "w", "2.15.0+cu130")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "w"))

    spec = plan(dependencies("timm"), workspace, box="venv", device="cpu", platform=LINUX)

    assert "torch==2.13.0+cpu" in spec.indexes.constraints
    assert "torchvision==0.28.*" in spec.indexes.constraints
    assert not spec.indexes.pinned
    assert spec.indexes.find_links == (str(tmp_path / "w"),)
    assert "find-links" in spec.indexes.reasons[0]


def test_plan__runtime_without_torch_whose_code_imports_it__torch_policy(workspace: Workspace) -> None:
    spec = plan(dependencies("adapter", Requirement("torch")), workspace, box="venv", device="cpu", platform=LINUX)

    assert spec.indexes.pinned["torch"] == f"{PYTORCH}cpu"


@pytest.mark.parametrize(
    ("indexes", "said"),
    [
        (Indexes(constraints=("torch==2.13.0+cu130",)), "torch==2.13.0+cu130"),
        (Indexes(pinned={"torch": "https://corp/torch"}), "index for torch"),
    ],
)
def test_with_torch__user_has_chosen__left_alone(indexes: Indexes, said: str) -> None:
    found = with_torch(indexes, accelerator="cpu", python="3.11", platform=LINUX)

    assert (found.constraints, found.pinned) == (indexes.constraints, indexes.pinned)
    assert said in found.reasons[0]


def test_with_torch__mirror_of_pytorchs_index__torch_only_from_there() -> None:
    indexes = Indexes(extra=("https://corp/simple", "https://corp/pytorch/whl/cpu/"))

    found = with_torch(indexes, accelerator="cpu", python="3.11", platform=LINUX)

    assert found.extra == ("https://corp/simple",)
    assert found.pinned["torch"] == "https://corp/pytorch/whl/cpu/"


def test_with_torch__constraint_excludes_the_local_wheel__index(tmp_path: Path) -> None:
    torch_wheel(tmp_path, "2.13.0+cpu")
    indexes = Indexes(find_links=(str(tmp_path),), constraints=("torch<2.10",))

    assert with_torch(indexes, accelerator="cpu", python=PYTHON, platform=LINUX).pinned["torch"] == f"{PYTORCH}cpu"


def test_plan__documented_pin_excludes_the_local_wheel__pytorchs_index(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_wheel(tmp_path / "w", "2.13.0+cpu")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "w"))
    pinned = Dependencies("adapter", (Requirement("torch", "==2.1.0"),))

    spec = plan(pinned, workspace, box="venv", device="cpu", platform=LINUX)

    assert spec.indexes.pinned["torch"] == f"{PYTORCH}cpu"
    assert spec.indexes.constraints == ()


def test_with_torch__mac__pypi_is_right() -> None:
    assert with_torch(Indexes(), accelerator="mps", python="3.11", platform="aarch64-apple-darwin") == Indexes()


@pytest.mark.parametrize(
    ("driver", "capability", "build"),
    [
        ((13, 2), (9, 0), "cu130"),
        ((13, 0), (6, 1), "cu126"),
        ((12, 9), (9, 0), "cu126"),
        ((12, 9), (12, 0), "cu128"),
        ((12, 2), (12, 0), "cu126"),
        ((12, 2), (8, 0), "cu126"),
        ((11, 8), (7, 0), "cu118"),
        (None, None, "cu126"),
    ],
)
def test_wanted_build__driver_and_gpu__newest_that_both_can(
    driver: tuple[int, int] | None, capability: tuple[int, int] | None, build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "_nvidia", lambda: (driver, capability))

    name, reason = builds.wanted_build("cuda")

    assert name == build
    assert "driver" in reason


def test_python_for__running_one_fits__that() -> None:
    assert python_for(dependencies("onnxruntime")) == PYTHON


def test_python_for__nothing_in_range__says_how_to_get_one() -> None:
    with pytest.raises(EnvFailed) as caught:
        python_for(Dependencies("onnxruntime", python="<3.0"))

    assert "uv python install" in caught.value.hint


def test_python_for__local_torch_wheel_for_another_installed_python__that(tmp_path: Path) -> None:
    other = next((v for v in ("3.10", "3.12", "3.13", "3.11") if v != PYTHON and interpreter(v)), None)
    if other is None:
        pytest.skip("this machine has one Python only")
    tag = f"cp{other.replace('.', '')}"
    (tmp_path / f"torch-2.13.0+cpu-{tag}-{tag}-manylinux_2_28_x86_64.whl").write_bytes(b"wheel")
    indexes = Indexes(find_links=(str(tmp_path),))

    assert python_for(dependencies("timm"), indexes=indexes, platform=LINUX) == other


def test_interpreter__version_that_runs_dnnbox__not_dnnboxs_own_venv() -> None:
    found = interpreter(PYTHON)

    assert found is not None
    assert not found.is_relative_to(Path(sys.prefix)) or sys.prefix == sys.base_prefix


def test_python_version__venv__read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.9.1\n")

    assert python_version(tmp_path / "bin" / "python") == "3.9"


def test_python_version__no_venv__asked() -> None:
    assert python_version(Path(sys.executable).resolve()) == PYTHON


def test_platform_of_host__linux__baseline_that_containers_share() -> None:
    if sys.platform != "linux":
        pytest.skip("Linux only")
    assert platform_of_host().split("-", 1)[1] in ("manylinux_2_28", "manylinux_2_17", "unknown-linux-musl")
