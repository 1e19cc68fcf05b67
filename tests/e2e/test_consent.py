"""Consent: asked once, never assumed, and nothing happens before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.xdist_group("box-venv")]


def snapshot(directory: Path) -> dict[str, float]:
    """Every path under a directory with its time of change."""
    return {path.relative_to(directory).as_posix(): path.lstat().st_mtime for path in directory.rglob("*")}


def test_run__nobody_to_ask__lists_what_is_missing(dnnbox: Cli, zoo: Zoo, workspace: Path) -> None:
    done = dnnbox("run", zoo.path("onnx"), "--box", "venv", "--json")

    assert done.code == 20
    assert [line for line in done.stderr.splitlines() if "error[" in line] == [
        line for line in done.stderr.splitlines() if line.startswith("dnnbox: error[CONSENT_NEEDED]: ")
    ]
    missing = done.json["error"]["details"]["missing"]
    assert "onnxruntime" in {package["name"] for package in missing}
    assert all({"name", "specifier"} <= set(package) for package in missing)
    assert list(workspace.iterdir()) == []


def test_plan__any_checkpoint__does_nothing(dnnbox: Cli, zoo: Zoo, workspace: Path) -> None:
    (workspace / "keep.txt").write_text("mine", encoding="utf-8")
    before, beside = snapshot(workspace), snapshot(zoo.path("timm_zip").parent)

    done = dnnbox("plan", zoo.path("timm_zip"), "--box", "venv", "--json")

    assert done.code == 0, done.stderr
    plan = done.json
    assert plan["runtime"] == "timm"
    assert {"torch", "timm"} <= {package["name"] for package in plan["packages"]}
    assert all(package["version"] for package in plan["packages"])
    assert plan["box"] == "venv"
    assert plan["will"]
    assert plan["will_not"]
    assert snapshot(workspace) == before
    assert snapshot(zoo.path("timm_zip").parent) == beside


@pytest.mark.parametrize("name", ["timm_nested", "pickled_module", "silero_torchscript", "minilm", "onnx_external"])
def test_inspect__any_checkpoint__touches_nothing(dnnbox: Cli, zoo: Zoo, workspace: Path, name: str) -> None:
    checkpoint = zoo.path(name)
    before = snapshot(checkpoint.parent)

    done = dnnbox("inspect", checkpoint, "--json")

    assert done.code == 0, done.stderr
    kind = zoo.kind(name)
    assert (done.json["format"], done.json["verdict"]) == (kind.format, kind.verdict)
    assert done.json["tensors"]["count"] > 0
    assert snapshot(checkpoint.parent) == before
    assert list(workspace.iterdir()) == []


@pytest.mark.slow
@pytest.mark.engine
def test_run__workspace_with_a_venv__leaves_it_alone(dnnbox: Cli, zoo: Zoo, workspace: Path, bubblewrap: Path) -> None:
    import venv

    venv.create(workspace / ".venv", with_pip=False)
    before = snapshot(workspace / ".venv")

    done = dnnbox("run", zoo.path("onnx"), "--box", "venv", "--yes", "--quick", "--json")

    assert done.code == 0, done.stderr
    assert snapshot(workspace / ".venv") == before
    decisions = (workspace / done.json["experiment"] / "outputs" / "decisions.json").read_text(encoding="utf-8")
    assert '"flag"' in decisions


def test_run__yes__still_refuses_remote_code_unasked(dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path) -> None:
    """`--yes` takes the plan; it is no consent to a checkpoint that calls the system."""
    import pickle

    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (eval, ("open('harmed', 'w')",))

    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Harmful()))
    done = dnnbox("run", path, "--box", "venv", "--yes", "--json")
    assert done.code in (12, 13), done.stderr
    assert list(workspace.iterdir()) == []
