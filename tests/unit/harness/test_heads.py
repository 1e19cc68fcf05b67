"""Heads of Hugging Face models: what their tensors mean, with torch and without the library itself."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.slow, pytest.mark.long]

CODE = """
import json, sys
from types import SimpleNamespace as Fake
import torch
sys.path.insert(0, sys.argv[1])
from dnnbox.harness.runtimes import heads

def model(name, main_input, **more):
    return type(name, (), {"main_input_name": main_input, **more})()

def runtime(model, **more):
    words = "_abc"
    decode = lambda ids, skip_special_tokens: ["".join(words[i] for i in row) for row in ids.tolist()]
    tokenizer = Fake(batch_decode=decode)
    return Fake(model=model, tokenizer=tokenizer, step=lambda *given: None, to_device=lambda inputs: inputs,
                class_names=lambda: ["cat", "dog"], **more)

found = {}
logits = torch.eye(4)[torch.tensor([[1, 2, 3]])]
found["ctc"] = heads.special(runtime(model("XForCTC", "input_values")), {"logits": logits}, [])
speech = model("Y", "input_features", generate=lambda self, **settings: torch.tensor([[3, 2]]))
kept = {"input_features": torch.zeros(1, 2), "decoder_input_ids": torch.zeros(1, 1)}
found["speech"] = heads.special(runtime(speech, last_inputs=kept), {}, [])
pixels = {"pixel_values": torch.zeros(1, 3, 50, 100)}
detector = runtime(model("ZForObjectDetection", "pixel_values"), last_inputs=pixels)
outputs = {"logits": torch.tensor([[[0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]])}
outputs["pred_boxes"] = torch.tensor([[[0.5, 0.5, 0.2, 0.4]] * 2])
found["boxes"] = heads.special(detector, outputs, [])
depth = runtime(model("DForDepthEstimation", "pixel_values"))
found["depth"] = heads.special(depth, {"predicted_depth": torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])}, [])
found["common"] = heads.special(runtime(model("BertForMaskedLM", "input_ids")), {"logits": logits}, [])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What each head said."""
    command = [Zoo().python, "-W", "ignore", "-c", CODE, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def test_special__speech__is_transcribed(zoo: Zoo, found: dict[str, Any]) -> None:
    assert found["ctc"] == [{"kind": "transcript", "item": 0, "text": "abc"}]
    assert found["speech"][0]["text"] == "cb"


def test_special__boxes__lie_in_pixels_without_the_empty_class(zoo: Zoo, found: dict[str, Any]) -> None:
    (entry,) = found["boxes"]
    assert (entry["count"], entry["picture_size"]) == (1, [100, 50])
    assert entry["boxes"][0]["box_xyxy"] == [40.0, 15.0, 60.0, 35.0]
    assert entry["boxes"][0]["label"] == "dog"


def test_special__depth_and_common_heads__range_and_nothing(zoo: Zoo, found: dict[str, Any]) -> None:
    assert (found["depth"][0]["lowest"], found["depth"][0]["highest"]) == (1.0, 4.0)
    assert found["common"] is None
