"""Settings by levels, and files that are read over them."""

from __future__ import annotations

from pathlib import Path

from dnnbox.sources.matching.levels import composed, defaults_of, levels, over, with_bases
from dnnbox.sources.matching.reading import Config, read_tree

_CONFIG = """
from yacs.config import CfgNode as CN

_C = CN()
_C.MODEL = CN()
_C.MODEL.WIDTH = 8
_C.MODEL.NET = CN()
_C.MODEL.NET.DEPTHS = (2, 2)
_C.SEED = 0
_C.ROOT = os.getcwd()
_C.SEED.STEP = 3

def get_config():
    config = ConfigDict()
    config.a, config.b = 1, 2
    config.width = 4
    config.depth = 2 * 3
    config.name = "x"
    config.rate = 0.1
    other.width = 3
    return config

class Net:
    def __init__(self):
        self.a = 1
        self.b = 2
        self.c = 3
        self.d = 4
"""


def test_levels__attributes_of_one_name__are_nested_settings(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(_CONFIG + "_C.MODEL.WIDTH = 9\n")

    assert dict(levels(read_tree(tmp_path))) == {
        "config.py: _C": {"MODEL": {"WIDTH": 9, "NET": {"DEPTHS": {"$tuple": [2, 2]}}}, "SEED": 0},
        "config.py: config": {"width": 4, "depth": 6, "name": "x", "rate": 0.1},
    }


def test_over__file_of_the_same_levels__is_laid_over_the_defaults_and_others_are_left_alone() -> None:
    under = {"MODEL": {"WIDTH": 8, "NET": {"DEPTH": 2, "KIND": "a"}}, "SEED": 0}
    trees = [{"OTHER": {"WIDTH": 1}}, under]

    laid = over({"MODEL": {"NAME": "x", "WIDTH": 24, "NET": {"DEPTH": 6}}}, trees)

    assert laid == {"MODEL": {"WIDTH": 24, "NAME": "x", "NET": {"DEPTH": 6, "KIND": "a"}}, "SEED": 0}
    assert under["MODEL"] == {"WIDTH": 8, "NET": {"DEPTH": 2, "KIND": "a"}}
    for values in ({"SEED": 3}, {"MODEL": {"A": 1, "B": 2}}, {}):
        assert over(values, trees) is values
    assert over({"SEED": 3}, []) == {"SEED": 3}


def test_composed__groups_of_files__each_takes_its_place_beside_what_the_defaults_name() -> None:
    defaults = ["base", {"model": "small"}, {"data": "images"}, {"absent": "x"}]
    configs = [
        Config("conf/train.yaml", {"rate": 0.1, "defaults": defaults}),
        Config("conf/model/small.yaml", {"width": 8}),
        Config("conf/model/large.yaml", {"width": 64}),
        Config("conf/data/images.yaml", {"classes": 10}),
        Config("other/model/odd.yaml", {"width": 3}),
    ]

    found = {where: (each["model"], each["data"], each["rate"]) for where, each in composed(configs)}

    assert found == {
        "conf/train.yaml, conf/model/small.yaml": ({"width": 8}, {"classes": 10}, 0.1),
        "conf/train.yaml, conf/model/large.yaml": ({"width": 64}, {"classes": 10}, 0.1),
        "conf/train.yaml, conf/data/images.yaml": ({"width": 8}, {"classes": 10}, 0.1),
    }


def test_with_bases__file_that_names_another_one__is_laid_over_it() -> None:
    configs = [
        Config("base.yaml", {"MODEL": {"WIDTH": 8, "DEPTH": 2}}),
        Config("a/mid.yaml", {"_BASE_": "../base.yaml", "MODEL": {"WIDTH": 16}}),
        Config("a/top.yaml", {"_base_": ["mid.yaml", "absent.yaml"], "SEED": 1}),
        Config("a/self.yaml", {"BASE": ["", "self.yaml"], "SEED": 2}),
    ]

    assert [dict(config.values) for config in with_bases(configs)] == [
        {"MODEL": {"WIDTH": 8, "DEPTH": 2}},
        {"MODEL": {"WIDTH": 16, "DEPTH": 2}},
        {"MODEL": {"WIDTH": 16, "DEPTH": 2}, "SEED": 1},
        {"BASE": ["", "self.yaml"], "SEED": 2},
    ]


def test_defaults_of__files_of_defaults_in_the_folder_or_above__are_told_the_nearest_last() -> None:
    paths = ("configs/default.yaml", "configs/img/_base.yaml", "other/default.yaml", "configs/img/net.yaml")
    configs = [Config(path, {"path": path}) for path in paths]

    assert [values["path"] for values in defaults_of(configs[3], configs)] == list(paths[:2])
    assert [values["path"] for values in defaults_of(configs[0], configs)] == []
