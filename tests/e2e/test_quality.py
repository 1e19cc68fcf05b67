"""Labelled data, a reference, a training check and a stated contract, from the command line to the reports."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dnnbox.reports.check import unmatched
from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.long]

QUICK = ("--box", "venv", "--threads", "1", "--yes", "--quick", "--json")
_PICTURES = """
import pathlib, random, sys
from PIL import Image, ImageDraw
random.seed(0)
for name in range(4):
    folder = pathlib.Path(sys.argv[1]) / str(name)
    folder.mkdir(parents=True)
    for number in range(3):
        picture = Image.new("RGB", (64, 48), (200, 60, 40 + 50 * name))
        ImageDraw.Draw(picture).ellipse((5 * number, 5, 30, 40), fill=(30, 180, 70))
        picture.save(folder / f"{number}.png")
"""
_NETS = """
import sys, torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 1)).eval()
picture = torch.rand(1, 3, 32, 32)
torch.jit.trace(net, picture).save(sys.argv[1] + "/net.pt")
torch.onnx.export(net, (picture,), sys.argv[1] + "/net.onnx", dynamo=True, external_data=False, verbose=False)
"""
_PLANTED = """
import numpy as np
import onnxruntime
from PIL import Image

class Adapter:
    def load(self, checkpoint, device, precision):
        self.session = onnxruntime.InferenceSession(checkpoint, providers=["CPUExecutionProvider"])

    def example_inputs(self, batch_size):
        return {"image": np.zeros((batch_size, 3, 32, 32), "float32")}

    def preprocess(self, paths):
        pictures = [Image.open(path).convert("RGB").resize((32, 32)) for path in paths]
        stack = np.stack([np.asarray(picture, "float32")[:, :, ::-1] / 255 for picture in pictures])
        return {"image": np.ascontiguousarray(stack.transpose(0, 3, 1, 2))}

    def infer(self, inputs):
        return {"scores": self.session.run(None, inputs)[0]}

    def postprocess(self, outputs, out_dir):
        return {"best": int(outputs["scores"][0].argmax())}
"""
KNOWN = {
    "inputs": [{"name": "image", "colour_order": "RGB"}],
    "preprocessing": [
        {"step": "center_crop", "parameters": {"height": 48, "width": 48}},
        {"step": "normalize", "parameters": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}},
    ],
}


@pytest.fixture
def pictures(tmp_path: Path, zoo: Zoo) -> Path:
    """Twelve pictures in folders that are named by class numbers."""
    folder = tmp_path / "pictures"
    subprocess.run([zoo.python, "-c", _PICTURES, folder], check=True, stdin=subprocess.DEVNULL, timeout=120)
    return folder


def outputs_of(done: Any, workspace: Path) -> dict[str, Any]:
    folder = workspace / done.json["experiment"]
    for report in ("experiment-report.md", "stakeholder-report.md"):
        assert unmatched((folder / "reports" / report).read_text(encoding="utf-8"), folder) == ()
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "outputs").glob("*.json")}


def test_run__class_folders_and_own_metrics__judged_with_intervals(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path, pictures: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def metrics(items):\n    return {'labelled': {'values': [1.0 for item in items if item['label']]}}\n"
    )
    targets = ("--target", "top1>=0.99", "--want", "labelled>=1")
    data = ("--dataset", pictures, "--metrics", mine)
    done = dnnbox("run", zoo.path("onnx"), *QUICK, *data, *targets)

    assert done.code == 1, done.stderr[-2000:]
    found = outputs_of(done, workspace)
    top1, *_, labelled = found["metrics"]["figures"]
    assert (top1["name"], top1["n"], top1["interval_method"]) == ("top1", 12, "Wilson's interval of a share")
    assert (labelled["name"], labelled["value"]) == ("labelled", 1.0)
    assert len(found["predictions"]["answers"]) == 12
    required, wanted = found["verdict"]["targets"]
    assert (required["status"], wanted["status"]) == ("missed", "met")
    assert "of 12 right" in required["needed"]


@pytest.mark.timeout(900)
def test_run__reference_and_training__agree_and_learn(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path, pictures: Path
) -> None:
    subprocess.run([zoo.python, "-c", _NETS, tmp_path], check=True, stdin=subprocess.DEVNULL, timeout=300)
    reference = ("--reference", tmp_path / "net.onnx", "--target", "agreement_max_abs<=1e-4")
    given = ("--input", pictures / "0" / "0.png")
    done = dnnbox("run", tmp_path / "net.pt", *QUICK, *reference, *given, "--train-check", timeout_s=880)

    assert done.code == 0, done.stderr[-2000:]
    found = outputs_of(done, workspace)
    (tensor,) = found["metrics"]["agreement"]["tensors"]
    assert 0 <= tensor["max_abs"] < 1e-4
    assert tensor["cosine"] > 0.9999
    assert found["training"]["passed"] is True
    assert found["training"]["last_loss"] < found["training"]["first_loss"]


def test_run__planted_preprocessing__is_pointed_out(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path, pictures: Path
) -> None:
    adapter, known = tmp_path / "planted.py", tmp_path / "known.json"
    adapter.write_text(_PLANTED)
    known.write_text(json.dumps(KNOWN))
    given = ("--adapter", adapter, "--contract", known, "--input", pictures / "0" / "0.png")
    done = dnnbox("run", zoo.path("onnx"), *QUICK, *given)

    assert done.code == 0, done.stderr[-2000:]
    warnings = outputs_of(done, workspace)["io_contract"]["warnings"]
    assert [warning["fact"] for warning in warnings] == ["size", "colour_order", "range"]
    report = (workspace / done.json["experiment"] / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert "normalisation seems to be missing" in report
    lede = report.partition("\n| Question |")[0]
    assert "**How it is fed is doubtful** (size, colour order and range of the input)" in lede


def test_run__training_of_a_graph__is_refused_before_anything_runs(dnnbox: Cli, zoo: Zoo, workspace: Path) -> None:
    done = dnnbox("run", zoo.path("onnx"), *QUICK, "--train-check")
    assert done.code == 2
    assert "inference only" in done.stderr
    assert list(workspace.iterdir()) == []
