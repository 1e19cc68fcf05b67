"""A state dict of no known architecture: exit 60 with a skeleton; the completed adapter runs to the end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.xdist_group("box-venv")]

_MAKE = """
import sys, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(7, 9), torch.nn.ReLU(), torch.nn.Linear(9, 3))
torch.save({"model": model.state_dict(), "epoch": 3}, sys.argv[1])
"""
_HOLES = {
    'raise NotImplementedError("HOLE 1: which class builds this model, with which arguments?")': """import torch

        return torch.nn.Sequential(torch.nn.Linear(7, 9), torch.nn.ReLU(), torch.nn.Linear(9, 3))""",
    "raise NotImplementedError(\"HOLE 2: for example {'x': torch.zeros(batch_size, 3, 224, 224)}\")": """import torch

        return {"input": torch.ones(batch_size, 7)}""",
}


@pytest.fixture
def unknown(tmp_path: Path, zoo: Zoo) -> Path:
    """A checkpoint made by torch that names no class and fits no library."""
    checkpoint = tmp_path / "unknown.pth"
    subprocess.run([zoo.python, "-c", _MAKE, checkpoint], check=True, stdin=subprocess.DEVNULL, timeout=120)
    return checkpoint


def test_run__unknown_state_dict__leaves_a_skeleton_that_can_be_completed(
    dnnbox: Cli, unknown: Path, workspace: Path, bubblewrap: object
) -> None:
    stopped = dnnbox("run", unknown, "--box", "venv", "--yes", "--json")

    assert stopped.code == 60, stopped.stderr
    experiment = Path(stopped.json["experiment"])
    skeleton = experiment / "scripts" / "adapter.py"
    assert f"--adapter {skeleton.relative_to(workspace)}" in stopped.stderr
    assert (experiment / "reports" / "experiment-report.html").is_file()

    text = skeleton.read_text(encoding="utf-8")
    for hole, filled in _HOLES.items():
        assert hole in text
        text = text.replace(hole, filled)
    skeleton.write_text(text, encoding="utf-8")
    done = dnnbox(
        "run", unknown, "--box", "venv", "--yes", "--json", "--quick", "--threads", "1", "--adapter", skeleton
    )

    assert done.code == 0, done.stderr[-2000:]
    assert done.json["status"] == "success"
