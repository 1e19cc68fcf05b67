"""Arguments that were read as something else, and what they become."""

from __future__ import annotations

from typing import Any

import pytest

from dnnbox.harness.matching.filling import amendment, as_settings


def _error(build: Any) -> BaseException:
    with pytest.raises((AttributeError, TypeError)) as caught:
        build({"width": 8}, 2)
    return caught.value


def test_amendment__mapping_read_by_attributes__becomes_settings() -> None:
    amended = amendment(_error(lambda cfg, _: cfg.width))

    assert amended is not None
    assert amended({"cfg": {"width": 8}, "n": 1}) == {"cfg": {"$settings": {"width": 8}}, "n": 1}


def test_amendment__number_read_as_a_list__becomes_one() -> None:
    amended = amendment(_error(lambda _, scale: scale[0]))

    assert amended is not None
    assert amended({"scale": 2}) == {"scale": [2]}


def test_amendment__any_other_error__is_none() -> None:
    assert amendment(_error(lambda cfg, n: cfg["width"] + n.width)) is None


def test_as_settings__no_plain_mapping__is_none() -> None:
    assert as_settings({"cfg": {"$settings": {"width": 8}}, "other": {}}) is None
