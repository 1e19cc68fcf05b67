"""A source of thousands of files: what is likeliest to matter is read first, and what was left out is said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from dnnbox.pipeline.inspecting import identified
from dnnbox.sources.matching import plan as planning
from dnnbox.sources.matching import reading, search_plan
from dnnbox.sources.matching.clock import Clock
from dnnbox.sources.matching.reading import read_tree
from dnnbox.sources.matching.worth import by_worth

_NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.stem_conv = nn.Linear(width, width)
"""


def _large(folder: Path) -> Path:
    """Write many files that say nothing, and the model with its script among them."""
    for number in range(12):
        (folder / f"a{number:02}.py").write_text(f"def helper_{number}(weight):\n    return weight\n")
    (folder / "nets.py").write_text(_NET)
    (folder / "use.py").write_text("from nets import Net\nmodel = Net(4)\n")
    return folder


def _weights(folder: Path) -> Path:
    header = json.dumps({"stem_conv.weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}).encode()
    weights = folder / "weights.safetensors"
    weights.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    return weights


def test_by_worth__names_of_the_checkpoint__come_first_then_what_uses_their_classes(tmp_path: Path) -> None:
    files = sorted(_large(tmp_path).glob("*.py"))

    ordered = [file.name for file in by_worth(files, {"stem_conv"})]

    assert ordered[:2] == ["nets.py", "use.py"]
    assert sorted(ordered) == [file.name for file in files]


def test_read_tree__more_files_than_are_read__takes_the_likeliest_and_says_how_many_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MANY_FILES", 4)
    monkeypatch.setattr(reading, "_MOST_MODULES", 2)

    tree = read_tree(_large(tmp_path), {"stem_conv"})

    assert [module.path for module in tree.modules] == ["nets.py", "use.py"]
    assert tree.clock.cut == ["12 of 14 files of code were not read"]


def test_search_plan__no_time_for_calls__keeps_the_class_and_says_that_its_calls_were_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_RECIPES_SHARE", 0.0)

    plan = search_plan([_large(tmp_path)], identified(_weights(tmp_path)))

    assert plan["classes"][0]["ref"] == "nets.py:Net"
    assert plan["cut"][-1] == "not all calls were read of Net"


def test_search_plan__time_enough__leaves_nothing_out(tmp_path: Path) -> None:
    plan = search_plan([_large(tmp_path)], identified(_weights(tmp_path)))

    assert plan["cut"] == []
    assert plan["classes"][0]["recipes"][0]["args"] == [4]


def test_clock__parts__end_before_the_whole() -> None:
    clock = Clock(10.0)

    with clock.until(0.0):
        assert not clock.goes_on()
    with clock.share(1e-4):
        while clock.goes_on():
            time.process_time()
        assert not clock.goes_on()
    assert clock.goes_on()
