"""Names that libraries no longer have."""

from __future__ import annotations

import builtins
import collections
import collections.abc
import copy
import importlib
import importlib.machinery
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml as stays_imported  # noqa: F401 - its compiled part keeps the exceptions of the first import

from dnnbox.harness.matching import oldnames, standins


def _loaded(stream: str, Loader: str) -> tuple[str, str]:
    return stream, Loader


def failure(code: str) -> Exception:
    with pytest.raises((AttributeError, ImportError, NameError, TypeError)) as caught:
        exec(code, {})
    return caught.value


@pytest.mark.parametrize(
    "code",
    [
        "import collections; collections.Mapping",
        "from collections import Iterable",
        "import yaml; yaml.load('a: 1')",
        "import yaml; yaml.load_all('a: 1')",
        "xrange(3)",
    ],
)
def test_explains__name_of_before__is_known(code: str) -> None:
    assert oldnames.explains(failure(code))


@pytest.mark.parametrize(
    "code",
    ["import json; json.lacking", "import no_such_module", "None.lacking", "import json; json.load()", "lacking"],
)
def test_explains__any_other_failure__is_not(code: str) -> None:
    assert not oldnames.explains(failure(code))


def test_explains__file_of_older_python__if_todays_spelling_parses(tmp_path: Path) -> None:
    for text, known in (("print 'a'\n", True), ("a = = 1\n", False)):
        (tmp_path / "old.py").write_text(text)
        with pytest.raises(SyntaxError) as caught:
            compile(text, str(tmp_path / "old.py"), "exec")
        assert oldnames.explains(caught.value) is known


def test_bring_back__libraries_that_are_here__have_their_old_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standins, "NOTED", [])
    loader = importlib.machinery.SourceFileLoader
    monkeypatch.setattr(loader, "source_to_code", loader.source_to_code)
    before = set(vars(collections))
    builtin = set(vars(builtins))
    torch = type(sys)("torch")
    torch.__path__ = []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    later: dict[str, Any] = {}
    monkeypatch.setattr(standins, "after_import", later.__setitem__)

    oldnames.bring_back()

    assert collections.Mapping is collections.abc.Mapping  # type: ignore[attr-defined]
    assert isinstance("a", importlib.import_module("torch._six").string_classes)
    assert standins.NOTED == ["old names"]
    assert builtins.xrange is range  # type: ignore[attr-defined]
    for name in set(vars(builtins)) - builtin:
        delattr(builtins, name)
    code = loader("old", "old.py").source_to_code(b"a = 10L\nprint 'a', a\n", "old.py")
    assert code.co_names == ("a", "print")
    with pytest.raises(SyntaxError):
        loader("no", "no.py").source_to_code(b"a = = 1", "no.py")
    for name in set(vars(collections)) - before:
        delattr(collections, name)
    del sys.modules["torch._six"]
    yaml = types.SimpleNamespace(FullLoader="full", load=_loaded, load_all=_loaded)
    later["yaml"](yaml)
    assert yaml.load("a: 1") == yaml.load_all("a: 1") == ("a: 1", "full")
    assert yaml.load("a: 1", "safe") == yaml.load("a: 1", Loader="safe") == ("a: 1", "safe")
    numpy = types.SimpleNamespace(float64=float, bool=1)
    later["numpy"](numpy)  # at once where it is there, else when it is imported
    assert (numpy.int, numpy.float_, numpy.bool) == (int, float, 1)


def test_with_tuples__parts_that_answer_with_mappings__answer_as_they_did() -> None:
    config, other = types.SimpleNamespace(return_dict=True), types.SimpleNamespace(return_dict="no switch")
    parts = [types.SimpleNamespace(config=config), types.SimpleNamespace(config=other), types.SimpleNamespace()]
    model = types.SimpleNamespace(modules=lambda: iter(parts))

    assert oldnames.tells_of_names(TypeError("dropout(): argument 'input' (position 1) must be Tensor, not str"))
    assert not oldnames.tells_of_names(TypeError("must be Tensor, not NoneType"))
    assert oldnames.with_tuples(model) is model
    assert (config.return_dict, other.return_dict) == (False, "no switch")
    assert oldnames.named_answers(model) == []


class TransformerEncoder:
    __module__ = "torch.nn.modules.transformer"

    def __init__(self, *layers: Any) -> None:
        self.layers = layers

    def modules(self) -> list[Any]:
        return [self, *self.layers]

    def forward(self, value: int) -> int:
        for layer in self.layers:
            value = layer.forward(value, mask=2, is_causal=False)
        return value


class _Older:
    def forward(self, value: int, mask: int) -> int:
        return value * mask


class _Newer:
    def forward(self, value: int, mask: int, **more: bool) -> int:
        return value + mask + 10 * len(more)


def test_without_later_arguments__layer_that_knows_none_of_them__is_not_handed_them() -> None:
    encoder = TransformerEncoder(_Older(), _Newer(), _Older())
    with pytest.raises(TypeError) as caught:
        encoder.forward(3)

    assert oldnames.way_for(caught.value, encoder) == "without_later_arguments"
    assert oldnames.without_later_arguments(oldnames.without_later_arguments(encoder)) is encoder
    assert encoder.forward(3) == (3 * 2 + 2 + 10) * 2
    assert isinstance(copy.deepcopy(encoder.layers[0]), _Older)
    assert encoder.layers[0].self_attn.batch_first is False
    assert encoder.layers[1].self_attn.batch_first is False
    assert oldnames.way_for(AttributeError("'_Older' object has no attribute 'self_attn'"), encoder)
    assert oldnames.way_for(TypeError("unexpected keyword argument 'mask'"), encoder) == ""
