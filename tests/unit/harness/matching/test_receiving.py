"""The first layer that gets an input says its shape."""

from __future__ import annotations

import inspect
import types
from typing import Any

from dnnbox.harness.matching import arguments, receiving, values

torch = None  # the code below is only read


def _layer(kind: str, **attributes: Any) -> Any:
    """Return a stand-in for a layer of torch's own, which is known by the name and the module of its class."""
    cls = type(kind, (), {"__module__": "torch.nn.modules.stub", "forward": lambda self, x: x})
    layer = cls()
    vars(layer).update(attributes)
    return layer


class Decoder:
    """Takes points as rows, and turns them before its convolution."""

    def __init__(self) -> None:
        self.points = _layer("Conv1d", in_channels=3)
        self.code = _layer("Linear", in_features=9)

    def forward(self, p: Any, code: Any) -> Any:
        p = p.transpose(1, 2)
        net = self.points(p)
        return net + self.code(code).unsqueeze(2)


class Net:
    """Hands its inputs on: by a method of its own, which is given a part as well."""

    def __init__(self) -> None:
        self.decoder, self.encoder = Decoder(), _layer("Conv2d", in_channels=4)
        self.words = _layer("Embedding", num_embeddings=30)

    def encoded(self, x: Any, layers: Any) -> Any:
        return layers(x)

    def forward(self, p: Any, pictures: Any, words: Any, other: Any) -> Any:
        code = self.encoded(pictures, self.encoder)
        return self.decode(p, code=code), self.words(words.long()), other

    def decode(self, p: Any, code: Any) -> Any:
        return self.decoder(p, code)


class Batched:
    """Takes a mapping, which another method reads."""

    def __init__(self) -> None:
        self.net = Net()
        self.first = _layer("Conv2d", in_channels=5)

    def read(self, batch: Any) -> Any:
        image = batch["image"].permute(0, 3, 1, 2)
        return self.first(image), batch["mask"]

    def forward(self, batch: Any) -> Any:
        return self.read(batch)


def _shape(module: Any, name: str, rank: int = 2) -> Any:
    received = receiving.first_layer(module, module.forward, name)
    return None if received is None else receiving.shape_of(received, rank, 64)["$tensor"]


def test_first_layer__through_methods_and_parts__says_what_each_input_is() -> None:
    net = Net()

    assert _shape(net, "p") == ["float32", [1, 64, 3], 0]
    assert _shape(net, "pictures") == ["float32", [1, 4, 64, 64], 0]
    assert _shape(net, "words") == ["int64", [1, 64], 30]
    assert _shape(net, "other") is None


def test_first_layer__layer_that_takes_any_number_of_dimensions__has_as_many_as_asked_for() -> None:
    decoder = Decoder()

    received = receiving.first_layer(decoder, decoder.forward, "code")

    assert received is not None
    assert receiving.any_rank(received)
    assert [receiving.shape_of(received, rank, 64)["$tensor"][1] for rank in (2, 3)] == [[1, 9], [1, 64, 9]]


def test_first_layer__name_that_is_given_something_else__is_no_input_any_more() -> None:
    class Net:
        def __init__(self) -> None:
            self.layer = _layer("Linear", in_features=3)

        def forward(self, x: Any) -> Any:
            x = torch.fft(x)
            return self.layer(x)

    assert _shape(Net(), "x") is None


def test_argument__mapping_that_another_method_reads__gets_its_keys_as_their_layers_want_them() -> None:
    module = Batched()
    (parameter,) = inspect.signature(module.forward).parameters.values()
    guess = ("float32", [1, 3, 32, 32], "", 0)

    made = arguments.argument(module, {"tokens": 0, "mel": 0}, parameter, guess, 0, module.forward)

    assert made == {
        "image": values.tensor("float32", [1, 32, 32, 5]),
        "mask": values.tensor("float32", [1, 3, 32, 32]),
    }


def test_shape_of__recurrent_layer__has_its_batch_where_the_layer_wants_it() -> None:
    shapes = [
        receiving.shape_of(receiving.Received(_layer("GRU", input_size=7, batch_first=is_first), []), 2, 64)
        for is_first in (True, False)
    ]

    assert [shape["$tensor"][1] for shape in shapes] == [[1, 64, 7], [64, 1, 7]]


def test_tensors_of__distribution__are_what_it_was_made_with() -> None:
    from dnnbox.harness import trees

    tensor = types.SimpleNamespace(shape=(2,), dtype="float32")

    class Plain:
        arg_constraints: Any = None

        def __init__(self, **held: Any) -> None:
            vars(self).update(held)

        def log_prob(self, value: Any) -> Any:
            return value

    inner = Plain(loc=tensor, _batch_shape=())
    assert trees.parameters_of(Plain(base_dist=inner, _event_shape=())) == [("base_dist", inner)]
    assert trees.leaves([Plain(base_dist=inner), Plain(_inner=inner)]) == [tensor, tensor]
    assert trees.parameters_of(tensor) == []


def _list(*parts: Any) -> Any:
    held = _layer("ModuleList")
    type(held).__iter__ = lambda self: iter(parts)
    type(held).__len__ = lambda self: len(parts)
    return held


def test_first_layer__columns_of_a_table__are_as_many_as_are_written_or_as_there_are_parts() -> None:
    class Table:
        def __init__(self) -> None:
            self.one = _layer("Embedding", num_embeddings=9)
            self.tables = _list(*[_layer("Embedding", num_embeddings=5) for _ in range(3)])

        def forward(self, x: Any, y: Any, z: Any) -> Any:
            first = self.one(x[:, 0]) + self.one(x[:, 3])
            second = [table(y[:, i]) for i in range(3) for table in self.tables]
            for i, table in enumerate(self.tables):
                second = table(y[:, i].long())
            third = [self.tables[i](z[:, i]) for i in range(3)]
            return first, second, third

    table = Table()

    assert _shape(table, "x") == ["int64", [1, 4], 9]
    assert _shape(table, "y") == ["int64", [1, 3], 5]
    assert _shape(table, "z") == ["int64", [1, 3], 5]
