"""Detectors and speech models judged on labelled data, a saved reference, and the saved scripts of these jobs."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dnnbox.reports import unmatched_numbers
from dnnbox.reports.rendering import render
from tests.conftest import Cli
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.long]

QUICK = ("--box", "venv", "--threads", "1", "--yes", "--quick", "--json")
_RUNS_THE_NET = """
import wave
import numpy as np
import onnxruntime

class Adapter:
    def load(self, checkpoint, device, precision):
        self.session = onnxruntime.InferenceSession(checkpoint, providers=["CPUExecutionProvider"])

    def example_inputs(self, batch_size):
        self.files = []
        return {"number": np.array([batch_size])}

    def infer(self, inputs):
        return {"scores": self.session.run(None, {"image": np.zeros((1, 3, 32, 32), "float32")})[0]}
"""
FINDS_THE_BOX = (
    _RUNS_THE_NET
    + """
    def preprocess(self, paths):
        from PIL import Image
        self.files = [np.asarray(Image.open(path).convert("RGB")).astype(int) for path in paths]
        return {"number": np.array([len(paths)])}

    def postprocess(self, outputs, out_dir):
        return [{"boxes": [self.box(pixels)]} for pixels in self.files]

    def box(self, pixels):
        rows, columns = np.nonzero(pixels[:, :, 0] > 150)
        corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return {"box_xyxy": [float(side) for side in corners], "score": 0.9, "label": "box"}
"""
)
HEARS_THE_TONE = (
    _RUNS_THE_NET
    + """
    def preprocess(self, paths):
        self.files = list(paths)
        return {"number": np.array([len(paths)])}

    def postprocess(self, outputs, out_dir):
        return [{"text": self.words(path)} for path in self.files]

    def words(self, path):
        with wave.open(path) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        crossings = np.count_nonzero(np.diff(np.signbit(sound)))
        return "a high tone" if crossings > 600 else "a low tone"
"""
)
_BOXES = """
import json, pathlib, sys
from PIL import Image, ImageDraw
root = pathlib.Path(sys.argv[1])
root.mkdir()
images, annotations = [], []
for number in range(4):
    left, top = 10 + 7 * number, 5 + 5 * number
    picture = Image.new("RGB", (96, 64), (40, 60, 90))
    ImageDraw.Draw(picture).rectangle((left, top, left + 19, top + 14), fill=(220, 90, 60))
    picture.save(root / f"{number}.png")
    images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 64})
    annotations.append({"id": number, "image_id": number, "category_id": 3, "bbox": [left, top, 20, 15]})
