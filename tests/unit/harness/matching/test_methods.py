"""Methods that run a model where its ``forward`` does not."""

from __future__ import annotations

import types
from typing import Any

from dnnbox.harness.matching import forwarding, methods, values


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
