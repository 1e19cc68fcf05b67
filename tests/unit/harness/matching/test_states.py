"""States beside the main input; the layers here only say what torch's say of themselves."""

from __future__ import annotations

from typing import Any

from dnnbox.harness.matching.states import handed
from dnnbox.harness.matching.unpacking import beside
from dnnbox.harness.matching.values import tensor


class LSTMCell:
    __module__ = "torch.nn.modules.rnn"
    hidden_size = 512


class GRU:
    __module__ = "torch.nn.modules.rnn"
    hidden_size, num_layers, bidirectional, batch_first = 8, 2, True, False


class LSTM(GRU):
    __module__ = "torch.nn.modules.rnn"
    bidirectional, batch_first = False, True


class _Decoder:
    def __init__(self) -> None:
        self.gru = GRU()

    def forward(self, words: Any, last: Any, memory: Any) -> Any:
        return self.gru(words + memory, last)


class _Actor:
    def __init__(self) -> None:
        self.cell, self.lstm, self.decoder = LSTMCell(), LSTM(), _Decoder()

    def forward(self, x: Any, hx: Any, cx: Any) -> Any:
        hx, cx = self.cell(x.view(x.size(0), -1), (hx, cx))
        return hx, cx

    def whole(self, x: Any, state: Any) -> Any:
        return self.lstm(x, hx=state)

    def through(self, x: Any, hidden: Any, mask: Any) -> Any:
        return self.decoder(x, hidden, mask) + self.step(x, mask)

    def step(self, x: Any, memory: Any) -> Any:
        return x.step(x, memory)


def test_handed__halves_of_a_state__are_as_wide_as_the_cell_for_every_picture() -> None:
    made = [beside(_Actor(), _Actor.forward, name, [3, 4, 64, 64]) for name in ("hx", "cx", "x")]

    assert made == [tensor("float32", [3, 512]), tensor("float32", [3, 512]), None]


def test_handed__layer_that_wants_two__the_parameter_is_both() -> None:
    state = tensor("float32", [2, 5, 8])

    assert handed(_Actor(), _Actor.whole, "state", [5, 9, 8]) == {"$tuple": [state, state]}


def test_handed__part_that_hands_it_on__is_the_state_of_the_layer_in_the_part() -> None:
    assert handed(_Actor(), _Actor.through, "hidden", [16, 3, 8]) == tensor("float32", [4, 3, 8])
    assert handed(_Actor(), _Actor.through, "mask", [16, 3, 8]) is None
