"""Sizes of a model of a hub, from what the checkpoint holds of it."""

from __future__ import annotations

from dnnbox.harness.matching.hub import differing

_VALUES = {"vocab_size": 300, "hidden_size": 8, "intermediate_size": 32, "num_hidden_layers": 3,
           "num_attention_heads": 4, "type_vocab_size": 2, "pad_token_id": 2, "is_decoder": False}  # fmt: skip


def _shapes(
    vocab: int, width: int, inner: int, layers: int, kinds: int, prefix: str = ""
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"words.weight": (vocab, width), "kinds.weight": (kinds, width)}
    for layer in range(layers):
        found[f"encoder.layer.{layer}.mix.weight"] = (width, width)
        found[f"encoder.layer.{layer}.inner.weight"] = (inner, width)
    return {prefix + name: shape for name, shape in found.items()}


def test_differing__another_model_of_the_kind__every_size_follows_and_heads_stay_as_wide() -> None:
    wanted = {**_shapes(400, 16, 64, 2, 1, "net.text."), "head.weight": (7, 16)}

    assert differing(_shapes(300, 8, 32, 3, 2), _VALUES, wanted) == {
        "vocab_size": 400, "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 8, "type_vocab_size": 1,
    }  # fmt: skip


def test_differing__the_default_model_or_none_of_it__nothing_changes() -> None:
    shapes = _shapes(300, 8, 32, 3, 2)

    assert differing(shapes, _VALUES, {**shapes, "head.weight": (7, 8)}) == {}
    assert differing(shapes, _VALUES, {"head.bias": (7,)}) == {}


def test_differing__size_that_stands_for_two_things__is_left_as_it_is() -> None:
    shapes, wanted = {"a.weight": (8, 8)}, {"a.weight": (8, 9)}

    assert differing(shapes, {"hidden_size": 8}, wanted) == {}
