"""Registries: lazy, explicit, helpful."""

import pytest

from dnnbox.errors import Usage
from dnnbox.registry import Registry

REGISTRY: Registry[object] = Registry("reader", {"safetensors": "json:dumps", "onnx": "json:loads"})


def test_get__known_name__imports_the_object():
    import json

    assert REGISTRY.get("onnx") is json.loads


def test_get__near_miss__suggests_the_name():
    with pytest.raises(Usage) as caught:
        REGISTRY.get("safetensor")

    assert caught.value.hint == "did you mean `safetensors`?"


def test_iter__builtins__are_listed():
    assert set(REGISTRY) == {"safetensors", "onnx"}
