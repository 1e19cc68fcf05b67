"""Inputs that are objects of several tensors, by what is read from them."""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

import pytest

from dnnbox.harness.matching import calling, receiving, things, unpacking, values


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tensor be what has a shape: only its attributes are asked for."""
    stub: Any = types.SimpleNamespace(Tensor=types.SimpleNamespace(shape=0, device=0))
    monkeypatch.setitem(sys.modules, "torch", stub)


def _layer(kind: str, module: str = "torch.nn.modules.stub", **attributes: Any) -> Any:
    layer = type(kind, (), {"__module__": module, "forward": lambda self, x, edge_index: x})()
    vars(layer).update(attributes)
    return layer


class Graphs:
    """Takes nodes and edges of one object, in a loop over its layers, and the nodes' graphs in another method."""

    def __init__(self) -> None:
        layers = _layer("ModuleList")
        type(layers).__iter__ = lambda self: iter([_layer("Conv", "torch_geometric.nn", in_channels=7)])
        type(layers).__len__ = lambda self: 1
        self.convs, self.edges = layers, _layer("Linear", in_features=3)

    def modules(self) -> list[Any]:
        return []

    def pooled(self, x: Any, data: Any) -> Any:
        return x[data.batch], data.num_graphs

    def forward(self, data: Any, plain: Any) -> Any:
        data = data.to(plain.device)
        x, edge_index = data.x, data.edge_index
        weights = self.edges(data.edge_attr)
        for _, conv in enumerate(self.convs):
            x = conv(x, edge_index, weights)
        return self.pooled(x, data)


def test_things__attributes_that_no_tensor_has__are_nodes_edges_and_graphs() -> None:
    module = Graphs()
    needed = list(inspect.signature(module.forward).parameters.values())

    found = things.things(module, module.forward, needed, 64)

    assert list(found) == ["data"]
    assert found["data"]["$object"] == {
        "x": values.tensor("float32", [32, 7]),
        "edge_index": values.tensor("int64", [2, 64], 32),
        "edge_attr": values.tensor("float32", [64, 3]),
        "batch": values.tensor("int64", [32], 1),
        "num_graphs": 1,
    }


def test_things__mask_beside_a_picture__leaves_nothing_out() -> None:
    class Net:
        def __init__(self) -> None:
            self.body = _layer("Conv2d", in_channels=3)

        def forward(self, samples: Any) -> Any:
            return self.body(samples.tensors), samples.mask

        def modules(self) -> list[Any]:
            return []

    module = Net()
    needed = list(inspect.signature(module.forward).parameters.values())

    assert things.things(module, module.forward, needed, 64)["samples"]["$object"] == {
        "tensors": values.tensor("float32", [1, 3, 64, 64]),
        "mask": values.tensor("bool", [1, 64, 64], filled=0),
    }


def test_first_layer__loop_over_parts__is_that_of_the_first_one() -> None:
    module = Graphs()

    received = receiving.first_layer(module, module.forward, "data.x")

    assert received is not None
    assert receiving.is_graph_layer(received.layer)


def test_beside__graphs_of_nodes__are_one_where_edges_are_given() -> None:
    module: Any = types.SimpleNamespace(modules=list)

    def forward(x: Any, edge_index: Any, batch: Any) -> Any:
        return x, edge_index, batch

    assert unpacking.beside(module, forward, "batch", [32, 7]) == values.tensor("int64", [32], 1)


def test_made__object__has_its_things_and_stays_where_it_is() -> None:
    made = calling.made({"$object": {"count": 3, "pair": {"$tuple": [1, 2]}}})

    assert (made.count, made.pair) == (3, (1, 2))
    assert made.to("cpu") is made
