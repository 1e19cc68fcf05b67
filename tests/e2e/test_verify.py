"""``dnnbox verify`` and ``--llm-command`` on a real model in real boxes: from the skeleton of a run to its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.long]

_MAKE = """
import sys, torch
torch.manual_seed(7)  # not the one that the box sets: weights that nobody loaded must not be the right ones
model = torch.nn.ModuleDict({"first": torch.nn.Linear(7, 9), "last": torch.nn.Linear(9, 3)})
torch.save({"model": model.state_dict(), "epoch": 3}, sys.argv[1])
"""

# Two classes that fit alike and do different things: nobody but a person can know which one is meant.
_SOURCE = """
from torch import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(7, 9)
        self.last = nn.Linear(9, 3)

    def forward(self, x):
        return self.last(self.first(x))


class Bent(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(7, 9)
        self.last = nn.Linear(9, 3)

    def forward(self, x):
        return self.last(self.first(x).relu())
"""

_ADAPTER = """
import torch
from nets import Bent


class Adapter:
    def build(self):
        {build}

    def load(self, checkpoint, device, precision):
        self.model = self.build().eval()
        {load}

    def example_inputs(self, batch_size):
        return {{"x": torch.ones(batch_size, 7)}}

    def preprocess(self, paths):
        raise NotImplementedError

    def infer(self, inputs):
        with torch.inference_mode():
            return self.model(inputs["x"]){after}

    def postprocess(self, outputs, out_dir):
        return {{}}
"""
_LOAD = 'self.model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])'


def _adapter(build: str = "return Bent()", load: str = _LOAD, after: str = "") -> str:
    return _ADAPTER.format(build=build, load=load, after=after)


@pytest.fixture
def weights(tmp_path: Path, zoo: Zoo) -> Path:
    """A state dict whose names and shapes fit both classes of the source."""
    checkpoint = tmp_path / "weights.pth"
    subprocess.run([zoo.python, "-c", _MAKE, checkpoint], check=True, stdin=subprocess.DEVNULL, timeout=120)
    return checkpoint


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The upstream source."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    (folder / "nets.py").write_text(_SOURCE, encoding="utf-8")
    return folder


def _writer(tmp_path: Path, *answers: str) -> str:
    """Return a command that answers with one text after the other, and keeps what it was asked."""
    script = tmp_path / "writer.py"
    script.write_text(
        "import pathlib, sys\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "number = len(list(folder.glob('brief-*')))\n"
        "(folder / f'brief-{number}').write_text(sys.stdin.read())\n"
        f"print({list(answers)!r}[number])\n",
        encoding="utf-8",
    )
    return f"{sys.executable} {script}"


def test_verify__adapters_of_every_quality__stage_and_code_are_named(
    dnnbox: Cli, weights: Path, source: Path, tmp_path: Path, bubblewrap: object
) -> None:
    adapter = tmp_path / "adapter.py"
    expected = {
        _adapter(): (None, 0),
        _adapter(build="raise NotImplementedError('which class?')"): ("build", 60),
        _adapter(build="return torch.nn.Linear(7, 4)"): ("load", 40),
        _adapter(load="pass"): ("load", 40),
        _adapter(after=" * float('nan')"): ("finite", 46),
        _adapter(after=" + torch.rand(1) * int.from_bytes(__import__('os').urandom(2), 'big')"): ("repeatable", 46),
    }
    found = {}
    for text in expected:
        adapter.write_text(text, encoding="utf-8")
        done = dnnbox(
            "verify", adapter, "--checkpoint", weights, "--source", source, "--box", "venv", "--yes", "--json"
        )
        assert done.json["exit_code"] == done.code, done.stderr
        assert [s["name"] for s in done.json["stages"]] == [
            "import",
            "build",
            "load",
            "forward",
            "finite",
            "repeatable",
        ]
        found[text] = (done.json["failed_stage"], done.code)

    assert found == expected


def test_llm_command__program_that_fills_the_hole__run_goes_on_to_its_report(
    dnnbox: Cli, weights: Path, source: Path, workspace: Path, tmp_path: Path, bubblewrap: object
) -> None:
    writer = _writer(tmp_path, _adapter(load="pass"), f"```python\n{_adapter()}\n```")

    done = dnnbox(
        "run", weights, "--source", source, "--box", "venv", "--yes", "--quick", "--json", "--llm-command", writer
    )

    assert done.code == 0, done.stderr[-3000:]
    experiment = workspace / done.json["experiment"]
    first, second = ((tmp_path / f"brief-{number}").read_text() for number in (0, 1))
    assert "nets.py:Bent" in first
    assert "nets.py:Plain" in first
    assert "does not hold the file's weights" in second
    assert "return Bent()" in (experiment / "scripts" / "adapter.py").read_text()
    assert json.loads((experiment / "outputs" / "verify.json").read_text())["rounds"] == 2


def test_verify__experiment_that_needs_an_adapter__is_completed_and_continued(
    dnnbox: Cli, weights: Path, source: Path, workspace: Path, tmp_path: Path, bubblewrap: object
) -> None:
    stopped = dnnbox("run", weights, "--source", source, "--box", "venv", "--yes", "--quick", "--json")
    assert stopped.code == 60, stopped.stderr[-3000:]
    experiment = workspace / stopped.json["experiment"]

    hole = dnnbox("verify", experiment, "--json")

    assert (hole.code, hole.json["failed_stage"]) == (60, "build"), hole.stderr
    filled = dnnbox("verify", experiment, "--llm-command", _writer(tmp_path, _adapter()))
    assert filled.code == 0, filled.stderr
    assert "repeatable" in filled.stdout
    done = dnnbox(
        "run", weights, "--source", source, "--box", "venv", "--yes", "--quick", "--json",
        "--adapter", experiment / "scripts" / "adapter.py",
    )  # fmt: skip
    assert done.code == 0, done.stderr[-3000:]
