"""Arguments that decide which parts a class has."""

from __future__ import annotations

from pathlib import Path

from dnnbox.records.inspection import Inspection, TensorInfo
from dnnbox.sources.matching import search_plan

_FIELDS = """
from torch import nn

class Flat(nn.Module):
    def __init__(self, z_dim, width=4):
        super().__init__()
        self.first = nn.Linear(z_dim, width)

class Warped(Flat):
    pass

class Other(nn.Module):
    def __init__(self, z_dim, depth):
        super().__init__()
        self.first = nn.Linear(z_dim, depth)
"""
_GENERATOR = """
from torch import nn

class Generator(nn.Module):
    def __init__(self, field, z_dim):
        super().__init__()
        self.field = field(z_dim=z_dim, width=8)
"""
_DETECTOR = """
from torch import nn

class Trunk(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)

class Detector(nn.Module):
    def __init__(self, trunk, heads, unrelated):
        super().__init__()
        self.trunk = globals()[trunk]()
        self.heads = heads
        for head in self.heads:
            fc = nn.Conv2d(8, self.heads[head], 1)
            self.__setattr__(head, fc)
        for word in unrelated:
            print(word)

def small():
    return Trunk(8)

def detector():
    return Detector("small", {"hm": 2}, ())

def helper():
    return nn.ReLU()
"""


def _plan(tmp_path: Path, files: dict[str, str], tensors: dict[str, tuple[int, ...]]) -> dict[str, dict[str, object]]:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    listed = tuple(TensorInfo(name, "float32", shape) for name, shape in tensors.items())
    inspection = Inspection("w.pth", "file", "torch-zip", "pytorch", 1, "data-only", tensor_list=listed)
    parts: dict[str, dict[str, object]] = search_plan([tmp_path], inspection)["parts"]
    return parts


def test_parts__class_that_a_constructor_calls__is_one_that_takes_these_arguments(tmp_path: Path) -> None:
    tensors = {"field.first.weight": (8, 16), "field.first.bias": (8,)}

    found = _plan(tmp_path, {"fields.py": _FIELDS, "generator.py": _GENERATOR}, tensors)["generator.py:Generator"]

    assert found["choices"] == {"field": [{"$ref": "fields.py:Flat"}, {"$ref": "fields.py:Warped"}]}
    assert found["held"] == ["field"]


def test_parts__keys_that_name_parts_and_a_name_that_is_looked_up__come_from_tensors_and_file(tmp_path: Path) -> None:
    tensors = {"trunk.conv.weight": (8, 3, 3, 3), "hm.weight": (80, 8, 1, 1), "hm.bias": (80,), "reg.bias": (2,)}

    found = _plan(tmp_path, {"net.py": _DETECTOR}, tensors)["net.py:Detector"]

    assert found["keyed"] == {"heads": {"hm": 80, "reg": 2}}
    assert found["choices"] == {"trunk": ["small"]}
