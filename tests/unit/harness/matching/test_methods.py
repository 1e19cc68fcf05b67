"""Methods that run a model where its ``forward`` does not."""

from __future__ import annotations

import types
from typing import Any

import pytest

from dnnbox.harness.matching import arguments, calling, forwarding, methods, values


class Tracker:
    """Only trained by ``forward``; used by two calls, the one after the other."""

    def __init__(self) -> None:
        self.backbone = types.SimpleNamespace(forward=lambda x: x)

    def template(self, z: Any) -> None:
        self.seen = self.backbone(z)

    def track(self, x: Any) -> Any:
        return self.head(self.seen, self.backbone(x))

    def sought(self, x: Any) -> Any:
        return self.backbone(x.long()) + 1

    def head(self, one: Any, other: Any) -> Any:
        return one, other

    def scores(self, x: Any) -> Any:
        return x.softmax(1)

    def forward(self, data: Any) -> Any:
        raise NotImplementedError

    def named_modules(self) -> list[Any]:
        return []


def test_own__methods_that_hand_an_input_to_a_part__are_told_from_helpers() -> None:
    assert methods.own(Tracker(), ()) == ["track", "sought"]
    assert methods.own(Tracker(), ("scores", "template")) == []
    assert methods.before(Tracker(), "track") == ["template"]
    assert methods.before(Tracker(), "template") == []


def test_specs__method_that_reads_what_another_sets__is_called_after_it() -> None:
    spec = next(forwarding._of_own_methods(Tracker(), {"examples": []}))

    picture = values.tensor("float32", [1, 3, 64, 64])
    assert (spec["method"], spec["args"]) == ("track", [picture])
    assert [(step["method"], step["args"]) for step in spec["before"]] == [("template", [picture])]


def test_specs__switch_of_training_that_is_on__is_off_first() -> None:
    class Net(Tracker):
        def forward(self, x: Any, is_train: bool = True, is_large: bool = True) -> Any:
            raise NotImplementedError

    specs = list(forwarding._specs(Net(), {"examples": []}))

    assert [spec["kwargs"] for spec in specs[:2]] == [{"is_train": False}, {}]
    assert specs[0]["args"] == specs[1]["args"]


def _class(module: str, **members: Any) -> Any:
    return type("Some", (), {"__module__": module, **members})


def test_sole_part__class_that_only_trains__is_run_by_the_part_that_holds_all_its_tensors() -> None:
    base = _class("lightning.core", forward=lambda self, *args: None)
    part = types.SimpleNamespace(forward=lambda x: x)
    names = ["net.weight", "net.bias"]

    trained = type("Trained", (base,), {"net": part, "state_dict": lambda self: dict.fromkeys(names)})
    several = type("Several", (trained,), {"state_dict": lambda self: dict.fromkeys([*names, "head.weight"])})
    with_own = type("Own", (trained,), {"__module__": "net", "forward": lambda self, x: x})

    assert [methods.sole_part(cls()) for cls in (trained, several, with_own)] == ["net", "", ""]


def test_renamed__call_of_a_part__is_one_of_what_holds_it_with_what_comes_before() -> None:
    spec = {"method": "track", "args": [], "kwargs": {}, "before": [{"method": "", "args": [], "kwargs": {}}]}

    outside = forwarding._renamed(spec, lambda method: f"net.{method}".rstrip("."))

    assert (outside["method"], outside["before"][0]["method"]) == ("net.track", "net")


def test_put__method_that_returns_nothing__answers_with_what_it_put_into_its_mapping() -> None:
    step = {"method": "", "args": [{"image": values.tensor("float32", [1])}], "kwargs": {}}

    assert calling._put([{"image": 1, "found": 2}], step) == {"found": 2}
    assert isinstance(calling._put([{"image": 1, "found": 2}], step), calling.Put)
    assert calling._put([[1]], step) is None


def test_argument__keys_that_a_method_puts_in_itself__are_not_given() -> None:
    class Net(Tracker):
        def forward(self, batch: Any) -> None:
            batch.update({"sides": batch["image"].shape})
            batch["turned"] = batch["turned"] + 1
            batch["found"] = self.backbone(batch["image"], batch["sides"], batch["turned"])
            self.rest(batch)

        def rest(self, batch: Any) -> None:
            batch["last"] = batch["found"] + batch["more"]

    module = Net()

    assert arguments._keys_below(module, module.forward, "batch") == (["turned", "image", "more"], [])


def test_answers__forward_that_takes_all_the_time__leaves_some_to_the_other_methods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forwarding, "_SECONDS_BEFORE_OTHERS", (-1.0, -1.0))
    asked: Any = types.SimpleNamespace(module=Tracker(), answer=lambda spec: [spec["method"]])
    specs = iter([{"method": "", "args": [values.tensor("float32", [1, 3])], "kwargs": {}, "why": ""}] * 3)

    answers = list(forwarding._answers(asked, {"examples": []}, specs))

    forwards = [outputs for spec, outputs, _ in answers if not spec["method"]]
    assert forwards.count(None) == len(forwards) <= 2  # one of what it may take, one of what its errors tell
    assert next(outputs for spec, outputs, _ in answers if spec["method"] == "track") == ["track"]


def test_argument__keys_that_are_read_where_another_one_is_given__are_left_out() -> None:
    class Net(Tracker):
        def forward(self, batch: Any) -> Any:
            scaled = batch["image"] * batch["one"] if "scale" in batch else batch["image"]
            if "mask" in batch:
                scaled = scaled * batch["mask"] * batch["other"]
            return scaled, batch["last"]

    module = Net()

    assert arguments._keys_below(module, module.forward, "batch") == (["image", "last"], [])