annotations.append({"id": 9, "image_id": 0, "category_id": 3, "bbox": [70, 40, 15, 15]})  # nothing to see there
labels = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "box"}]}
(root / "labels.json").write_text(json.dumps(labels))
"""
_TONES = """
import math, pathlib, struct, sys, wave
root = pathlib.Path(sys.argv[1])
root.mkdir()
for number, hertz in enumerate((220, 880, 880)):
    with wave.open(str(root / f"{number}.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        wave_of = (int(9000 * math.sin(hertz * k * math.tau / 8000)) for k in range(8000))
        file.writeframes(b"".join(struct.pack("<h", value) for value in wave_of))
"""


def made(zoo: Zoo, program: str, folder: Path) -> Path:
    subprocess.run([zoo.python, "-c", program, folder], check=True, stdin=subprocess.DEVNULL, timeout=120)
    return folder


def adapter(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "adapter.py"
    path.write_text(text, encoding="utf-8")
    return path


def experiment_of(done: Any, workspace: Path) -> Path:
    """Return the folder of a good run, whose reports hold no number that is not in its outputs."""
    assert done.code == 0, done.stderr[-2000:]
    experiment: Path = workspace / done.json["experiment"]
    assert unmatched_numbers(experiment) == {"experiment-report.md": (), "stakeholder-report.md": ()}
    return experiment


def figures_of(experiment: Path) -> dict[str, float]:
    found = json.loads((experiment / "outputs" / "metrics.json").read_text(encoding="utf-8"))["figures"]
    return {figure["name"]: figure["value"] for figure in found}


def script(zoo: Zoo, experiment: Path, name: str, *arguments: object) -> str:
    """Run a saved script as whoever got the folder would, with a Python that has the packages."""
    command = [str(zoo.python), str(experiment / "scripts" / name), *map(str, arguments)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_run__coco_file__average_precision_as_coco_counts_it(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path
) -> None:
    labels = made(zoo, _BOXES, tmp_path / "boxes") / "labels.json"
    given = ("--adapter", adapter(tmp_path, FINDS_THE_BOX), "--dataset", labels, "--target", "map>=0.5")
    experiment = experiment_of(dnnbox("run", zoo.path("onnx"), *QUICK, *given), workspace)

    found = figures_of(experiment)
    # Four of five boxes are found exactly: precision 1 at the recalls 0 to 0.8, which are 81 of COCO's 101.
    assert found["map"] == pytest.approx(81 / 101, abs=1e-6)
    assert found["map50"] == pytest.approx(81 / 101, abs=1e-6)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "### 1 object in 0.png" in report
    assert "Input, 96 × 64, of the labelled data" in report
    assert len(list((experiment / "reports" / "figures").glob("picture-*.png"))) == 4


def test_run__transcripts__word_and_character_errors(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path
) -> None:
    folder = made(zoo, _TONES, tmp_path / "tones")
    with (folder / "said.csv").open("w", newline="", encoding="utf-8") as file:
        said = (("0.wav", "A low tone."), ("1.wav", "A high tone."), ("2.wav", "A high note."))
        csv.writer(file).writerows((("path", "transcript"), *said))
    given = ("--adapter", adapter(tmp_path, HEARS_THE_TONE), "--dataset", folder / "said.csv", "--target", "wer<=0.5")
    experiment = experiment_of(dnnbox("run", zoo.path("onnx"), *QUICK, *given), workspace)

    found = figures_of(experiment)
    assert found["wer"] == pytest.approx(1 / 9)  # note for tone, of nine words
    assert found["cer"] == pytest.approx(2 / (10 + 11 + 11))
    inputs = json.loads((experiment / "outputs" / "params.json").read_text(encoding="utf-8"))["inputs"]
    assert {file["kind"] for file in inputs} == {"audio"}


def test_run__saved_outputs_as_reference__are_equal_and_a_changed_one_is_not(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path
) -> None:
    first = experiment_of(dnnbox("run", zoo.path("onnx"), *QUICK, "--out", "first"), workspace)
    saved = first / "outputs" / "arrays"
    again = experiment_of(dnnbox("run", zoo.path("onnx"), *QUICK, "--reference", saved), workspace)
    (tensor,) = json.loads((again / "outputs" / "metrics.json").read_text(encoding="utf-8"))["agreement"]["tensors"]
    assert tensor["exact"] is True

    other = ("--reference", saved, "--seed", "7", "--target", "agreement_max_abs<=1e-6")
    done = dnnbox("run", zoo.path("onnx"), *QUICK, *other)
    assert done.code == 1, done.stderr[-2000:]
    changed = json.loads((workspace / done.json["experiment"] / "outputs" / "metrics.json").read_text(encoding="utf-8"))
    assert changed["agreement"]["tensors"][0]["exact"] is False


def test_scripts__evaluation_moved_elsewhere__gives_the_same_figures(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path
) -> None:
    labels = made(zoo, _BOXES, tmp_path / "boxes")
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def metrics(items):\n    return {'boxes_each': sum(len(i['decoded']['boxes']) for i in items) / 4}\n"
    )
    plain = tmp_path / "plain"
    plain.mkdir()
    for picture in labels.glob("*.png"):
        picture.rename(plain / picture.name)
    given = ("--adapter", adapter(tmp_path, FINDS_THE_BOX), "--dataset", plain, "--metrics", mine)
    experiment = experiment_of(dnnbox("run", zoo.path("onnx"), *QUICK, *given), workspace)
    assert figures_of(experiment) == {"boxes_each": 1.0}

    moved = experiment.rename(tmp_path / "moved")
    told = script(zoo, moved, "26_evaluate.py", "--checkpoint", zoo.path("onnx"), "--dataset", plain)
    assert "boxes_each     1.0" in told
    assert str(tmp_path) not in (moved / "scripts" / "requests" / "evaluate.json").read_text(encoding="utf-8")


def test_reports__all_but_outputs_deleted__come_back_with_the_same_bytes(
    dnnbox: Cli, zoo: Zoo, bubblewrap: Path, workspace: Path, tmp_path: Path
) -> None:
    labels = made(zoo, _BOXES, tmp_path / "boxes") / "labels.json"
    given = ("--adapter", adapter(tmp_path, FINDS_THE_BOX), "--dataset", labels)
    experiment = experiment_of(dnnbox("run", zoo.path("onnx"), *QUICK, *given), workspace)
    reports = experiment / "reports"
    before = {path.name: path.read_bytes() for path in reports.glob("*-report.*")}
    assert len(before) == 4
    figures = {path.name: path.read_bytes() for path in (reports / "figures").iterdir()}
    for place in experiment.iterdir():
        if place.name != "outputs":
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    render(experiment)
    assert {path.name: path.read_bytes() for path in reports.glob("*-report.*")} == before
    assert {path.name: path.read_bytes() for path in (reports / "figures").iterdir()} == figures
