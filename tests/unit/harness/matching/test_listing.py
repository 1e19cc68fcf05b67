"""A number that is read as a list, and the argument that it was."""

from __future__ import annotations

import types
from typing import Any

import pytest

from dnnbox.harness.matching.listing import listed, read_as_list


def _indexed(args: Any, widths: Any) -> Any:
    return args.scale[0] + widths


def _counted(args: Any, widths: Any) -> Any:
    return [width + args.scale for width in widths]


def _by_name(args: Any, widths: Any) -> Any:
    first, second = vars(args)["scale"]
    return first + second + widths


def _called(args: Any, widths: Any) -> Any:
    return args.scale + widths()


@pytest.mark.parametrize(("build", "name"), [(_indexed, "scale"), (_counted, "widths"), (_by_name, ""), (_called, "")])
def test_read_as_list__line_that_failed__names_the_number(build: Any, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        build(types.SimpleNamespace(scale=2), 64)

    assert read_as_list(caught.value) == name


def test_listed__name_among_settings_and_in_a_call__becomes_a_list_there_only() -> None:
    nested = {"args": {"$settings": {"scale": 2, "width": 64}}}
    call = {"config": {"$call": [{"$ref": "net.py:Config"}, [], {"scale": 2}]}}

    assert listed(nested, "scale") == {"args": {"$settings": {"scale": [2], "width": 64}}}
    assert listed(call, "scale") == {"config": {"$call": [{"$ref": "net.py:Config"}, [], {"scale": [2]}]}}
    assert listed({"scale": "2", "flag": True}, "scale") is None
