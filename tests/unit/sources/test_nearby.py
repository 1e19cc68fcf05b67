"""Weights that name no class: which tree beside them or in the workspace is taken for their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection, TensorInfo
from dnnbox.sources import obtain
from dnnbox.sources.nearby import nearby

_NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 2)
"""
_OTHER = _NET.replace("stem", "encoder").replace("head", "decoder")


def _bare(checkpoint: Path) -> Inspection:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_bytes(b"weights")
    shapes = {"stem.weight": (8, 3, 3, 3), "stem.bias": (8,), "head.weight": (2, 8), "head.bias": (2,)}
    tensors = tuple(TensorInfo(name, "float32", shape) for name, shape in shapes.items())
    return Inspection(str(checkpoint), "file", "torch-zip", "pytorch", 7, "data-only", tensor_list=tensors)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("place", ["net.py", "models/net.py"])
def test_nearby__code_beside_the_weights__is_taken(place: str, tmp_path: Path, workspace: Path) -> None:
    inspection = _bare(tmp_path / "store" / "net.pth")
    _write(tmp_path / "store" / place, _NET)

    assert nearby(inspection, workspace) == ("adjacent", tmp_path / "store")


def test_nearby__repository_around_the_weights__is_taken(tmp_path: Path, workspace: Path) -> None:
    inspection = _bare(tmp_path / "repo" / "checkpoints" / "best" / "net.pth")
    _write(tmp_path / "repo" / "models" / "net.py", _NET)
    _write(tmp_path / "repo" / "requirements.txt", "torch\n")

    assert nearby(inspection, workspace) == ("adjacent", tmp_path / "repo")


def test_nearby__folder_above_that_is_no_repository__is_left_alone(tmp_path: Path, workspace: Path) -> None:
    inspection = _bare(tmp_path / "downloads" / "weights" / "net.pth")
    _write(tmp_path / "downloads" / "net.py", _NET)

    assert nearby(inspection, workspace) is None


def test_nearby__several_repositories_in_the_workspace__the_one_that_explains_the_names(
    tmp_path: Path, workspace: Path
) -> None:
    inspection = _bare(tmp_path / "store" / "net.pth")
    for name, text in (("first", _OTHER), ("second", _NET)):
        _write(workspace / name / "model.py", text)
        _write(workspace / name / "setup.py", f"from setuptools import setup\nsetup(name='{name}-net')\n")

    tree = obtain(inspection, Identity(), given=None, workspace=workspace, is_bare=True)

    assert (tree.origin, tree.root, tree.package) == ("workspace", str(workspace / "second"), "second-net")


def test_nearby__other_models_only__takes_none(tmp_path: Path, workspace: Path) -> None:
    inspection = _bare(tmp_path / "store" / "net.pth")
    _write(workspace / "model.py", _OTHER)

    assert obtain(inspection, Identity(), given=None, workspace=workspace, is_bare=True).origin == "none"
