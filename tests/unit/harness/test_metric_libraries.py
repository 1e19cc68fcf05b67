"""Metrics that libraries compute, in an environment that has them; our own ones held against scikit-learn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.evaluation.classes import macro
from dnnbox.harness.evaluation.pairs import area, spearman
from dnnbox.harness.protocol import RunRequest, RunResult
from tests.unit.harness import box
from tests.zoo import Zoo

pytestmark = [pytest.mark.extended, pytest.mark.slow, pytest.mark.zoo, pytest.mark.engine]

ADAPTER = """
import json
import numpy as np
from PIL import Image

class Adapter:
    def load(self, checkpoint, device, precision):
        self.answers = json.load(open(checkpoint))

    def example_inputs(self, batch_size):
        return {"x": np.zeros((1, 3, 16, 16), "float32")}

    def preprocess(self, paths):
        self.name = paths[0].rsplit("/", 1)[1]
        picture = np.asarray(Image.open(paths[0]).convert("RGB"), "float32") / 255
        return {"x": picture.transpose(2, 0, 1)[None]}

    def infer(self, inputs):
        return {"y": inputs["x"]}

    def postprocess(self, outputs, out_dir):
        return self.answers.get(getattr(self, "name", ""), {})
"""
PICTURES = """
import sys
import numpy as np
from PIL import Image
rng = np.random.default_rng(0)
for name in ("a", "b"):
    clean = rng.integers(0, 256, (16, 16, 3), "uint8")
    noisy = np.clip(clean.astype(int) + rng.integers(-20, 21, clean.shape), 0, 255).astype("uint8")
    Image.fromarray(clean).save(f"{sys.argv[1]}/{name}-clean.png")
    Image.fromarray(noisy).save(f"{sys.argv[1]}/{name}.png")
    Image.fromarray((clean.argmax(2)).astype("uint8")).save(f"{sys.argv[1]}/{name}-mask.png")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the libraries that judge."""
    place = tmp_path_factory.mktemp("judges") / "venv"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "-q", "--python", "3.11", place], check=True, timeout=120)
    interpreter = place / "bin" / "python"
    packages = ["numpy", "pillow", "pycocotools==2.0.11", "jiwer==4.0.0", "scikit-image==0.26.0"]
    subprocess.run([uv, "pip", "install", "-q", "--python", interpreter, *packages], check=True, timeout=400)
    return interpreter


def evaluate(
    python: Path, folder: Path, items: list[dict[str, Any]], goal: str, answers: Any, **work: Any
) -> RunResult:
    subprocess.run([python, "-c", PICTURES, folder], check=True, timeout=120)
    (folder / "adapter.py").write_text(ADAPTER)
    (folder / "answers.json").write_text(json.dumps(answers))
    options = {"adapter": str(folder / "adapter.py")}
    work = {"items": items, "goal": goal, **work}
    request = RunRequest("evaluate", "adapter", str(folder / "answers.json"), options=options, work=work)
    result = box.run(python, folder / "run", request).answer
    assert result.error is None, result.error
    return result


def value(result: RunResult, name: str) -> float:
    return float(next(figure["value"] for figure in result.findings["figures"] if figure["name"] == name))


def test_boxes__right_and_shifted__average_precision_of_coco(python: Path, tmp_path: Path) -> None:
    boxes = {"a": [[2, 2, 6, 6]], "b": [[4, 4, 8, 8]]}
    items = [
        {
            "path": str(tmp_path / f"{name}.png"),
            "kind": "image",
            "boxes": [{"bbox": box_, "category_id": 7} for box_ in found],
        }
        for name, found in boxes.items()
    ]
    exact = {"kind": "boxes", "boxes": [{"box_xyxy": [2, 2, 8, 8], "label": "Cat", "score": 0.9}]}
    # 8 x 8 shifted by two columns: intersection 48, union 80, IoU 0.6: right at 0.50, 0.55 and 0.60 only.
    near = {"kind": "boxes", "boxes": [{"box_xyxy": [6, 4, 14, 12], "label": "cat", "score": 0.8}]}
    categories = [{"id": 7, "name": "cat"}]
    result = evaluate(python, tmp_path, items, "boxes", {"a.png": exact, "b.png": near}, categories=categories)
    assert value(result, "map50") == pytest.approx(1.0, abs=0.01)
    assert value(result, "map") == pytest.approx(0.3 * 1.0 + 0.7 * 51 / 101, abs=0.02)


def test_transcripts__one_word_wrong__rates_by_hand(python: Path, tmp_path: Path) -> None:
    items = [{"path": str(tmp_path / "a.png"), "kind": "image", "transcript": "The cat sat down."}]
    result = evaluate(
        python, tmp_path, items, "transcripts", {"a.png": {"kind": "transcript", "text": "the bat sat down"}}
    )
    assert value(result, "wer") == pytest.approx(0.25)
    assert value(result, "cer") == pytest.approx(1 / 16)


def test_pictures__noise__psnr_and_ssim_are_finite_and_below_the_best(python: Path, tmp_path: Path) -> None:
    items = [
        {"path": str(tmp_path / f"{name}.png"), "kind": "image", "target": str(tmp_path / f"{name}-clean.png")}
        for name in ("a", "b")
    ]
    result = evaluate(python, tmp_path, items, "pictures", {})
    # Uniform noise of ±20 has a variance of about 140 in 255²; clipping takes a little of it.
    assert value(result, "psnr_db") == pytest.approx(26.8, abs=1.0)
    assert 0.8 < value(result, "ssim") < 1.0


def test_masks__answer_is_the_brightest_channel__mean_iou_counts_the_noise(python: Path, tmp_path: Path) -> None:
    items = [
        {"path": str(tmp_path / f"{name}.png"), "kind": "image", "mask": str(tmp_path / f"{name}-mask.png")}
        for name in ("a", "b")
    ]
    result = evaluate(python, tmp_path, items, "masks", {})
    assert 0.6 < value(result, "miou") < value(result, "pixel_accuracy") < 1.0


def test_formulas__random_answers__are_those_of_scikit_learn(zoo: Zoo) -> None:
    code = """
import json, random
from scipy.stats import spearmanr
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
random.seed(1)
truth = [random.randrange(5) for _ in range(300)]
guess = [t if random.random() < 0.6 else random.randrange(6) for t in truth]
score = [random.randrange(40) / 40 for _ in truth]
label = [int(random.random() < s) for s in score]
found = precision_recall_fscore_support(truth, guess, average="macro", zero_division=0)[:3]
found = [*map(float, found), float(roc_auc_score(label, score)), float(spearmanr(score, truth)[0])]
print(json.dumps([truth, guess, score, label, found]))
"""
    done = subprocess.run(
        [zoo.python, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=200, check=True
    )
    truth, guess, score, label, found = json.loads(done.stdout)
    ours = [*macro(truth, guess), area(score, label), spearman(score, truth)]
    assert ours == pytest.approx(found, abs=1e-9)
