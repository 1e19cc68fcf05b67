"""What a method's code says of its inputs."""

from __future__ import annotations

import inspect
import types
from typing import Any

from dnnbox.harness.matching import arguments, kinds, told, values

torch = np = None  # the code below is only read


class Recommender:
    """Makes its tensors itself, of arrays."""

    def __init__(self) -> None:
        self.items = types.SimpleNamespace(num_embeddings=30, forward=lambda words: words)

    def features(self, series: Any) -> Any:
        return self.items(torch.LongTensor(series).to("cpu")) * np.tile(series, 2)

    def forward(self, users: Any, series: Any, wanted: Any, both: Any) -> Any:
        both = torch.stack(both)
        return self.features(series), self.items(torch.LongTensor(wanted).to("cpu")), torch.from_numpy(both)


def test_argument__what_the_code_makes_tensors_of__is_an_array() -> None:
    module = Recommender()
    parameters = list(inspect.signature(module.forward).parameters.values())
    guess = ("float32", [1, 16, 4], "", 0)
    layers = {"tokens": 30, "mel": 0}

    made = [arguments.argument(module, layers, p, guess, n, module.forward) for n, p in enumerate(parameters)]

    assert made == [
        values.tensor("float32", [1, 16, 4]),
        values.tensor("int64", [1, 16], 30, is_array=True),
        values.tensor("int64", [1, 16], 30, is_array=True),
        values.tensor("float32", [1, 16, 4]),
    ]


def test_used__subscripts_and_sizes__say_how_many_dimensions() -> None:
    class Part:
        def forward(self, places: Any, mask: Any) -> Any:
            return places[:, :, 2, :] - places[:, :, 0, :], mask[:, None, :]

    class Net:
        def __init__(self) -> None:
            self.part = Part()

        def forward(self, places: Any, mask: Any, pictures: Any, rest: Any) -> Any:
            _, _, height, width = pictures.shape
            return self.part(places, mask=mask), rest.view([mask.size(0), mask.size(1), height, width])

    net = Net()
    uses = [kinds.used(net, net.forward, name) for name in ("places", "mask", "pictures", "rest")]

    assert [use.rank for use in uses] == [4, 2, 4, 0]
    assert uses[0].least == {2: 3}


def test_argument__numbered_things__are_words_of_what_gets_them() -> None:
    class Text:
        def __init__(self) -> None:
            self.kinds = types.SimpleNamespace(num_embeddings=2, forward=lambda words: words)

        def forward(self, ids: Any, kinds: Any = None) -> Any:
            if kinds is None:
                kinds = torch.zeros(ids.shape)
            return self.kinds(kinds)

    class Net:
        def __init__(self) -> None:
            self.text = Text()

        def forward(self, inputs: Any) -> Any:
            ids, segments = inputs[0], inputs[1]
            return self.text(ids, kinds=segments)

    net = Net()
    p = next(iter(inspect.signature(net.forward).parameters.values()))
    guess = ("int64", [1, 16], "", 90)

    made = arguments.argument(net, {"tokens": 90, "mel": 0}, p, guess, 0, net.forward)

    assert made == [values.tensor("int64", [1, 16], 90), values.tensor("int64", [1, 16], 2)]


def test_told__many_inputs_of_one_batch__have_the_dimensions_that_the_code_takes() -> None:
    class Net:
        def __init__(self) -> None:
            self.words = types.SimpleNamespace(num_embeddings=21, forward=lambda words: words)

        def forward(self, places: Any, letters: Any, mask: Any, chain_idx: Any, noise: Any, a: Any, b: Any) -> Any:
            return places[:, :, 3, :], self.words(letters), mask.size(1), chain_idx[:, :, None], noise + a + b

    net = Net()
    needed = list(inspect.signature(net.forward).parameters.values())

    made = told.told(net, net.forward, needed)

    assert made[:4] == [
        values.tensor("float32", [1, 64, 4, 16]),
        values.tensor("int64", [1, 64], 21),
        values.tensor("float32", [1, 64], filled=1),
        values.tensor("int64", [1, 64], 64),
    ]
    assert made[4:] == [values.tensor("float32", [1, 64])] * 3
    assert told.told(net, net.forward, needed[:2]) == []


class Layer:
    """A part, with those inside it."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def modules(self) -> Any:
        return iter((self, *self.parts))

    def forward(self, x: Any) -> Any:
        return x


def test_apart__parts_that_only_other_inputs_go_to__are_named() -> None:
    class Net:
        def __init__(self) -> None:
            self.steps, self.head, self.both, self.recurrent = (Layer() for _ in range(4))

        def forward(self, x: Any, t: Any, state: Any) -> Any:
            series = x.transpose(0, 1)
            return self.steps(t.float()), self.head(x), self.both(x, t), self.recurrent(series, state)  # type: ignore[operator]

    net = Net()

    assert kinds.apart(net, net.forward, ["t", "state"]) == [net.steps]


def test_used__sequence__hands_on_to_its_first_layer() -> None:
    class Sequential(list):  # type: ignore[type-arg]
        def forward(self, series: Any) -> Any:
            raise NotImplementedError

    class Net:
        def __init__(self) -> None:
            self.steps = Sequential([types.SimpleNamespace(num_embeddings=12, forward=lambda words: words), Layer()])

        def forward(self, t: Any) -> Any:
            return self.steps(t)  # type: ignore[operator]

    net = Net()

    assert kinds.used(net, net.forward, "t").words == 12
