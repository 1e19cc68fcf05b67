"""Clips of video models: which frames are taken, and a real model that answers about an animation."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from dnnbox.harness.arrays import load
from dnnbox.harness.protocol import InputFile, RunRequest
from dnnbox.harness.runtimes import clips
from tests.unit.harness import box
from tests.zoo import Zoo

MAKE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from make import import_torchvision
import_torchvision()
import torch, transformers
from PIL import Image
torch.manual_seed(0)
config = transformers.VideoMAEConfig(image_size=32, patch_size=16, num_frames=4, hidden_size=16, num_hidden_layers=1,
                                     num_attention_heads=2, intermediate_size=32)
transformers.VideoMAEForVideoClassification(config).save_pretrained(sys.argv[2])
size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
with open(sys.argv[2] + "/preprocessor_config.json", "w") as file:
    json.dump({"image_processor_type": "VideoMAEImageProcessor", **size}, file)
frames = [Image.new("RGB", (48, 40), (20 * place, 100, 200)) for place in range(8)]
frames[0].save(sys.argv[2] + "/clip.gif", save_all=True, append_images=frames[1:])
"""


@pytest.mark.parametrize(
    ("there", "wanted", "places"), [(8, 4, [1, 3, 5, 7]), (4, 4, [0, 1, 2, 3]), (1, 3, [0, 0, 0]), (3, 2, [0, 2])]
)
def test_spread__frames__are_even_and_in_order(there: int, wanted: int, places: list[int]) -> None:
    assert clips.spread(there, wanted) == places


def test_frame_count__configs__of_clips_and_of_pictures() -> None:
    assert clips.frame_count(SimpleNamespace(num_frames=16)) == 16
    assert clips.frame_count(SimpleNamespace(vision_config=SimpleNamespace(num_frames=8))) == 8
    assert clips.frame_count(SimpleNamespace(frames_per_clip=64)) == 64
    assert clips.frame_count(SimpleNamespace(image_size=224)) == 0


def test_of_files__pictures__are_the_frames_of_one_clip() -> None:
    (clip,) = clips.of_files([InputFile("a.png", "image"), InputFile("b.png", "image")])
    assert clip.paths == ["a.png", "b.png"]
    array = InputFile("x.npy", "tensor")
    assert clips.of_files([array]) == [array]


@pytest.mark.zoo
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("given", [True, False])
def test_infer__video_model__answers_about_a_clip(tmp_path: Path, given: bool) -> None:
    zoo, folder = Zoo(), tmp_path / "model"
    makers = Path(__file__).parents[2] / "zoo"
    subprocess.run([zoo.python, "-W", "ignore", "-c", MAKE, makers, folder], check=True, capture_output=True)
    inputs = [InputFile(str(folder / "clip.gif"), "image")] if given else []
    ran = box.run(zoo.python, tmp_path / "job", RunRequest("infer", "transformers", str(folder), inputs=inputs))
    assert ran.answer.error is None, ran.stderr
    (pixels,) = [array for array in ran.answer.arrays if array.role == "input"]
    assert pixels.shape == [1, 4, 3, 32, 32]
    frames = load(str(ran.folder / pixels.path))
    reds = [list(frames.values())[place * 3 * 32 * 32] for place in range(4)]
    assert len(set(reds)) == 4, "the frames differ"
    if given:
        assert reds == sorted(reds)
        assert ran.answer.decoded[0]["source"] == "clip.gif"
