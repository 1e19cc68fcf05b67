"""A module that a script pickled whole, ``__main__.Net``: found, loaded and measured without training it again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.long]

TRAIN = """
import sys

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, 5)

    def forward(self, pixels):
        return self.head(self.body(pixels).flatten(1))


def train(path):
    print("training", file=sys.stderr)
    torch.manual_seed(0)
    torch.save(Net(), path)


if __name__ == "__main__":
    train(sys.argv[1])
"""


@pytest.mark.timeout(600)
def test_run__module_saved_by_a_script__runs_without_training(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path
) -> None:
    script, checkpoint = tmp_path / "train.py", tmp_path / "model.pt"
    script.write_text(TRAIN)
    subprocess.run([str(zoo.python), "-B", str(script), str(checkpoint)], check=True, timeout=300)

    done = dnnbox("run", checkpoint, "--box", "venv", "--yes", "--quick", "--json", timeout_s=550)

    assert done.code == 0, done.stderr[-3000:]
    experiment = workspace / done.json["experiment"]
    outputs = experiment / "outputs"
    assert json.loads((outputs / "source.json").read_text())["main"] == "train.py"
    contract = json.loads((outputs / "io_contract.json").read_text())
    assert contract["inputs"][0]["shape"] == ["N", 3, 224, 224]
    assert contract["inputs"][0]["status"]["shape"] == "assumed"
    assert contract["outputs"][0]["shape"] == ["N", 5]
    logs = "".join(path.read_text() for path in (experiment / "logs").glob("*.stderr.txt"))
    assert "training" not in logs
