"""Inputs that name rows of tables."""

from __future__ import annotations

import types
from typing import Any

from dnnbox.harness.matching import lookups, values

torch: Any = None  # the code below is only read
F: Any = None


def _table(size: int) -> Any:
    return types.SimpleNamespace(shape=(size, 4))


class Pairs:
    """Looks rows up in every way."""

    def __init__(self) -> None:
        self.users: Any = types.SimpleNamespace(num_embeddings=30, weight=types.SimpleNamespace(shape=(30, 4)))
        self.items, self.kinds, self.bias = [_table(size) for size in (20, 7, 9)]

    def forward(self, pairs: Any, mode: str = "one") -> Any:
        if mode == "several":
            head, tail = pairs
            return head, tail
        kind, place = pairs[:, 2].long(), pairs[:, 3]
        user, item = self.users(pairs[:, 0]), torch.index_select(self.items, dim=0, index=pairs[:, 1])
        return user, item, F.embedding(kind.unsqueeze(1), self.kinds), self.bias[place]

    def features(self, pairs: Any) -> Any:
        return self.users(pairs[:, 0]), pairs[:, 1] * 2

    def none(self, pairs: Any) -> Any:
        return self.users(pairs)


def test_columns__each_looked_up_in_a_table__are_rows_that_all_tables_have() -> None:
    net = Pairs()

    assert lookups.columns(net, net.forward, "pairs") == values.tensor("int64", [1, 4], 7)


def test_columns__one_used_in_another_way__is_no_table_of_rows() -> None:
    net = Pairs()

    assert lookups.columns(net, net.features, "pairs") is None
    assert lookups.columns(net, net.none, "pairs") is None
