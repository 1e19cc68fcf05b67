"""Inputs for a forward pass, from the module and its method."""

from __future__ import annotations

import inspect
import types
from typing import Any

import pytest

from dnnbox.harness.matching import arguments, comparing, describing, forwarding, ladder, values


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


def test_argument__things_that_are_taken_out_by_number__are_several_inputs_of_their_kind() -> None:
    def forward(inputs: Any, pictures: Any, states: Any) -> Any:
        return inputs[0] + inputs[1], pictures[0] + pictures[1] + len(pictures), states[0], states[-1]

    parameters = list(inspect.signature(forward).parameters.values())
    guess = ("int64", [1, 16], "", 90)
    made = [arguments.argument(None, {"tokens": 90, "mel": 0}, p, guess, 0, forward) for p in parameters]

    one = {"$tensor": ["int64", [1, 16], 90]}
    assert made == [[one, one], one, one]


def test_argument__lengths_beside_the_input__are_one_number_that_is_no_longer() -> None:
    def forward(inputs: Any, input_lengths: Any, length: int, timestep: Any) -> Any:
        raise NotImplementedError

    parameters = list(inspect.signature(forward).parameters.values())
    guess = ("float32", [1, 128, 80], "", 0)
    made = [arguments.argument(None, {"tokens": 0, "mel": 0}, p, guess, n, forward) for n, p in enumerate(parameters)]

    assert made[1:3] == [{"$tensor": ["int64", [1], 128]}, 1]
    assert made[3] == {"$tensor": ["int64", [1], 100]}


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


def test_pictures__first_convolution_after_space_to_depth__three_channels_are_tried_too() -> None:
    module = types.SimpleNamespace(named_modules=list)

    shapes = [shape for shape, _ in ladder._pictures(module, {"channels": 12})]
    plain = [shape for shape, _ in ladder._pictures(module, {"channels": 3})]

    assert shapes[:2] == [[1, 12, 64, 64], [1, 3, 64, 64]]
    assert plain[:2] == [[1, 3, 64, 64], [1, 3, 224, 224]]


def test_ladder__convolution_over_one_channel__is_given_waveforms_without_channels_too() -> None:
    layers = {"kind": "conv1d", "channels": 1, "mel": 1, "tokens": 0}

    shapes = [shape for _, shape, _, _ in ladder.ladder(None, layers, "wave")]

    assert [1, 1, 16000] in shapes
    assert [1, 16000] in shapes
    several = [shape for _, shape, _, _ in ladder.ladder(None, dict(layers, channels=20), "wave")]
    assert several[0] == [1, 20, 128]
    assert several[-2:] == [[1, 16000], [1, 64000]]


def test_pictures__first_convolution_takes_two_pictures__both_numbers_of_channels_are_tried() -> None:
    first = types.SimpleNamespace(in_channels=6)
    module = types.SimpleNamespace(named_modules=lambda: iter(()))

    shapes = [shape for shape, _ in ladder._pictures(module, {"channels": 3, "first": first})]

    assert shapes[:2] == [[1, 3, 64, 64], [1, 6, 64, 64]]


def test_alone__batch_that_a_source_shows__is_tried_with_one_item_first() -> None:
    def spec(*shapes: list[int]) -> dict[str, Any]:
        return {"method": "", "args": [values.tensor("float32", shape) for shape in shapes], "kwargs": {}}

    def tried(*shapes: list[int]) -> list[list[list[int]]]:
        return [[value["$tensor"][1] for value in each["args"]] for each in forwarding._alone(spec(*shapes))]

    assert tried([16, 3, 64, 64], [16, 3, 32, 32]) == [
        [[1, 3, 64, 64], [1, 3, 32, 32]],
        [[16, 3, 64, 64], [16, 3, 32, 32]],
    ]
    assert tried([16, 3, 64, 64], [4, 8]) == [[[16, 3, 64, 64], [4, 8]]]
    assert tried([1, 3, 64, 64]) == [[[1, 3, 64, 64]]]


def test_argument__parameter_that_is_asked_for_yes_or_no__is_a_switch() -> None:
    def forward(image: Any, inference: Any, mask: Any, scale: Any) -> Any:
        if not inference and mask is not None:
            return mask
        return scale if inference else image

    parameters = list(inspect.signature(forward).parameters.values())
    layers = {"tokens": 0, "mel": 0}
    guess = ("float32", [1, 3, 64, 64], "", 0)
    made = [arguments.argument(None, layers, p, guess, place, forward) for place, p in enumerate(parameters)]

    assert [value if value in (False, None) else "tensor" for value in made] == ["tensor", False, None, "tensor"]


def test_main_shapes__what_a_comment_says__is_tried_and_words_alone_are_not() -> None:
    def series(sounds: Any, faces: Any) -> Any:
        # sounds = (B, T, 1, 80, 16), as many as faces
        return sounds, faces

    def picture(x: Any) -> Any:  # x: [B, 3, 96, 96]
        return x

    def words(x: Any) -> Any:  # x: [Batch, Length, Channel]
        return x

    assert describing.main_shapes(series, "sounds", {}) == [[1, 1, 80, 16], [1, 2, 1, 80, 16]]
    assert describing.main_shapes(series, "faces", {}) == []
    assert describing.main_shapes(picture, "x", {}) == [[1, 3, 96, 96]]
    assert describing.main_shapes(words, "x", {}) == []
    assert describing.main_shapes(words, "x", {"Channel": 7}) == [[1, 2, 7]]


