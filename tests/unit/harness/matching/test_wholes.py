"""Classes around a part that was found."""

from __future__ import annotations

import types
from typing import Any

from dnnbox.harness.matching import wholes
from dnnbox.harness.matching.candidates import Call


class Diffusion:
    """Keeps the network that it is given."""

    def __init__(self, network: Any, steps: int, width: int = 4) -> None:
        self.model = network
        self.steps = int(steps)
        self.made = print(width)


def test_holder__class_that_is_made_with_the_matched_one__is_named() -> None:
    classes = [{"ref": "net.py:Loss", "view": "whole"}, {"ref": "net.py:Generator", "view": "whole"}]
    plan = {"classes": classes, "parts": {"net.py:Generator": {"held": ["field"]}}}
    cut, whole = (types.SimpleNamespace(view={"name": name}) for name in ("field", "whole"))

    assert wholes.holder_of(cut, plan) == "net.py:Generator"
    assert wholes.holder_of(whole, plan) == ""


def test_kept_as__argument_that_is_kept_as_it_is__is_named() -> None:
    assert wholes.kept_as(Diffusion, "model") == "network"
    assert [wholes.kept_as(Diffusion, name) for name in ("steps", "made", "other")] == ["", "", ""]
    assert wholes.kept_as(lambda: None, "model") == ""


def test_around__part_that_was_found__is_given_to_the_calls_of_the_whole() -> None:
    calls = [
        Call("diffusion.py:Diffusion", {"network": 64, "steps": 64}, "begun from shapes", 1),
        Call("diffusion.py:Diffusion", {"steps": 1000}, "train.py:12", 0),
        Call("diffusion.py:make", {"steps": 10}, "train.py:13", 0),
    ]
    source = types.SimpleNamespace(resolve=lambda _ref: Diffusion)
    candidates = types.SimpleNamespace(of_class=lambda _entry: iter(calls))
    part = Call("unet.py:UNet", {"width": 8}, "train.py:3", 0)
    match = types.SimpleNamespace(view={"name": "model"}, call=part, access="", is_object=False)

    made = wholes.around(match, {"ref": "diffusion.py:Diffusion"}, source, candidates)

    network = {"$call": [{"$ref": "unet.py:UNet"}, [], {"width": 8}]}
    assert [(call.kwargs, call.origin) for call in made] == [
        ({"network": network, "steps": 1000}, "train.py:12"),
        ({"network": network, "steps": 64}, "begun from shapes"),
    ]
    match.access = ".model"
    assert wholes.around(match, {"ref": "diffusion.py:Diffusion"}, source, candidates) == []
