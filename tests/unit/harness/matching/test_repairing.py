"""Inputs changed by what the errors of a module say; the modules here only count sizes, and speak as torch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dnnbox.harness.matching.repairing import OutOfTime, beginnings, repaired
from dnnbox.harness.matching.values import tensor

Shape = tuple[int, ...]


def _first(module: Callable[..., Any], *shapes: list[int], tokens: int = 0) -> list[Any]:
    """Return the inputs that a module takes in the end, as shapes."""
    spec = {"method": "", "args": [tensor("float32", shape) for shape in shapes], "kwargs": {}, "why": ""}

    def shape_of(value: Any) -> Any:
        return [shape_of(each) for each in value] if isinstance(value, list) else tuple(value["$tensor"][1])

    def call(tried: dict[str, Any]) -> Any:
        return module(*map(shape_of, tried["args"])) or [1.0]

    found = next(spec for spec, outputs, _ in repaired(beginnings(spec), tokens, call) if outputs)
    return [shape_of(value) for value in found["args"]]


def _convolution(got: int, wanted: int) -> None:
    if got != wanted:
        raise RuntimeError(
            f"Given groups=1, expected input[1, {got}, 9] to have {wanted} channels, but got {got} channels instead"
        )


def _product(rows: int, got: int, wanted: int) -> None:
    if got != wanted:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{got} and {wanted}x8)")


def test_repaired__label_that_becomes_channels__is_as_wide_as_the_convolution_lacks() -> None:
    def generator(x: Shape, c: Shape) -> None:
        if len(c) != 2:
            raise RuntimeError("shape '[1, 8, 1, 1]' is invalid for input of size 32768")
        _convolution(x[1] + c[1], 8)

    assert _first(generator, [1, 8, 64, 64], [1, 8, 64, 64]) == [(1, 3, 64, 64), (1, 5)]


def test_repaired__features_and_a_graph__are_a_matrix_and_a_square() -> None:
    def attention(x: Shape, adjacency: Shape) -> None:
        if len(x) != 2:
            raise RuntimeError("self must be a matrix")
        _product(x[0], x[1], 1433)
        if adjacency != (x[0], x[0]):
            raise RuntimeError(
                f"The size of tensor a ({adjacency[1]}) must match the size of tensor b (7) at dimension 2"
            )

    x, adjacency = _first(attention, [1, 3, 64, 64], [1, 3, 64, 64])

    assert x[1] == 1433
    assert adjacency == (x[0], x[0])


def test_repaired__several_series_with_time_last__get_their_own_numbers_of_features() -> None:
    def forecast(x: Shape, marks: Shape, y: Shape, y_marks: Shape) -> None:
        for values, times in ((x, marks), (y, y_marks)):
            _convolution(values[2], 7)
            _product(values[1], times[2], 4)

    assert _first(forecast, *[[1, 7, 128]] * 4) == [(1, 7, 7), (1, 7, 4)] * 2


def test_repaired__points_that_are_doubled_with_their_neighbours__fit_by_their_share() -> None:
    def points(x: Shape) -> None:
        if len(x) != 3:
            raise ValueError("too many values to unpack (expected 3)")
        _convolution(2 * x[1], 6)

    assert _first(points, [1, 6, 64, 64])[0][:2] == (1, 3)


def test_repaired__tuple_of_words_and_lengths__is_given_as_one() -> None:
    def text(x: Any) -> None:
        if not isinstance(x, list):
            raise ValueError("not enough values to unpack (expected 2, got 1)")
        if x[0][1] < 32:
            raise RuntimeError("Given input size: (8x1x16). Calculated output size: (8x1x0). Output size is too small")

    spec = {"method": "", "args": [tensor("int64", [1, 16], 9)], "kwargs": {}}

    def call(tried: dict[str, Any]) -> Any:
        value = tried["args"][0]
        text([each["$tensor"][1] for each in value] if isinstance(value, list) else value)
        return [1.0]

    ends = [(given["args"], outputs) for given, outputs, _ in repaired(beginnings(spec), 9, call)]

    assert ends[0] == ([[tensor("int64", [1, 32], 9)] * 2], [1.0])


def test_repaired__error_that_stays__ends_and_no_time_ends_at_once() -> None:
    calls: list[Any] = []

    def deaf(_: dict[str, Any]) -> Any:
        calls.append(1)
        raise RuntimeError("expected input[1, 5, 9] to have 7 channels, but got 5 channels instead")

    def late(_: dict[str, Any]) -> Any:
        calls.append(1)
        raise OutOfTime

    spec = {"method": "", "args": [tensor("float32", [1, 3, 64, 64])] * 2, "kwargs": {}}

    assert all(outputs is None for _, outputs, _ in repaired(beginnings(spec), 0, deaf))
    assert len(calls) < 200
    calls.clear()
    assert [error for _, _, error in repaired(beginnings(spec), 0, late)] == [""]
    assert len(calls) == 1


@pytest.mark.parametrize("argument", [1, None, {"image": tensor("float32", [1, 3, 8, 8])}])
def test_beginnings__first_input_is_no_tensor__there_are_none(argument: Any) -> None:
    assert beginnings({"method": "", "args": [argument], "kwargs": {}}) == []


def test_repaired__change_that_fails_earlier__is_left_for_one_that_leads_on() -> None:
    def forecast(series: Shape, marks: Shape, future: Shape, future_marks: Shape) -> None:
        if len({len(shape) for shape in (series, marks, future, future_marks)} | {3}) > 1:
            raise RuntimeError("four series")
        if series[2] != future[2]:
            raise RuntimeError(
                "Sizes of tensors must match except in dimension 1. "
                f"Expected size {series[2]} but got size {future[2]} for tensor number 1 in the list."
            )
        _convolution(series[2], 7)
        _product(series[1], marks[2], 4)
        _product(future[1], future_marks[2], 4)
        if future_marks[1] != 144:
            raise RuntimeError(f"The size of tensor a (144) must match the size of tensor b ({future_marks[1]})")

    found = _first(forecast, *[[1, 7, 128]] * 4)

    assert [found[0][2], found[1][2], found[2][2], found[3]] == [7, 4, 7, (1, 144, 4)]


def test_repaired__index_outside_of_a_small_vocabulary__is_one_of_the_first_words() -> None:
    spec = {"method": "", "args": [tensor("int64", [1, 16], 9000)] * 2, "kwargs": {}, "why": ""}

    def call(tried: dict[str, Any]) -> Any:
        if tried["args"][1]["$tensor"][2] > 3:
            raise IndexError("index out of range in self")
        return [1.0]

    found = next(spec for spec, outputs, _ in repaired(beginnings(spec), 9000, call) if outputs)

    assert [value["$tensor"][2] for value in found["args"]] == [9000, 2]


def test_repaired__sizes_that_are_taken_apart__the_input_has_as_many_dimensions() -> None:
    def decoder(text: Shape, mel: Shape) -> None:
        if len(mel) != 3:
            raise ValueError(f"not enough values to unpack (expected 3, got {len(mel)})")
        _convolution(mel[1], 80)

    assert _first(decoder, [1, 16], [1, 16]) == [(1, 16), (1, 80, 64)]


def test_repaired__flat_features_of_a_picture__its_sides_follow_their_area() -> None:
    def critic(picture: Shape) -> None:
        left = 32 * (picture[2] // 16) ** 2
        if left % 288:
            raise RuntimeError(f"shape '[-1, 288]' is invalid for input of size {left}")
        if left != 288:
            raise RuntimeError(f"Input batch size {left // 288} doesn't match hidden0 batch size 1")

    assert _first(critic, [1, 3, 64, 64]) == [(1, 3, 48, 48)]
    assert _first(critic, [1, 3, 288, 288]) == [(1, 3, 48, 48)]


def test_repaired__tuple_of_inputs__its_first_one_is_changed() -> None:
    spec = {"method": "", "args": [{"$tuple": [tensor("float32", [1, 4, 9]), None]}], "kwargs": {}, "why": ""}

    def call(tried: dict[str, Any]) -> Any:
        _convolution(tried["args"][0]["$tuple"][0]["$tensor"][1][1], 6)
        return [1.0]

    found = next(changed for changed, outputs, _ in repaired(beginnings(spec), 0, call) if outputs)
    assert found["args"] == [{"$tuple": [tensor("float32", [1, 6, 9]), None]}]


def test_repaired__features_beside_words__are_numbers_as_wide_as_their_layer() -> None:
    def caption(words: Any, features: Any) -> Any:
        if features[0] == "int64":
            raise RuntimeError("mat1 and mat2 must have the same dtype, but got Long and Float")
        _product(1, features[1][1], 512)
        return words[0] == "int64" and [1.0]

    spec = {"method": "", "args": [tensor("int64", [1, 16], 99)] * 2, "kwargs": {}}

    def call(tried: dict[str, Any]) -> Any:
        return caption(*(value["$tensor"][:2] for value in tried["args"]))

    found = next(spec for spec, outputs, _ in repaired(beginnings(spec), 99, call) if outputs)
    assert [value["$tensor"][:2] for value in found["args"]] == [["int64", [1, 16]], ["float32", [1, 512]]]


@pytest.mark.parametrize(("frames", "taken"), [(1, (8, 3, 64, 64)), (8, (1, 24, 64, 64))])
def test_repaired__clip_of_several_pictures__has_them_in_its_channels_or_in_the_batch(
    frames: int, taken: Shape
) -> None:
    def clips(x: Shape) -> None:
        pictures = x[0] * x[1] // 3 if frames > 1 else x[0]
        if pictures % 8:
            raise RuntimeError("shape '[0, 8, 64, 16, 16]' is invalid for input of size 16384")
        _convolution(x[1], 3 * frames)

    assert _first(clips, [1, 3, 64, 64]) == [taken]


def test_repaired__flat_features_of_a_small_picture__its_sides_follow_before_another_width_is_tried() -> None:
    def digits(x: Shape) -> None:
        _product(1, 16 * (x[2] // 4) * (x[3] // 4), 784)

    assert _first(digits, [1, 1, 64, 64]) == [(1, 1, 28, 28)]


@pytest.mark.parametrize("batch", [(), (1,)])
def test_repaired__matrices_beside_nodes_of_a_batch__are_squares_of_the_nodes(batch: Shape) -> None:
    def message(nodes: Shape, sent: Shape, received: Shape) -> None:
        if len(nodes) != 3:
            raise RuntimeError("nodes of several graphs")
        _product(nodes[1], nodes[2], 196)
        if {sent, received} != {(*batch, nodes[1], nodes[1])}:
            raise RuntimeError("Expected size for first two dimensions of batch2 tensor to be: [1, 8]")

    assert _first(message, *[[1, 3, 64, 64]] * 3) == [(1, 3, 196), (*batch, 3, 3), (*batch, 3, 3)]


def _masked(error: str, is_refused: Callable[[Any], bool], *shape: int) -> Any:
    """Return the mask that is given in the end where nothing was at first."""

    def call(tried: dict[str, Any]) -> Any:
        if tried["args"][1] is None:
            raise TypeError(error)
        if is_refused(tried["args"][1]):
            raise RuntimeError("another error of the mask")
        return [1.0]

    spec = {"method": "", "args": [tensor("float32", [*shape]), None], "kwargs": {}, "why": ""}
    return next(spec for spec, outputs, _ in repaired([spec], 0, call) if outputs)["args"][1]


def test_repaired__mask_that_is_calculated_with__leaves_everything_in() -> None:
    inverted = _masked("bad operand type for unary ~: 'NoneType'", lambda _: False, 1, 16, 9)
    squared = _masked("argument 'mask' must be Tensor, not bool", lambda v: len(v["$tensor"][1]) < 3, 1, 16, 9)
    counted = _masked("'NoneType' object has no attribute 'sum'", lambda v: v["$tensor"][0] == "bool", 1, 3, 64, 48)

    assert inverted == tensor("bool", [1, 16], filled=1)
    assert squared == tensor("bool", [1, 16, 16], filled=1)
    assert counted == tensor("float32", [1, 1, 64, 48], filled=1)
    with pytest.raises(StopIteration):
        _masked("nothing of the kind", lambda _: False, 1, 16, 9)


def test_repaired__state_of_another_batch__has_the_shape_that_the_layer_says() -> None:
    def call(tried: dict[str, Any]) -> Any:
        shapes = [value["$tensor"][1] for value in tried["args"][1]["$tuple"]]
        if shapes != [[2, 1, 8]] * 2:
            raise RuntimeError("Expected hidden[0] size (2, 1, 8), got [2, 16, 8]")
        return [1.0]

    state = tensor("float32", [2, 16, 8])
    args = [tensor("float32", [1, 16, 4]), {"$tuple": [state, state]}]
    spec = {"method": "", "args": args, "kwargs": {}, "why": ""}

    found = next(spec for spec, outputs, _ in repaired([spec], 0, call) if outputs)
    assert found["args"] == [args[0], {"$tuple": [tensor("float32", [2, 1, 8])] * 2}]


def test_repaired__waveform_that_gets_its_channel_in_the_code__has_a_batch_and_a_length() -> None:
    def voice(x: Shape) -> None:
        if len(x) > 2:
            raise RuntimeError(f"shape '[{x[0]}, 1, {x[1]}]' is invalid for input of size {x[0] * x[1] * x[2]}")
        if x[1] < 60_000:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (32x5 and 23x12)")

    assert _first(voice, [1, 20, 128]) == [(1, 64_000)]
