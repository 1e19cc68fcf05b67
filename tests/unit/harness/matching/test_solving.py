"""Arguments solved from shapes."""

from __future__ import annotations

from typing import Any

from dnnbox.harness.matching.building import Fit
from dnnbox.harness.matching.candidates import Call
from dnnbox.harness.matching.solving import Solver
from dnnbox.harness.matching.weights import Shapes


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


def _blocks(widths: list[int], side: int = 256, light: bool = False) -> Shapes:
    """Two convolutions for each width but the first, and a layer for all places unless it is light."""
    shapes: Shapes = {f"convs.{n}.weight": (widths[0], 3) for n in range(2 * (len(widths) - 1))}
    return {**shapes, "fc.weight": (8, 8 if light else side * side // 2)}


def _attempt(wanted: Shapes, call: Call) -> Fit | None:
    try:
        return Fit(wanted, _blocks(**call.kwargs))
    except (TypeError, IndexError):
        return None


def test_solve__list_that_makes_two_items_of_each__is_as_long_as_they_say() -> None:
    wanted = _blocks([3] * 5)
    solver = Solver(lambda call: _attempt(wanted, call), wanted, {}, lambda: True)

    call, _ = solver.solve(Call("net.py:Net", {"widths": [3, 3, 3]}, "", 0), _blocks)

    assert call.kwargs["widths"] == [3] * 5


def test_solve__switch_and_a_size_that_would_do_as_well__the_switch_is_changed() -> None:
    wanted = _blocks([3, 3], light=True)
    solver = Solver(lambda call: _attempt(wanted, call), wanted, {}, lambda: True)

    call, fit = solver.solve(Call("net.py:Net", {"widths": [3, 3], "side": 256, "light": False}, "", 0), _blocks)

    assert fit is not None
    assert fit.strict
    assert (call.kwargs["side"], call.kwargs["light"]) == (256, True)


def test_solve__name_of_a_variant__is_one_that_stands_beside_it_in_the_source() -> None:
    sizes = {"b0": 16, "b1": 32, "b3": 48}

    def attempt(call: Call) -> Fit | None:
        name = call.kwargs["name"]
        return Fit(_net(48), _net(sizes[name])) if name in sizes else None

    solver = Solver(attempt, _net(48), {}, lambda: True, {"b0": ["b1", "b3"]})
    call, fit = solver.solve(Call("net.py:Net.from_name", {"name": "b0"}, "", 0), lambda name: None)

    assert fit is not None
    assert call.kwargs == {"name": "b3"}
