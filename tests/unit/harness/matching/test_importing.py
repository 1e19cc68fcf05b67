"""Sources imported with what is not installed stood in for."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.matching import compiler, search, standins
from dnnbox.harness.matching.building import Builder
from dnnbox.harness.matching.candidates import Call
from dnnbox.harness.matching.downloads import Downloads
from dnnbox.harness.matching.importing import Source

_NEEDS = """
import nowhere_a
from nowhere_b.deep import Thing, tool

@tool
def kept():
    return 5

class Own(Thing):
    pass

try:
    import nowhere_c
    HAS = True
except ImportError:
    HAS = False
"""


def test_source__missing_module__is_stood_in_only_after_its_import_failed(tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text(_NEEDS)
    source = Source([str(tmp_path)], {"needs": [""]})

    module = source.module("needs.py")

    assert source.missing == ["nowhere_a", "nowhere_b"]
    assert module.HAS is False
    assert module.kept() == 5
    assert module.Own()


def test_source__sibling_in_a_folder__is_put_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "part_of_core.py").write_text("X = 1\n")
    (tmp_path / "core" / "whole_core.py").write_text("from part_of_core import X\n")
    source = Source([str(tmp_path)], {"core": [""], "part_of_core": ["core"], "whole_core": ["core"]})

    assert source.resolve("core/whole_core.py:X") == 1
    assert source.relative_paths() == [".", "core"]


def test_source__module_that_its_own_package_does_not_have__is_not_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "own_layers.py").write_text("from enum import Enum\nKind = Enum('Kind', 'WIDE')\n")
    source = Source([str(tmp_path)], {"own_layers": [""]})

    with pytest.raises(ImportError):
        source.module("own_layers.Kind")

    assert source.missing == ["own_layers.Kind"]
    assert source.resolve("own_layers.py:Kind.WIDE").name == "WIDE"


def test_source__import_that_ends_the_program__is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hostile_one.py").write_text("raise SystemExit(3)\n")
    source = Source([str(tmp_path)], {"hostile_one": [""]})

    with pytest.raises(ImportError, match="does not import"):
        source.module("hostile_one.py")
    assert source.errors


def test_value__settings__note_what_is_asked_and_what_is_absent(tmp_path: Path) -> None:
    builder = Builder(Source([str(tmp_path)], {}), {})

    made = builder.value({"$settings": {"a": {"b": 2}, "c": {"$tuple": [1]}}})

    assert made.a.b == 2
    assert made["c"] == (1,)
    assert made.get("d", 7) == 7
    with pytest.raises(AttributeError):
        _ = made.e
    assert made.__dict__["absent"] == "e"


def test_stand_in__attribute_of_a_real_module__is_added() -> None:
    module = importlib.import_module("colorsys")
    standins.stand_in([], ["colorsys:not_there_yet"])
    try:
        assert module.not_there_yet(3, 4) is not None
    finally:
        del module.not_there_yet


def test_after_import__module_that_comes_later__is_changed_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "comes_later.py").write_text("class Part:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[str] = []

    standins.after_import("comes_later", lambda module: seen.append(module.Part.__name__))
    assert not seen
    importlib.import_module("comes_later")
    standins.after_import("comes_later", lambda module: seen.append(module.__name__))

    assert seen == ["Part", "comes_later"]


def test_compiler__stand_in__is_left_alone_until_something_real_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    real = types.ModuleType(compiler.NAME)
    vars(real)["optimize"] = "the real one"
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    monkeypatch.setitem(sys.modules, compiler.NAME, real)
    monkeypatch.delitem(sys.modules, compiler.NAME)
    monkeypatch.setattr(importlib, "import_module", lambda name: sys.modules.setdefault(name, real))

    compiler.leave_out()

    standing = sys.modules[compiler.NAME]
    assert standing.disable(len) is len
    assert not hasattr(standing, "__file__")
    assert sys.modules[compiler.NAME] is standing
    assert standing.optimize == "the real one"
    assert sys.modules[compiler.NAME] is real


def test_is_absent__missing_file_and_pointer__are_and_real_weights_are_not(tmp_path: Path) -> None:
    pointer, real = tmp_path / "pointer.pth", tmp_path / "real.pth"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    real.write_bytes(b"PK\x03\x04")

    assert [standins._is_absent(file) for file in (tmp_path / "no.pth", pointer, real, object())] == [
        True,
        True,
        False,
        False,
    ]


def test_no_weights__whatever_is_asked_of_them__is_no_weights() -> None:
    weights = standins.NoWeights()

    del weights["head"]

    assert isinstance(weights["model"]["ema"], standins.NoWeights)
    assert isinstance(weights.pop("optimizer"), standins.NoWeights)
    assert weights == {}


def test_source__version_of_cuda_that_torch_lacks__is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = types.ModuleType("torch")
    torch.version = types.SimpleNamespace(cuda=None)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(standins, "NOTED", [])
    (tmp_path / "asks_for_cuda.py").write_text("import torch\n\nMAJOR = int(torch.version.cuda.split('.')[0])\n")

    assert Source([str(tmp_path)], {}).module("asks_for_cuda.py").MAJOR == 0
    assert standins.NOTED == ["torch.version.cuda"]


def test_source__package_that_breaks_at_import__is_left_out_around_its_file(tmp_path: Path) -> None:
    package = tmp_path / "broken_pack"
    (package / "parts").mkdir(parents=True)
    (package / "__init__.py").write_text("assert False, 'another version of something is wanted'\n")
    (package / "parts" / "__init__.py").write_text("")
    (package / "parts" / "net.py").write_text("from ..base import WIDTH\n")
    (package / "base.py").write_text("WIDTH = 7\n")
    (package / "worse.py").write_text("raise ValueError('by itself')\n")
    source = Source([str(tmp_path)], {})

    assert source.module("broken_pack/parts/net.py").WIDTH == 7
    assert source.bare == {"broken_pack": str(package), "broken_pack.parts": str(package / "parts")}
    assert source.relative(source.bare["broken_pack"]) == "broken_pack"
    with pytest.raises(ImportError, match="by itself"):
        source.module("broken_pack/worse.py")


def test_source__module_whose_own_import_fails__keeps_its_packages(tmp_path: Path) -> None:
    package = tmp_path / "whole_pack"
    package.mkdir()
    (package / "__init__.py").write_text("KEPT = 1\n")
    (package / "bad.py").write_text("raise ValueError\n")
    source = Source([str(tmp_path)], {})

    with pytest.raises(ImportError):
        source.module("whole_pack/bad.py")

    assert source.bare == {}
    assert source.module("whole_pack/__init__.py").KEPT == 1


def test_source__file_whose_import_fails__leaves_what_was_imported_before(tmp_path: Path) -> None:
    (tmp_path / "first_net.py").write_text("class Net:\n    pass\n")
    (tmp_path / "second_net.py").write_text("import nowhere_d\nraise ValueError\n")
    source = Source([str(tmp_path)], {})
    module = source.module("first_net.py")

    with pytest.raises(ImportError):
        source.module("second_net.py")

    assert sys.modules[module.Net.__module__] is module


def test_value__object_with_attributes__has_them_set(tmp_path: Path) -> None:
    (tmp_path / "conf_with.py").write_text("from types import SimpleNamespace as N\nmade = lambda: N(a=1, b=N(c=2))\n")
    builder = Builder(Source([str(tmp_path)], {}), {})

    made = builder.value({"$with": [{"$call": [{"$ref": "conf_with.py:made"}, [], {}]}, {"a": 5, "b.c": [6]}]})

    assert (made.a, made.b.c) == (5, [6])


def test_built__module_that_only_the_build_asks_for__is_stood_in() -> None:
    found = object.__new__(search.Search)
    found.source, found.downloads = Source(["/nowhere"], {}), Downloads([])
    builder: Any = types.SimpleNamespace(build=lambda *_, **__: importlib.import_module("nowhere_d.losses").weight)

    assert isinstance(found._built(builder, Call("net.py:Net", {}, "test", 0), True), standins.Anything)
    assert found.source.missing == ["nowhere_d"]


def test_made_on_cpu__device_by_name__is_the_cpu_and_the_compiler_still_knows_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: dict[Any, str] = {}
    jit: Any = types.ModuleType("torch.jit")
    jit._builtins = types.SimpleNamespace(_find_builtin=lambda _: "aten::zeros", _register_builtin=known.__setitem__)
    monkeypatch.setitem(sys.modules, "torch.jit", jit)
    monkeypatch.setattr(standins, "NOTED", [])

    zeros = standins._made_on_cpu(lambda *sizes, **named: (sizes, named))

    assert zeros(2, 3, device="cuda:0") == ((2, 3), {"device": "cpu"})
    assert zeros(2, device="meta", dtype=float) == ((2,), {"device": "meta", "dtype": float})
    assert known == {zeros: "aten::zeros"}


def test_on_cpu__tensor_of_a_gpu__is_made_by_torchs_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = types.ModuleType("torch")
    torch.FloatTensor = lambda *sizes: ("made", sizes)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(standins, "NOTED", [])

    kind = standins._on_cpu("FloatTensor")

    assert kind(2, 3) == ("made", (2, 3))
    assert not isinstance(3.0, kind)
    assert standins.NOTED == ["torch.cuda.FloatTensor"]


def test_source__import_that_fails__leaves_what_was_imported_before(tmp_path: Path) -> None:
    (tmp_path / "held_cfg.py").write_text("cfg = {}\n")
    (tmp_path / "held_net.py").write_text("from held_cfg import cfg\n")
    (tmp_path / "held_bad.py").write_text("import held_net, held_half\nraise RuntimeError\n")
    (tmp_path / "held_half.py").write_text("")
    source = Source([str(tmp_path)], {})
    net = source.module("held_net.py")

    with pytest.raises(ImportError):
        source.module("held_bad.py")

    assert source.module("held_cfg.py").cfg is net.cfg
    assert "held_half" in sys.modules  # its only try was the last one


def test_source__module_that_a_build_would_put_into_a_folder__is_stood_in(tmp_path: Path) -> None:
    (tmp_path / "own_ops" / "compiled").mkdir(parents=True)
    (tmp_path / "own_ops" / "__init__.py").write_text("from own_ops.compiled import fast\n")
    (tmp_path / "own_ops" / "layers.py").write_text("from own_ops import fast\nSIZE = 3\n")
    source = Source([str(tmp_path)], {"own_ops": [""]})

    assert source.resolve("own_ops/layers.py:SIZE") == 3
    assert source.missing == ["own_ops.compiled.fast"]
    assert not source.bare
