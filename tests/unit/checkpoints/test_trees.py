"""Which of several sets of weights in one file is the model."""

from __future__ import annotations

import pytest

from dnnbox.checkpoints.pickles.tree import Container, choose
from dnnbox.checkpoints.pickles.values import Storage, Tensor


@pytest.mark.parametrize(
    ("sizes", "entry"),
    [
        ({"policy_state_dict": 8, "critic_state_dict": 16, "critic_target_state_dict": 16}, "policy_state_dict"),
        ({"disGA": 64, "genA2B": 8, "genB2A": 8}, "genA2B"),
        ({"distilled": 64, "targetless": 8}, "distilled"),
        ({"discriminator": 64, "critic": 8}, "critic"),
        ({"critic": 8}, "critic"),
    ],
)
def test_choose__networks_that_only_train_another__give_way(sizes: dict[str, int], entry: str) -> None:
    containers = [Container(name, {"weight": _tensor(size)}) for name, size in sizes.items()]

    chosen = choose(containers)

    assert chosen is not None
    assert chosen.entry == entry


def _tensor(size: int) -> Tensor:
    return Tensor("float32", (size,), (1,), storage=Storage("float32", "0", "cpu", size))
