"""A small run of the fuzzer; ``python -m tests.unit.checkpoints.fuzzing`` runs it for longer."""

from __future__ import annotations

import pytest

from tests.unit.checkpoints import fuzzing, hostile
from tests.unit.checkpoints.conftest import Made
from tests.unit.checkpoints.fuzz_seeds import by_format


def test_oracle__harmless_pickle__is_not_contradicted() -> None:
    assert all(fuzzing.contradictions(data) == set() for data in fuzzing.pickles()[:7])
    assert fuzzing.contradictions(hostile.SYSTEM_CALL + b".") == {("os", "system")}


def test_pickles__mutated__never_called_harmless_against_cpython() -> None:
    figures = fuzzing.fuzz_pickles(20_000, seed=7, seconds=8)
    assert figures.faults == []
    assert figures.mutants > 1000
    assert figures.harmless > 20


@pytest.mark.parametrize("part", sorted(by_format()))
def test_headers__mutated__give_errors_of_ours_only(part: str) -> None:
    figures = fuzzing.run(part, 1_000, seed=7, seconds=3)
    assert figures.faults == []
    assert figures.mutants > 20


@pytest.mark.zoo
def test_torch_files__mutated__give_errors_of_ours_only(made: Made) -> None:
    names = ("plain", "legacy_plain", "scripted", "exported", "plain_pickle", "whole_module")
    seeds = [made.path(name).read_bytes() for name in names]
    figures = fuzzing.fuzz_files(seeds, 1_500, seed=7, seconds=6)
    assert figures.faults == []
