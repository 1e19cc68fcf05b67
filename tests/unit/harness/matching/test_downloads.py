"""What would fetch weights of others while a model is built."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.matching import downloads, standins
from dnnbox.harness.matching.downloads import Downloads
from dnnbox.harness.matching.importing import Source

_FETCHES = """
class URLError(OSError):
    pass

def fetch(url, path):
    raise ValueError from URLError(url)
"""
_CHECKS = """
from fetches_it import fetch

def ckpt_path(name):
    fetch("https://nowhere", name)
    assert open(name).read() == "sum"
    return name

class Part:
    width = 4
    def __init__(self):
        self.state = self.load_pretrained()
    def load_pretrained(self):
        return read(ckpt_path("part.pth"))

class Alone(Part):
    def __init__(self):
        self.state = self.make_net()
    def make_net(self):
        return fetch("https://nowhere", "")["weight"] is not None and self

def read(path):
    return {} if isinstance(path, dict) else open(path)
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module whose parts fetch weights, and the search for what to leave out."""
    monkeypatch.setattr(standins, "NOTED", [])
    (tmp_path / "fetches_it.py").write_text(_FETCHES)
    (tmp_path / "checks_it.py").write_text(_CHECKS)
    return Source([str(tmp_path)], {}).module("checks_it.py"), Downloads([str(tmp_path)])


def test_built__part_that_fetches_weights__is_built_without_them(parts: Any) -> None:
    module, fetching = parts

    made = fetching.built(module.Part, lambda _: False)

    assert (made.width, made.state) == (4, {})
    assert standins.NOTED == ["loads nothing: checks_it:ckpt_path"]
    assert "URLError" in sys.modules["fetches_it"].fetch.__code__.co_names  # what did not help is back


def test_built__other_errors_and_what_makes_a_part__are_left_alone(parts: Any) -> None:
    module, fetching = parts
    fetching.built(module.Part, lambda _: False)
    kept = module.Alone.make_net

    assert fetching.built(module.Alone, lambda _: False).state.width == 4  # it fetches nothing, and takes that apart
    with pytest.raises(ZeroDivisionError):
        fetching.built(lambda: 1 / 0, lambda _: False)
    assert module.Alone.make_net is kept


def test_load_nothing__module_that_comes_later__is_changed_before_others_take_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "later_fetch.py").write_text("def one():\n    return 1\ndef two():\n    return 2\n")
    (tmp_path / "later_use.py").write_text("from later_fetch import one, two\n")
    for name in ("one", "two"):
        downloads.load_nothing(f"later_fetch:{name}")

    used: Any = __import__("later_use")

    assert isinstance(used, types.ModuleType)
    assert used.one("a", b=1) == used.two() == {}