def test_specs__main_input_of_a_comment__those_beside_it_have_the_sides_of_the_source() -> None:
    class Net:
        def forward(self, sounds: Any, faces: Any) -> Any:
            # sounds = (B, 1, 80, 16)
            raise NotImplementedError

        def named_modules(self) -> list[Any]:
            return []

    first = next(iter(forwarding._specs(Net(), {"examples": [], "sides": [96]})))

    assert [value["$tensor"][1] for value in first["args"]] == [[1, 1, 80, 16], [1, 3, 96, 96]]


def test_specs__options_that_scripts_pass__come_first_and_may_be_left_out() -> None:
    class Net:
        def forward(self, x: Any, radii: Any = None) -> Any:
            raise NotImplementedError

        def named_modules(self) -> list[Any]:
            return []

    specs = list(forwarding._specs(Net(), {"examples": [], "passed": {"radii": [2, 8]}}))

    assert specs[0]["kwargs"] == {"radii": [2, 8]}
    assert specs[-1]["kwargs"] == {}
    assert specs[0]["args"] == specs[len(specs) // 2]["args"]


def test_specs__plain_values_that_the_source_gives__stand_at_their_places_first() -> None:
    class Net:
        def forward(self, one: Any, two: Any, adj: Any, sparse: Any, mask: Any, a: Any, b: Any) -> Any:
            raise NotImplementedError

        def named_modules(self) -> list[Any]:
            return []

    plain = [
        {"method": "gone", "args": {"1": 2}, "count": 2, "where": "a.py:1"},
        {"method": "", "args": {"3": True, "4": None, "5": None}, "count": 6, "where": "a.py:2"},
    ]
    first = next(iter(forwarding._specs(Net(), {"examples": [], "plain": plain})))

    assert first["args"][3:] == [True, None, None]
    assert all(values.is_tensor(value) for value in first["args"][:3])


def test_specs__plain_values_for_another_method__come_after_all_that_forward_may_take() -> None:
    class Net:
        def forward(self, ids: Any) -> Any:
            raise NotImplementedError

        def generate(self, ids: Any, count: Any) -> Any:
            raise NotImplementedError

        def named_modules(self) -> list[Any]:
            return []

    plain = [{"method": "generate", "args": {"1": 500}, "count": 2, "where": "sample.py:1"}]
    tried = [spec["method"] for spec in forwarding._specs(Net(), {"examples": [], "plain": plain})]

    assert tried == sorted(tried)
    assert {"", "generate"} == set(tried)


def test_specs__switch_between_learning_and_making__is_tried_both_ways() -> None:
    class Net:
        def forward(self, x: Any, y: Any = None, gen: bool = False, keep: bool = False) -> Any:
            return x if gen and keep else y if gen else y.mean()

        def named_modules(self) -> list[Any]:
            return []

    specs = list(forwarding._specs(Net(), {"examples": []}))[:2]

    assert [spec["kwargs"] for spec in specs] == [{}, {"gen": True}]
    assert specs[0]["args"] == specs[1]["args"]


def test_specs__label_that_a_method_asserts__is_a_word_of_its_embedding() -> None:
    class Net:
        def __init__(self) -> None:
            self.dim_z, self.label_emb = 12, types.SimpleNamespace(num_embeddings=10)

        def forward(self, z: Any, y: Any = None, other: Any = None) -> Any:
            assert (y is not None) == bool(self.label_emb)
            return self.label_emb(y)

        def named_modules(self) -> list[Any]:
            return []

    specs = list(forwarding._specs(Net(), {"examples": []}))

    assert [spec["args"] for spec in specs[:2]] == [[values.tensor("float32", [1, 12])]] * 2
    assert [spec["kwargs"] for spec in specs[:2]] == [{}, {"y": values.tensor("int64", [1], 10)}]


def test_weighted__class_whose_train_returns_nothing__is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.SimpleNamespace(eval=lambda: None)
    builder = types.SimpleNamespace(build=lambda *a, **k: module, tensors={})
    call = types.SimpleNamespace(callee="", kwargs={}, args=())
    monkeypatch.setattr(comparing, "_load", lambda *_: None)
    comparer = comparing.Comparer({"whole": builder}, lambda: True, float)
    monkeypatch.setattr(comparer, "_seeded", lambda *_: {})

    assert comparer._weighted(types.SimpleNamespace(view={"name": "whole"}, call=call, access="")) is module


def test_finite__numbers_without_an_end__are_calls_that_make_them() -> None:
    made = values.finite({"most": float("inf"), "limits": (1.5, [float("-inf")]), "name": "inf"})

    most, least = ({"$call": [{"$ref": "builtins:float"}, [text], {}]} for text in ("inf", "-inf"))
    assert made == {"most": most, "limits": [1.5, [least]], "name": "inf"}


def test_calmed__model_that_was_called_before__is_as_fresh_for_smaller_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = types.SimpleNamespace(tensors={})
    comparer = comparing.Comparer({"whole": builder}, lambda: True, float)
    module, match = types.SimpleNamespace(width=3), types.SimpleNamespace(view={"name": "whole"})
    fresh = dict(vars(module))
    module.seen = 1  # as a method does that another one reads
    held = []
    monkeypatch.setattr(comparing, "_load", lambda module, tensors: held.append(dict(vars(module))))
    monkeypatch.setattr(comparing, "seeded", lambda tensors, scale: {})
    monkeypatch.setattr(comparing.calling, "all_finite", lambda outputs: outputs == ["finite"])
    monkeypatch.setattr(comparer, "_first", lambda module, match: (["finite"], {"method": ""}, []))

    again = comparer._calmed(module, match, (["infinite"], {"method": ""}, []), fresh)

    assert again[0] == ["finite"]
    assert held == [{"width": 3}]
