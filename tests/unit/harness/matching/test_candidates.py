"""The calls that are tried: by recipes, configurations, command lines and defaults."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.matching.beginnings import on_cpu
from dnnbox.harness.matching.candidates import Call, Candidates
from dnnbox.harness.matching.importing import Source
from dnnbox.harness.matching.telling import switched_off, told, without_sections


def _candidates(plan: dict[str, Any], checkpoint: str) -> Candidates:
    whole = {"configs": [], "tables": [], "choices": {}, "uses": {}, **plan}
    return Candidates(Source(["/nowhere"], {}), whole, [], [16], checkpoint)


def test_candidates__configurations__named_like_the_checkpoint_first_and_those_that_say_nothing_left_out() -> None:
    configs = [
        {"where": "data/coco.yaml", "values": {"names": []}, "file": True},
        {"where": "models/large.yaml", "values": {"nc": 80, "depth": 1.0}, "file": True},
        {"where": "models/small.yaml", "values": {"nc": 80}, "file": True},
    ]
    plan = {"configs": configs, "uses": {"net.py:Net": {"cfg": ["nc", "depth"]}}}

    def net(cfg: str = "models/large.yaml") -> None:
        raise NotImplementedError

    module = types.ModuleType("net")
    vars(module)["Net"] = net
    candidates = _candidates(plan, "/weights/small-v2.pt")
    candidates.source._known["net.py"] = module
    calls = list(candidates.of_class({"ref": "net.py:Net", "recipes": []}))

    origins = list(dict.fromkeys(call.origin for call in calls if call.origin.endswith(".yaml")))
    assert origins == ["models/small.yaml", "models/large.yaml"]


def test_candidates__configurations__those_with_the_sizes_of_the_tensors_first() -> None:
    configs = [
        {"where": name, "values": {"layers": [[-1, 1, "Conv", [width, 3]] for width in widths]}, "file": True}
        for name, widths in (("a.yaml", (40, 80)), ("b.yaml", (32, 64)), ("c.yaml", (32, 64, 512)))
    ]
    candidates = _candidates({"configs": configs, "uses": {}}, "w.pt")
    candidates.sizes = {3, 32, 64, 255}

    assert [config["where"] for config in candidates.configs(["layers"])] == ["b.yaml", "c.yaml", "a.yaml"]


def test_candidates__call_known_in_part__its_gaps_are_begun_by_name(tmp_path: Path) -> None:
    (tmp_path / "partly.py").write_text(
        "class Config:\n    def __init__(self, n_vocab, block, **more):\n        vars(self).update(more)\n"
    )

    def net(config: Any) -> None:
        raise NotImplementedError

    config = [
        {"$ref": "partly.py:Config"},
        [{"$unknown": "len(words)"}, 90],
        {"n_head": 8, "longest": {"$unknown": "x"}},
    ]
    candidates = _candidates({}, "w.pt")
    candidates.source = Source([str(tmp_path)], {})
    module = types.ModuleType("net")
    vars(module)["Net"] = net
    candidates.source._known["net.py"] = module
    recipe = {"callee": "net.py:Net", "how": "call", "args": [{"$call": config}], "kwargs": {}, "where": "a.py:1"}

    first = next(iter(candidates.of_class({"ref": "net.py:Net", "recipes": [recipe]})))

    filled = {"n_vocab": 16, "block": 90, "n_head": 8, "longest": 2}
    assert first.kwargs == {"config": {"$call": [{"$ref": "partly.py:Config"}, [], filled]}}


@pytest.mark.parametrize("option", ["a.yml", None])
def test_candidates__option_of_the_name_of_the_settings__is_no_setting_and_what_stands_beside_is_begun(
    option: str | None,
) -> None:
    def net(config: Any, n_actions: int) -> None:
        raise NotImplementedError

    configs = [{"where": "small.yml", "values": {"model": {"width": 8}}, "file": True}]
    plan = {"configs": configs, "uses": {"net.py:Net": {"config": ["model"]}}}
    recipe = {"callee": "net.py:Net", "how": "call", "args": [option], "kwargs": {}, "where": "a.py:1"}

    calls = [call.kwargs for call in _calls(plan, net, [recipe])]

    assert {"config": {"$settings": {"model": {"width": 8}}}, "n_actions": 2} in calls


def test_candidates__dataclass__defaults_are_there_for_the_solver(tmp_path: Path) -> None:
    (tmp_path / "dataclass_model.py").write_text(
        "from dataclasses import dataclass, field\n\n\n@dataclass\nclass Config:\n    width: int = 8\n"
        "    sides: tuple = (3, 4)\n    kept: object = field(default_factory=object)\n\n\n"
        "class Net:\n    def __init__(self, config: Config):\n        self.config = config\n"
    )
    candidates = _candidates({}, "w.pt")
    candidates.source = Source([str(tmp_path)], {})

    calls = list(candidates.of_class({"ref": "dataclass_model.py:Net", "recipes": []}))

    made = calls[0].kwargs["config"]["$call"]
    assert made[2] == {"width": 8, "sides": {"$tuple": [3, 4]}}


def _calls(plan: dict[str, Any], function: Any, recipes: list[dict[str, Any]] | None = None) -> list[Call]:
    """Return the calls for ``function`` as ``net.py:Net``."""
    candidates = _candidates(plan, "w.pt")
    module = types.ModuleType("net")
    vars(module)["Net"] = function
    candidates.source._known["net.py"] = module
    return list(candidates.of_class({"ref": "net.py:Net", "recipes": recipes or []}))


def test_candidates__plain_class_of_settings__is_made_of_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "plain_config.py").write_text(
        "class NetConfig:\n    def __init__(self, width=8, sides=(3, 4), kept=object, **more):\n        pass\n\n\n"
        "class OtherConfig:\n    def __init__(self, needed, width=8):\n        self.width = width\n\n\n"
        "class Net:\n    def __init__(self, config):\n        self.config = config\n"
    )
    candidates = _candidates({}, "w.pt")
    candidates.source = Source([str(tmp_path)], {})

    calls = list(candidates.of_class({"ref": "plain_config.py:Net", "recipes": []}))

    assert calls[0].kwargs["config"] == {
        "$call": [{"$ref": "plain_config.py:NetConfig"}, [], {"width": 8, "sides": {"$tuple": [3, 4]}}]
    }
    assert "OtherConfig" not in repr([call.kwargs for call in calls])


def test_candidates__command_line__goes_over_the_defaults_of_the_options() -> None:
    def net(args: Any) -> None:
        raise NotImplementedError

    calls = _calls(
        {
            "uses": {"net.py:Net": {"args": ["kind", "width"]}},
            "tables": [{"where": "train.py", "values": {"kind": [None], "width": [64], "lr": [0.1]}}],
            "commands": [{"where": "README.md:7", "values": {"kind": "deep", "seed": 1}}],
        },
        net,
    )

    held = {call.origin: call.kwargs["args"] for call in reversed(calls)}
    settings = {origin: value["$settings"] for origin, value in held.items() if isinstance(value, dict)}
    assert settings["README.md:7"] == {"kind": "deep", "width": 64, "lr": 0.1, "seed": 1}


def test_candidates__command_line__changes_what_a_script_gives() -> None:
    def net(width: int, depth: int, bias: bool = True) -> None:
        raise NotImplementedError

    recipe = {"callee": "net.py:Net", "how": "call", "where": "train.py:9", "args": [8, 2], "kwargs": {"bias": False}}
    calls = _calls({"commands": [{"where": "run.sh:3", "values": {"width": 410, "depth": 16}}]}, net, [recipe])

    found = {call.origin: call.kwargs for call in reversed(calls)}
    assert found["train.py:9"] == {"width": 8, "depth": 2, "bias": False}
    assert {"width": 410, "depth": 16, "bias": False} in [call.kwargs for call in calls]


def test_candidates__configuration_that_lacks_one_argument__leaves_it_to_the_solver() -> None:
    def net(n_vocab: int, hidden: int, layers: int) -> None:
        raise NotImplementedError

    plan = {"configs": [{"where": "base.json", "values": {"model": {"hidden": 192, "layers": 6}}, "file": True}]}

    assert {"n_vocab": 16, "hidden": 192, "layers": 6} in [call.kwargs for call in _calls(plan, net)]


def test_candidates__what_says_nothing_and_what_is_unknown__is_left_out_and_begun() -> None:
    def net(sources: Any, checkpoint: str | None = None, width: int = 4, inner: int | None = None) -> None:
        raise NotImplementedError

    kwargs = {"checkpoint": "w/tiny.pt", "width": 8, "inner": -1}
    calls = _calls({}, net, [{"callee": "net.py:Net", "how": "call", "args": [], "kwargs": kwargs, "where": "a.py:1"}])

    assert all(not {"checkpoint", "inner"} & set(call.kwargs) for call in calls)
    assert {"sources": [2, 2, 2, 2], "width": 8} in [call.kwargs for call in calls]


def test_candidates__switches_for_somebodys_weights__are_off() -> None:
    def net(
        bb_pretrained: bool = True, pretrained: str = "imagenet", pretrain_size: int = 8, fp16: bool = True
    ) -> None:
        raise NotImplementedError

    assert _calls({}, net)[0].kwargs == {"bb_pretrained": False, "pretrained": False, "fp16": False}


def test_candidates__two_parameters_that_want_a_configuration__get_those_of_one_folder_first() -> None:
    configs = [
        {"where": f"config/{name}/{kind}.yaml", "values": {kind: name}, "file": True}
        for kind in ("mel", "layers")
        for name in ("slow", "fast")
    ]

    def net(preprocess: Any, model: Any) -> None:
        raise NotImplementedError

    module = types.ModuleType("net")
    vars(module)["Net"] = net
    uses = {"net.py:Net": {"preprocess": ["mel"], "model": ["layers"]}}
    candidates = _candidates({"configs": configs, "uses": uses}, "w.pt")
    candidates.source._known["net.py"] = module
    calls = list(candidates.of_class({"ref": "net.py:Net", "recipes": []}))

    both = [call.kwargs for call in calls if call.kwargs["preprocess"] and call.kwargs["model"]]
    assert both[:2] == [{"preprocess": {"mel": name}, "model": {"layers": name}} for name in ("slow", "fast")]


@pytest.mark.parametrize(("default", "off"), [(None, None), ("", ""), (True, False), ("imagenet", False)])
def test_switched_off__somebodys_weights__as_the_class_says_none(default: Any, off: Any) -> None:
    def net(pretrained: Any = default) -> None:
        raise NotImplementedError

    assert switched_off(dict(inspect.signature(net).parameters), {}) == {"pretrained": off}


def test_setting__nothing_of_that_name__is_an_object_of_what_is_read_from_it() -> None:
    tables = [{"where": "a.py", "values": {"n": [6], "seed": []}}]
    candidates = _candidates({"tables": tables, "inside": {"space": ["n", "width", "space"]}}, "w.pt")

    made = candidates.setting("space")

    assert made["n"] == 6
    assert made["width"] == 16  # the most common size
    assert made["space"]["space"]["space"] == 2
    assert candidates.setting("n") == 6


def test_candidates__parts_that_the_tensors_name__are_tried_together() -> None:
    def net(field: Any, heads: Any, width: int) -> None:
        raise NotImplementedError

    module = types.ModuleType("net")
    vars(module)["Net"] = net
    choices = {"field": [{"$ref": "a.py:A"}, {"$ref": "a.py:B"}]}
    parts = {"net.py:Net": {"choices": choices, "keyed": {"heads": {"hm": 80}}, "held": ["field"]}}
    candidates = _candidates({"parts": parts}, "w.pt")
    candidates.source._known["net.py"] = module
    calls = [call for call in candidates.of_class({"ref": "net.py:Net", "recipes": []}) if "parts" in call.origin]

    assert [call.kwargs for call in calls] == [
        {"field": {"$ref": f"a.py:{name}"}, "heads": {"hm": 80}, "width": 16} for name in "AB"
    ]


def test_without_sections__settings_of_all_sections__are_one_set_where_none_is_named_twice() -> None:
    assert list(without_sections({"DATA": {"classes": 4}, "TRAIN": {"layers": 50}})) == [{"classes": 4, "layers": 50}]
    assert list(without_sections({"DATA": {"classes": 4}, "TRAIN": {"classes": 5}})) == []
    assert list(without_sections({"DATA": {"classes": 4}, "layers": 50})) == []


def test_told__settings_that_a_file_leaves_to_others__are_left_out() -> None:
    assert told({"width": "${model.width}", "size": "???", "depth": 2, "name": "$x"}) == {"depth": 2, "name": "$x"}


def test_candidates__object_over_somebodys_data_beside_options__what_is_read_of_both_is_begun() -> None:
    def net(args: Any, data: Any) -> None:
        raise NotImplementedError

    module = types.ModuleType("net")
    vars(module)["Net"] = net
    plan = {"uses": {"net.py:Net": {"args": ["width"], "data": ["m"]}}, "tables": [], "choices": {}}
    candidates = _candidates({**plan, "tables": [{"where": "main.py", "values": {"width": [3]}}]}, "w.pt")
    candidates.source._known["net.py"] = module
    made = {"$call": [{"$ref": "data.py:Data"}, [None], {}]}
    recipe = {"callee": "net.py:Net", "how": "call", "where": "main.py:1", "args": [], "kwargs": {"data": made}}
    calls = [call.kwargs for call in candidates.of_class({"ref": "net.py:Net", "recipes": [recipe]})]

    assert {"args": {"$settings": {"width": 3}}, "data": {"$settings": {"m": 2}}} in calls


def test_candidates__keyword_that_the_source_gives_and_nobody_knows__is_begun_where_none_would_stand() -> None:
    def net(width: int, classes: Any = None, kind: Any = None, rate: float = 0.1) -> None:
        raise NotImplementedError

    module = types.ModuleType("net")
    vars(module)["Net"] = net
    candidates = _candidates({}, "w.pt")
    candidates.source._known["net.py"] = module
    recipe = {"callee": "net.py:Net", "how": "call", "args": [8], "kwargs": {}, "where": "a.py:1"}

    calls = list(candidates.of_class({"ref": "net.py:Net", "recipes": [dict(recipe, unread=["classes", "rate"])]}))

    assert [(call.kwargs, call.origin) for call in calls] == [
        ({"width": 8}, "a.py:1"),
        ({"width": 8, "classes": 16}, "begun from shapes"),
    ]


def test_setting__what_a_script_sets_by_a_text__goes_before_another_configuration() -> None:
    candidates = _candidates(
        {"configs": [{"where": "large.py", "values": {"mode": "deep"}}], "set": {"mode": "plain"}}, ""
    )

    assert candidates.setting("mode") == "plain"


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("device", "0,1", "cpu"),
        ("device", 0, "cpu"),
        ("device", "", "cpu"),
        ("device", "cuda", "cuda"),
        ("n", "0", "0"),
    ],
)
def test_on_cpu__number_of_a_gpu__is_the_cpu(name: str, value: Any, taken: Any) -> None:
    assert on_cpu(name, value) == taken
