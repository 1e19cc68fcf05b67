"""The gate: a regression is one beyond noise and least effect; what cannot be judged is never called anything else."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox import codec
from dnnbox.cli.screens.compare import compare_screen
from dnnbox.cli.screens.gate import gate_screen
from dnnbox.cli.screens.layout import Look
from dnnbox.errors import EngineUnavailable, OutOfMemory, Regression, Usage
from dnnbox.handoff import gate_files, spread
from dnnbox.handoff.comparing import compare
from dnnbox.handoff.experiments import open_experiment
from dnnbox.handoff.gating import gate
from dnnbox.records.measurements import Stats
from tests.unit.handoff.made import MACHINE, QUIET, opened, slower

RECORDED = Path(__file__).with_name("recorded.json")


@pytest.mark.parametrize(("share", "code"), [(0.0, 0), (0.01, 0), (-0.3, 0), (0.1, 3), (0.5, 3)])
def test_gate__changes_on_a_quiet_machine__answers(share: float, code: int) -> None:
    assert gate(opened(slower(QUIET, share), name="bbbbbb"), opened()).code == code


def test_gate__within_the_least_effect__passes() -> None:
    assert gate(opened(slower(QUIET, 0.10)), opened(), min_effect=0.15).code == 0
    assert gate(opened(slower(QUIET, 0.20)), opened(), min_effect=0.15).code == 3


def test_gate__only_the_median_slower__unknown_not_regression() -> None:
    busy = slower(QUIET, 0.3)
    busy = replace(busy, warm=replace(busy.warm, latency_ms=replace(busy.warm.latency_ms, min=9.55)))

    answer = gate(opened(busy), opened())

    assert answer.code == 4
    assert "busy machine" in next(r.reason for r in answer.rules if r.status == "unknown")


def test_gate__contended_side__heard_by_the_fastest_request_only_beyond_its_noise() -> None:
    contended = replace(QUIET, quality="contended")
    assert gate(opened(slower(contended, 0.10)), opened(contended)).code == 3
    assert gate(opened(slower(contended, 0.03)), opened(contended)).code == 0


def test_gate__unstable_side__unknown_whatever_the_change() -> None:
    assert gate(opened(replace(slower(QUIET, 3.0), quality="unstable")), opened()).code == 4


def test_spread__moving_within_the_process__widens_the_noise() -> None:
    bins = [[v, v, v] for k in range(48) for v in [10.0 + 2.0 * ((k // 4) % 2)]]

    calm, restless = (spread.side(QUIET, s, "latency_p50_ms") for s in ({}, {"processes": [{"latency_ms": bins}]}))

    assert calm is not None
    assert restless is not None
    assert restless.error > 5 * calm.error


def test_gate__memory_grows__is_a_regression() -> None:
    grown = replace(QUIET, memory=replace(QUIET.memory, host_peak_mib=150.0))
    assert gate(opened(grown), opened()).code == 3


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"machine": {**MACHINE, "cpu": "Other CPU"}}, "device"),
        ({"machine": {**MACHINE, "driver": "550.1"}}, "driver"),
        ({"stats": replace(QUIET, precision="fp16")}, "precision"),
        ({"stats": replace(QUIET, threads=2)}, "threads"),
        ({"stats": replace(QUIET, batch=8)}, "batch"),
    ],
)
def test_gate__another_hardware_class__refused_with_the_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(Usage, match=f"hardware classes.*{field}"):
        gate(opened(**changed), opened())  # type: ignore[arg-type]


def test_gate__another_minor_driver__compared() -> None:
    sides = [opened(machine={**MACHINE, "driver": version}, device="cpu") for version in ("550.1", "550.90")]
    assert gate(*sides).code == 0


def test_gate__targets__missed_is_one_and_a_wanted_one_never_decides() -> None:
    assert gate(opened(), targets=["latency_p50_ms<=20"]).code == 0
    assert gate(opened(), targets=["latency_p50_ms<=5"]).code == 1
    assert gate(opened(), targets=["latency_p99_ms<=5"]).code == 4
    assert gate(opened(), wants=["latency_p50_ms<=5"]).code == 0


def test_gate__regression_and_missed_target__regression_is_told() -> None:
    answer = gate(opened(slower(QUIET, 0.5)), opened(), targets=["latency_p50_ms<=5"])
    assert isinstance(answer.error, Regression)


@pytest.mark.parametrize(("code", "leaf"), [(42, OutOfMemory), (30, EngineUnavailable)])
def test_gate__run_that_failed__ends_with_its_own_code(code: int, leaf: type[Exception]) -> None:
    failed = opened(status="failed", error={"code": code, "message": "no"})
    with pytest.raises(leaf):
        gate(failed, opened())


def test_gate_files__missed_rule__in_junit_summary_and_annotations() -> None:
    answer = gate(opened(slower(QUIET, 0.5)), opened(), wants=["latency_p50_ms<=5"])

    suite = ET.fromstring(gate_files.junit(answer)).find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "0", "1")
    assert "✕ missed" in gate_files.summary(answer)
    commands = list(gate_files.workflow_commands(answer))
    assert any(command.startswith("::error title=p50 not slower than +") for command in commands)
    assert any(command.startswith("::notice ") for command in commands)


def test_gate_files__hostile_names__stay_text() -> None:
    answer = replace(gate(opened(), targets=["latency_p50_ms<=5"]), experiment="<b>|`x`\n::error::y")
    assert "<b>" not in gate_files.summary(answer)
    assert not any("\n" in command for command in gate_files.workflow_commands(answer))


@pytest.mark.parametrize("look", [Look(), Look(unicode=False), Look(columns=60)])
def test_screens__gate_and_compare__fit_the_width(look: Look) -> None:
    answer = gate(opened(slower(QUIET, 0.5)), opened(), wants=["latency_p99_ms<=5"])
    table = compare([opened(), opened(slower(QUIET, 0.5), name="bbbbbb"), opened(machine={**MACHINE, "cpu": "Other"})])

    for screen in (gate_screen(answer, look=look), compare_screen(table, look=look)):
        assert screen.isascii() or look.unicode
        if look.columns == 100:
            assert all(len(line) <= 100 for line in screen.splitlines())
    assert "another hardware class: device" in compare_screen(table)


def test_open_experiment__no_experiment__usage(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="no experiment folder"):
        open_experiment(tmp_path)


def test_student__few_degrees__as_the_tables_say() -> None:
    for chance, freedom, wanted in ((0.995, 8, 3.355), (0.995, 12, 3.055), (0.975, 10, 2.228)):
        assert spread.student(chance, freedom) == pytest.approx(wanted, abs=0.01)


@pytest.mark.skipif(not RECORDED.is_file(), reason="no recorded samples")
def test_gate__recorded_quiet_runs__hears_ten_percent_and_does_not_cry_wolf() -> None:
    """The samples are those of benchmarks/gate.py with --record: runs of a model and of one a tenth longer."""
    document = json.loads(RECORDED.read_text(encoding="utf-8"))
    runs = {
        name: [opened(codec.from_json(Stats, run["stats"]), samples=run["samples"]) for run in document[name]]
        for name in ("base", "slower")
    }
    false = sum(gate(b, a).code == 3 for a, b in zip(runs["base"][:-1], runs["base"][1:], strict=True))
    heard = sum(gate(s, b).code == 3 for b, s in zip(runs["base"], runs["slower"], strict=True))
    assert len(runs["base"]) == 50
    assert false <= 1
    assert heard >= 48
