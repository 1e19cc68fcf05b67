"""Functions that return a library's model, where the source has no class of its own."""

from __future__ import annotations

from pathlib import Path

from dnnbox.records.inspection import Inspection, TensorInfo
from dnnbox.records.source import SourceTree
from dnnbox.sources.matching import named, search_plan
from dnnbox.sources.matching.builders import library_builders, made_at_import
from dnnbox.sources.matching.reading import read_tree

_MODEL = """
import torch.nn as nn
import torchvision
from torchvision import models
import zoo

def make_net(arch="resnet18", classes=5):
    net = models.__dict__[arch](weights=None)
    net.fc = nn.Linear(net.fc.in_features, classes)
    return net

def stack(width):
    return nn.Sequential(nn.Linear(width, 2))

def main():
    return torchvision.models.resnet18()

def prints():
    print(models.resnet18())

def other():
    return zoo.net()
"""


def test_library_builders__only_functions_that_return_a_librarys_model(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(_MODEL)

    found = [node.name for _, node in library_builders(read_tree(tmp_path), {})]

    assert found == ["make_net", "stack"]


def test_made_at_import__sequences_of_layers_that_a_file_holds(tmp_path: Path) -> None:
    layers = "\ndecoder = nn.Sequential(nn.Linear(4, 2))\nother = list(decoder)\nnn.Sequential()\n"
    (tmp_path / "model.py").write_text(_MODEL + layers)
    tensors = (TensorInfo("0.weight", (2, 4), "float32"), TensorInfo("0.bias", (2,), "float32"))
    inspection = Inspection("w.pth", "file", "torch-zip", "pytorch", 1, "data-only", tensor_list=tensors)

    plan = search_plan([tmp_path], inspection)

    assert [name for _, name, _ in made_at_import(read_tree(tmp_path), {})] == ["decoder"]
    assert plan["classes"][-1]["ref"] == "model.py:decoder"


def test_search_plan__no_class_in_the_source__offers_the_functions_with_their_calls(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(_MODEL)
    (tmp_path / "test.py").write_text("from model import make_net\n\nnet = make_net(classes=101)\n")
    tensors = (TensorInfo("fc.weight", (101, 512), "float32"), TensorInfo("fc.bias", (101,), "float32"))
    inspection = Inspection("w.pth", "file", "torch-zip", "pytorch", 1, "data-only", tensor_list=tensors)

    plan = search_plan([tmp_path], inspection)
    searched = named(SourceTree("given", root=str(tmp_path)), inspection).searched

    assert [entry["ref"] for entry in plan["classes"]] == ["model.py:make_net", "model.py:stack"]
    assert [recipe["kwargs"] for recipe in plan["classes"][0]["recipes"]] == [{}, {"classes": 101}]
    assert searched == ("model.py:make_net", "model.py:stack")
