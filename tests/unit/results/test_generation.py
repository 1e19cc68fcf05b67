"""Token by token: from the columns of the generate jobs to times and rates."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox import codec
from dnnbox.harness.protocol import RunError, RunResult
from dnnbox.records.measurements import Contract, Stats
from dnnbox.records.run import RunOutcome
from dnnbox.results import judge, measure
from dnnbox.results.generation import generation
from tests.unit.results import outcomes as made


def test_generation__two_processes__times_and_rates_of_both_parts(tmp_path: Path) -> None:
    runs = [made.generated(tmp_path, 20, [2.0, 4.0], 10.0), made.generated(tmp_path, 20, [2.0, 4.0], 12.0, name="g2")]
    found, reasons = generation(runs)
    assert found is not None
    assert (found.processes, found.runs, found.new_tokens, found.prompt_tokens) == (2, 40, 3, 9)
    assert found.first_token_ms.p50 == pytest.approx(12.0)  # the text's millisecond and the prompt's eleven
    assert found.prefill_ms.p50 == pytest.approx(11.0)
    assert found.prefill_ms.ci95 == (10.0, 12.0)  # as wide as the processes differ
    assert found.between_tokens_ms.n == 80
    assert found.by_position_ms == (2.0, 4.0)
    assert found.decode_tokens_per_s == pytest.approx(2 / 6e-3)
    assert found.prefill_tokens_per_s == pytest.approx(9 / 11e-3)
    assert found.tokens_per_s == pytest.approx(3 / 18e-3)
    assert reasons["generation.first_token_ms.p99"] == "n too small: 40 of 460"


def test_measure__model_that_generates__stands_in_stats_with_definitions(tmp_path: Path) -> None:
    runs = [made.measured(tmp_path, made.rows(200, 10)), made.generated(tmp_path, 20, [2.0] * 5, 10.0)]
    stats = measure(runs)
    assert stats.generation is not None
    assert stats.warm.latency_ms.n == 200  # the generate job's samples are not the latency's
    assert "generation" not in stats.reasons
    for name in ("first_token_ms", "between_tokens_ms", "decode_tokens_per_s"):
        assert stats.definitions[f"generation.{name}"]
    assert codec.loads(Stats, codec.dumps(stats)) == stats


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (RunOutcome("infer", RunResult("infer", "3", findings={"generates": "it answers once"}), 0, 0, 1), "answers"),
        (RunOutcome("generate", RunResult("generate", "3", error=RunError("x", "no room")), 0, 0, 1), "no room"),
        (RunOutcome("generate", None, 1, 0, 1.0), "did not survive"),
    ],
)  # fmt: skip
def test_generation__no_figures__says_why(outcome: RunOutcome, reason: str) -> None:
    found, reasons = generation([outcome])
    assert found is None
    assert reason in reasons["generation"]


def test_judge__targets_on_tokens__are_judged(tmp_path: Path) -> None:
    stats = measure([made.measured(tmp_path, made.rows(200, 10)), made.generated(tmp_path, 20, [2.0] * 5, 10.0)])
    targets = ("first_token_p50_ms<=12", "inter_token_p50_ms<=1", "decode_tokens_s>=400", "first_token_p99_ms<=50")
    verdict = judge(stats, Contract(), targets, (), failed=False)
    assert [target.status for target in verdict.targets] == ["met", "missed", "met", "unknown"]
    assert "n too small" in verdict.targets[3].method
