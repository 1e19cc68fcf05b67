"""Arguments that are several things at once."""

from __future__ import annotations

import types
from typing import Any

import pytest

from dnnbox.harness.matching.unpacking import beside, flipped, unpacked
from dnnbox.harness.matching.values import tensor

np: Any = None  # the code below is only read
_MAIN = tensor("float32", [1, 1, 64, 64])


class LSTMCell:
    hidden_size = 256


class _Recurrent:
    batch_first = False

    def modules(self) -> list[Any]:
        return [self, LSTMCell()]

    def forward(self, inputs: Any) -> Any:
        inputs, (hx, cx) = inputs
        return inputs, hx, cx

    def init_hidden(self, count: int) -> list[Any]:
        made = types.SimpleNamespace(dtype="torch.float32", shape=(1, count, 8))
        return [(made, made), made]


class _Layer:
    def __call__(self, data: Any) -> Any:
        return self.forward(data)

    def forward(self, graph: Any) -> Any:
        features, edge_index = graph
        return features, edge_index


class _Graph:
    def __init__(self) -> None:
        self.layer = _Layer()

    def modules(self) -> list[Any]:
        return [self, self.layer]

    def forward(self, data: Any) -> Any:
        return self.layer(data)

    def sizes(self, data: Any) -> Any:
        return len(data), self.layer(data)

    def trained(self, data: Any, training: bool = False) -> Any:
        if training:
            data, labels = data
            return data, labels
        return self.sizes(data)

    def later(self, data: Any) -> Any:
        data = self.sizes(data)
        first, data = data
        return first, data


def test_unpacked__tuple_with_a_state__is_as_wide_as_the_recurrent_layer() -> None:
    made = unpacked(_Recurrent(), _Recurrent.forward, "inputs", _MAIN)

    state = tensor("float32", [1, 256])
    assert made == {"$tuple": [_MAIN, {"$tuple": [state, state]}]}


def test_unpacked__passed_on_to_a_layer_that_takes_it_apart__is_what_the_layer_takes() -> None:
    features = tensor("float32", [5, 16])

    assert unpacked(_Graph(), _Graph.forward, "data", features) == {"$tuple": [features, tensor("int64", [2, 64], 5)]}
    assert unpacked(_Graph(), _Graph.later, "data", features) is None
    assert unpacked(_Graph(), _Graph.sizes, "other", features) is None
    assert unpacked(_Graph(), _Graph.trained, "data", features) is None


@pytest.mark.parametrize(("shape", "count"), [([7, 16], 16), ([3], 3)])
def test_beside__state_that_the_module_makes__is_for_as_many_as_it_reads_at_once(shape: list[int], count: int) -> None:
    state = tensor("float32", [1, count, 8])

    assert beside(_Recurrent(), _Recurrent.forward, "hidden", shape) == [{"$tuple": [state, state]}, state]
    assert beside(_Recurrent(), _Recurrent.forward, "mask", shape) is None
    assert beside(_Graph(), _Graph.forward, "hidden", shape) is None


def test_unpacked__lengths_beside_a_series__are_those_of_a_batch_on_either_axis() -> None:
    class Encoder:
        def forward(self, both: Any) -> Any:
            series, series_len = both
            return series, np.sort(series_len)

    made = unpacked(Encoder(), Encoder().forward, "both", tensor("float32", [1, 16, 8]))

    series = tensor("float32", [1, 16, 8])
    assert made == {"$tuple": [series, tensor("int64", [1], filled=16, is_array=True)]}
    assert flipped(made) == {"$tuple": [series, tensor("int64", [16], filled=1, is_array=True)]}
