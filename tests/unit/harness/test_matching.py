"""The half of the matching that runs in the box, as far as it needs no framework: shapes, settings, stand-ins."""

from __future__ import annotations

import importlib
import inspect
import itertools
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness import memory
from dnnbox.harness.matching import arguments, comparing, compiler, forwarding, match_job, search, standins
from dnnbox.harness.matching.budget import Budget
from dnnbox.harness.matching.building import Builder, Fit, TooLong, at_most
from dnnbox.harness.matching.candidates import Call, Candidates
from dnnbox.harness.matching.importing import Source
from dnnbox.harness.matching.room import bounded
from dnnbox.harness.matching.solving import Solver
from dnnbox.harness.matching.weights import Shapes

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


@pytest.fixture(autouse=True)
def _unchanged_imports() -> Iterator[None]:
    """Take away what a test imported or stood in for."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    standins.FINDER.names.clear()
    for finder in (standins.FINDER, standins._AFTER_IMPORT):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def _net(width: int = 4, depth: int = 1, side: int = 28, mode: str = "plain") -> Shapes:
    """The shapes of an imagined network: width in a line, side squared, depth as a number of items."""
    shapes: Shapes = {"pos": (1, (side // 14) ** 2 + 1, width), "head": (10, width)}
    shapes.update({f"blocks.{n}.weight": (width, 4 * width) for n in range(depth)})
    return {**shapes, "gate": (width,)} if mode == "gated" else shapes


def _solved(wanted: Shapes, **begin: Any) -> tuple[Call, Fit | None]:
    def attempt(call: Call) -> Fit | None:
        try:
            return Fit(wanted, _net(**call.kwargs))
        except (TypeError, ValueError, ZeroDivisionError):
            return None

    solver = Solver(attempt, wanted, {"mode": ["plain", "gated"]}, lambda: True)
    return solver.solve(Call("net.py:Net", begin, "test", 0), _net)


def test_solve__argument_that_changes_no_shape__is_left_after_a_few_tries() -> None:
    seen: list[int] = []

    def attempt(call: Call) -> Fit:
        seen.append(call.kwargs["rate"])
        return Fit(_net(8), _net(call.kwargs["width"]))

    call, fit = Solver(attempt, _net(8), {}, lambda: True).solve(
        Call("net.py:Net", {"rate": 0, "width": 4}, "", 0), _net
    )

    assert fit is not None
    assert fit.strict
    assert call.kwargs["rate"] == 0
    assert len(set(seen)) <= 8


def test_solve__width_depth_and_a_squared_side__are_calculated() -> None:
    call, fit = _solved(_net(384, 12, 518))

    assert fit is not None
    assert fit.strict
    assert (call.kwargs["width"], call.kwargs["depth"], call.kwargs["side"]) == (384, 12, 518)
    assert call.origin == "solved from shapes"


def test_solve__word_that_adds_a_tensor__is_chosen() -> None:
    call, fit = _solved(_net(8, 2, 28, "gated"))

    assert fit is not None
    assert fit.strict
    assert call.kwargs["mode"] == "gated"


def test_solve__list_becomes_shorter__its_last_items_are_left_alone() -> None:
    wanted = _stages([16, 32], 7)

    solver = Solver(lambda call: Fit(wanted, _stages(**call.kwargs)), wanted, {}, lambda: True)
    call, fit = solver.solve(Call("net.py:Net", {"widths": [4, 8, 16, 64], "classes": 10}, "test", 0), _stages)

    assert call.kwargs == {"widths": [16, 32], "classes": 7}
    assert fit is not None
    assert fit.strict


def test_solve__arguments_that_are_right__cost_one_build_each() -> None:
    wanted, tries = _stages([16, 32, 64], 7), []

    def attempt(call: Call) -> Fit:
        tries.append(call)
        return Fit(wanted, _stages(**call.kwargs))

    solver = Solver(attempt, wanted, {}, lambda: True)
    call, fit = solver.solve(Call("net.py:Net", {"widths": [16, 32, 64], "classes": 10}, "test", 0), _stages)

    assert fit is not None
    assert fit.strict
    assert call.kwargs["classes"] == 7
    assert len(tries) < 10


def _stages(widths: list[int], classes: int) -> Shapes:
    return {"head": (classes,), **{f"stages.{number}.weight": (width, 3) for number, width in enumerate(widths)}}


def test_fit__one_shape_differs__is_not_strict_and_says_which() -> None:
    fit = Fit({"a": (2, 3), "b": (1,)}, {"a": (2, 4), "c": (1,)})

    assert not fit.strict
    assert (fit.differing, fit.missing, fit.unexpected) == (["a"], ["c"], ["b"])


def test_fit__computed_buffers_on_one_side_only__is_strict() -> None:
    assert Fit({"a": (2,), "total_ops": (1,)}, {"a": (2,), "attn_mask": (3, 3)}).strict
    assert not Fit({"a": (2,), "attn_mask": (4, 4)}, {"a": (2,), "attn_mask": (3, 3)}).strict
    assert not Fit({"total_ops": (1,)}, {"attn_mask": (1,)}).strict


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


@pytest.mark.parametrize("limits", [(0.05, 60.0), (60.0, 0.05)])
def test_at_most__processor_or_clock_is_used_up__stops(limits: tuple[float, float]) -> None:
    with pytest.raises(TooLong), at_most(*limits):
        sum(0 for _ in itertools.count())


def test_at_most__waiting_costs_no_processor__goes_on() -> None:
    with at_most(0.05, 60.0):
        time.sleep(0.1)


def test_budget__part_that_is_used_up__does_not_end_the_whole() -> None:
    budget = Budget(cpu_s=60.0, wall_s=600.0)

    with budget.part(-1.0):
        assert not budget.goes_on()
    assert budget.goes_on()
    assert not budget.ran_out


@pytest.mark.parametrize("limits", [{"cpu_s": -1.0}, {"wall_s": -1.0}], ids=["processor", "clock"])
def test_budget__used_up__ends_the_search_and_leaves_time_to_compare(limits: dict[str, float]) -> None:
    budget = Budget(**limits)

    assert not budget.goes_on()
    assert budget.ran_out
    if "cpu_s" in limits:
        budget.compare()
        assert budget.goes_on()


def test_budget__one_call__gets_no_more_than_is_left_on_the_clock() -> None:
    budget = Budget(wall_s=10.0)

    assert budget.seconds(60.0) <= 10.0
    assert budget.seconds(0.6) == pytest.approx(0.6)


def test_match_job__last_moment_does_not_end_the_process__the_search_still_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came = threading.Event()

    class Slow:
        def __init__(self, *_: Any) -> None:
            pass

        def run(self) -> None:
            assert came.wait(10.0)

        def answer(self) -> dict[str, Any]:
            return {"matches": []}

    monkeypatch.setattr(search, "Search", Slow)
    request = types.SimpleNamespace(work={"plan": {}, "seconds": 0.05}, sys_path=[], checkpoint="w.pt")
    context: Any = types.SimpleNamespace(request=request, fields={}, leave=lambda _: came.set(), enter=lambda _: None)

    match_job(context)

    assert context.fields["findings"] == {"match": {"matches": []}}


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


@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_bounded__more_than_the_box_has__fails_like_any_other_call() -> None:
    room = 64 << 20

    with bounded(int((memory.status()["VmRSS"] + room) / 0.8)):
        with pytest.raises(MemoryError):
            bytearray(8 * room)
        assert len(bytearray(room // 8)) == room // 8

    assert len(bytearray(8 * room)) == 8 * room


def test_fuller__function_for_a_part_returns_the_whole__fits_all_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [{"name": "whole", "prefix": ""}, {"name": "base", "prefix": "base."}]
    wanted: dict[str, Shapes] = {"whole": {"base.w": (2,)}, "base": {"w": (2,)}}
    found = object.__new__(search.Search)
    found.plan = {"views": views}
    monkeypatch.setattr(found, "wanted", lambda view: wanted[view["name"]], raising=False)
    monkeypatch.setattr(search, "best_fit", lambda shapes, made: (Fit(shapes, made), ""))

    view, fit, _ = found._fuller(views[1], {"base.w": (2,)}, Fit(wanted["base"], {"base.w": (2,)}), "")

    assert view["name"] == "whole"
    assert fit is not None
    assert fit.strict


def test_argument__mapping_and_list_of_mappings__get_what_the_method_reads() -> None:
    def forward(data: Any, batch: Any) -> Any:
        if "mask" in data:
            return data["mask"]
        return data["image"], [one["size"] for one in batch]

    parameters = list(inspect.signature(forward).parameters.values())
    layers = {"tokens": 0, "mel": 0}
    made = [arguments.argument(None, layers, p, ("float32", [1, 1, 64, 48], "", 0), 0, forward) for p in parameters]

    assert made == [{"image": {"$tensor": ["float32", [1, 1, 64, 48], 0]}}, [{"size": {"$tuple": [48, 48]}}]]
    resized = comparing.resized({"method": "", "args": made[:1], "kwargs": {}})
    assert resized[0]["args"] == [{"image": {"$tensor": ["float32", [1, 1, 60, 44], 0]}}]


def test_candidates__what_says_nothing_and_what_is_unknown__is_left_out_and_begun() -> None:
    def net(sources: Any, checkpoint: str | None = None, width: int = 4, inner: int | None = None) -> None:
        raise NotImplementedError

    kwargs = {"checkpoint": "w/tiny.pt", "width": 8, "inner": -1}
    calls = _calls({}, net, [{"callee": "net.py:Net", "how": "call", "args": [], "kwargs": kwargs, "where": "a.py:1"}])

    assert all(not {"checkpoint", "inner"} & set(call.kwargs) for call in calls)
    assert {"sources": [2, 2, 2, 2], "width": 8} in [call.kwargs for call in calls]


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


def test_built__module_that_only_the_build_asks_for__is_stood_in() -> None:
    found = object.__new__(search.Search)
    found.source = Source(["/nowhere"], {})
    builder: Any = types.SimpleNamespace(build=lambda *_, **__: importlib.import_module("nowhere_d.losses").weight)

    assert isinstance(found._built(builder, Call("net.py:Net", {}, "test", 0), True), standins.Anything)
    assert found.source.missing == ["nowhere_d"]


def test_candidates__switches_for_somebodys_weights__are_off() -> None:
    def net(
        bb_pretrained: bool = True, pretrained: str = "imagenet", pretrain_size: int = 8, fp16: bool = True
    ) -> None:
        raise NotImplementedError

    assert _calls({}, net)[0].kwargs == {"bb_pretrained": False, "pretrained": False, "fp16": False}


def test_argument__shape_in_the_docstring__is_taken() -> None:
    def forward(images: Any, points: Any, labels: Any) -> Any:
        """Answers.

        Args:
            points (Tensor): a tensor of shape [B, num_queries, 2]
            labels: whatever
        """

    parameters = list(inspect.signature(forward).parameters.values())
    layers = {"tokens": 0, "mel": 0}
    guess = ("float32", [1, 3, 64, 64], "", 0)
    made = [arguments.argument(None, layers, p, guess, place, forward) for place, p in enumerate(parameters)]

    assert [value["$tensor"][1] for value in made] == [[1, 3, 64, 64], [1, 2, 2], [1, 3, 64, 64]]


@pytest.mark.parametrize(
    ("view", "whole_score", "is_enough"),
    [("whole", 0.9, True), ("part", 0.9, False), ("part", 0.1, True), ("most", 0.9, True)],
)
def test_is_found__part_of_what_another_class_explains__is_not_enough(
    view: str, whole_score: float, is_enough: bool
) -> None:
    found = object.__new__(search.Search)
    sizes = {"whole": (100, 0), "part": (60, 40), "most": (95, 5)}
    views = [{"name": name, "count": count, "left_out": out} for name, (count, out) in sizes.items()]
    found.views = {each["name"]: each for each in views}
    found.plan = {"classes": [{"ref": "net.py:Net", "view": "whole", "score": whole_score}]}
    found.strict = [types.SimpleNamespace(view=found.views[view])]  # type: ignore[list-item]

    assert found._is_found() is is_enough


def test_pyramid__maps_that_are_taken_by_number__are_as_wide_as_the_module_says() -> None:
    class Decoder:
        def __init__(self) -> None:
            self.scales, self.widths = range(4), [64, 128, 256]

        def forward(self, features: Any) -> Any:
            return features[-1] + features[0]

        def whole(self, features: Any) -> Any:
            return features + features[:, 0]

    made = Decoder()

    assert [each["$tensor"][1] for each in arguments.pyramid(made, made.forward, "features")] == [
        [1, 64, 64, 64],
        [1, 128, 32, 32],
        [1, 256, 16, 16],
    ]
    assert arguments.pyramid(made, made.whole, "features") == []


def test_on_cpu__tensor_of_a_gpu__is_made_by_torchs_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = types.ModuleType("torch")
    torch.FloatTensor = lambda *sizes: ("made", sizes)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(standins, "NOTED", [])

    kind = standins._on_cpu("FloatTensor")

    assert kind(2, 3) == ("made", (2, 3))
    assert not isinstance(3.0, kind)
    assert standins.NOTED == ["torch.cuda.FloatTensor"]


def test_pictures__first_convolution_after_space_to_depth__three_channels_are_tried_too() -> None:
    module = types.SimpleNamespace(named_modules=list)

    shapes = [shape for shape, _ in forwarding._pictures(module, {"channels": 12})]
    plain = [shape for shape, _ in forwarding._pictures(module, {"channels": 3})]

    assert shapes[:2] == [[1, 12, 64, 64], [1, 3, 64, 64]]
    assert plain[:2] == [[1, 3, 64, 64], [1, 3, 224, 224]]


def test_ladder__convolution_over_one_channel__is_given_waveforms_without_channels_too() -> None:
    layers = {"kind": "conv1d", "channels": 1, "mel": 1, "tokens": 0}

    shapes = [shape for _, shape, _, _ in forwarding._ladder(None, layers, "wave")]

    assert [1, 1, 16000] in shapes
    assert [1, 16000] in shapes


def test_pictures__first_convolution_takes_two_pictures__both_numbers_of_channels_are_tried() -> None:
    first = types.SimpleNamespace(in_channels=6)
    module = types.SimpleNamespace(named_modules=lambda: iter(()))

    shapes = [shape for shape, _ in forwarding._pictures(module, {"channels": 3, "first": first})]

    assert shapes[:2] == [[1, 3, 64, 64], [1, 6, 64, 64]]
