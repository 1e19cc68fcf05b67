"""The history of a workspace: an index that can be thrown away, made from the folders."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox import codec
from dnnbox.cli.screens.history import history_screen
from dnnbox.cli.screens.layout import Look
from dnnbox.errors import HostPermission, Usage
from dnnbox.handoff.history import FILE, History, history
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.measurements import Verdict
from tests.unit.handoff.made import QUIET, slower

DIGESTS = {"net.onnx": "a" * 64, "other.onnx": "b" * 64}


def experiment(
    workspace: Path,
    name: str,
    *,
    day: int = 1,
    slower_by: float = 0.0,
    checkpoint: str = "net.onnx",
    device_class: str = "CPU A",
) -> Path:
    """Write an experiment as a run leaves it, as far as the history reads it."""
    root = workspace / "tmp" / name
    (root / "outputs").mkdir(parents=True)
    index = ExperimentIndex(
        id=name[-6:], created_utc=f"2026-03-{day:02d}T10:00:00Z", status="success", exit_code=0, checkpoint=checkpoint,
        device="cpu", box="venv",
        identities={"checkpoint": f"sha256:{DIGESTS[checkpoint]}", "device_class": device_class},
    )  # fmt: skip
    stats, verdict = slower(QUIET, slower_by), Verdict(decision="go")
    (root / "outputs" / "stats.json").write_text(codec.dumps(stats), encoding="utf-8")
    (root / "outputs" / "verdict.json").write_text(codec.dumps(verdict), encoding="utf-8")
    (root / "experiment.json").write_text(codec.dumps(index), encoding="utf-8")
    return root


def medians(found: History) -> list[list[float | None]]:
    return [[entry.value for entry in trend.entries] for trend in found.trends]


def test_history__runs_of_two_checkpoints_and_devices__a_trend_each_by_time(tmp_path: Path) -> None:
    experiment(tmp_path, "later", day=3, slower_by=0.5)
    experiment(tmp_path, "earlier", day=1)
    experiment(tmp_path, "elsewhere", day=2, device_class="CPU B")
    experiment(tmp_path, "sweep-x/cells/ab/key/run-1", day=2, checkpoint="other.onnx")

    found = history(tmp_path)

    assert found.experiments == 4
    assert sorted((trend.checkpoint, trend.device_class) for trend in found.trends) == [
        ("net.onnx", "CPU A"), ("net.onnx", "CPU B"), ("other.onnx", "CPU A"),
    ]  # fmt: skip
    (trend,) = [each for each in found.trends if len(each.entries) == 2]
    assert [entry.folder for entry in trend.entries] == ["tmp/earlier", "tmp/later"]
    assert [entry.value for entry in trend.entries] == [10.0, 15.0]
    assert (trend.entries[0].low, trend.entries[0].high) == (9.98, 10.02)
    assert history(tmp_path, checkpoint="OTHER").trends == tuple(t for t in found.trends if t.checkpoint != "net.onnx")
    assert medians(history(tmp_path, metric="cold_total_ms")) == [[None, None], [None], [None]]


def test_history__folders_change__index_follows(tmp_path: Path) -> None:
    first, second = experiment(tmp_path, "one"), experiment(tmp_path, "two", day=2)
    assert medians(history(tmp_path)) == [[10.0, 10.0]]
    (first / "outputs" / "stats.json").write_text(codec.dumps(slower(QUIET, 1.0)), encoding="utf-8")
    index = codec.loads(ExperimentIndex, (first / "experiment.json").read_text())
    (first / "experiment.json").write_text(codec.dumps(replace(index, resumed_utc=("2026-03-05T10:00:00Z",))))
    shutil.rmtree(second)
    assert medians(history(tmp_path)) == [[20.0]]


def test_history__index_removed_damaged_or_of_another_version__made_anew(tmp_path: Path) -> None:
    for number in range(40):
        experiment(tmp_path, f"run{number:02d}", day=1 + number % 28, slower_by=number / 100)
    place, before = tmp_path / "tmp" / FILE, history(tmp_path)
    whole = place.read_bytes()

    def other_version() -> None:
        with sqlite3.connect(place) as index:
            index.execute("PRAGMA user_version = 99")
        index.close()

    damages = [
        place.unlink,
        lambda: place.write_bytes(b""),
        lambda: place.write_bytes(b"no database at all" * 100),
        lambda: place.write_bytes(whole[:3000]),
        lambda: place.write_bytes(whole[:4096] + b"\x5a" * (len(whole) - 4096)),
        other_version,
    ]
    for damage in damages:
        damage()
        assert history(tmp_path) == before
    with sqlite3.connect(place) as index:
        index.execute("DELETE FROM figure")
    index.close()
    assert history(tmp_path) != before  # a lie in the right form stands until somebody asks for a rebuild
    assert history(tmp_path, rebuild=True) == before


def test_history__experiment_that_cannot_be_read__named_and_left_out(tmp_path: Path) -> None:
    experiment(tmp_path, "good")
    (experiment(tmp_path, "bad") / "experiment.json").write_text("{")
    for _ in range(2):
        found = history(tmp_path)
        assert (found.experiments, found.unread) == (1, ("tmp/bad",))
    assert "tmp/bad" in history_screen(found)


def test_history__nothing_there_or_unknown_figure__said_so(tmp_path: Path) -> None:
    assert history(tmp_path) == History("latency_p50_ms", 0, ())
    assert not list(tmp_path.iterdir())
    with pytest.raises(Usage, match="unknown figure"):
        history(tmp_path, metric="speed")


def test_history__index_that_cannot_be_made__permission(tmp_path: Path) -> None:
    experiment(tmp_path, "one")
    (tmp_path / "tmp" / FILE).mkdir()
    with pytest.raises(HostPermission):
        history(tmp_path)


def test_history__several_at_once__all_answer_the_same(tmp_path: Path) -> None:
    for number in range(10):
        experiment(tmp_path, f"run{number}")
    command = [sys.executable, "-m", "dnnbox", "history", "--json"]
    running = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(3)]
    answers = [json.loads(each.communicate()[0]) for each in running]
    assert [each["experiments"] for each in answers] == [10] * 3
    assert answers[0]["schema"] == "dnnbox.history/1"
    assert len(answers[0]["trends"][0]["entries"]) == 10


@pytest.mark.parametrize("look", [Look(), Look(unicode=False), Look(columns=80), Look(columns=60)])
def test_screen__two_trends__fit_the_width(tmp_path: Path, look: Look) -> None:
    for number in range(30):
        experiment(tmp_path, f"run{number:02d}", day=1 + number % 28, slower_by=number / 10)
    experiment(tmp_path, "else", checkpoint="other.onnx", device_class="An extremely long name of a processor @ 3 GHz")
    lines = history_screen(history(tmp_path), look=look).splitlines()
    assert max(map(len, lines)) <= look.columns
    assert any("net.onnx" in line and "%" in line for line in lines)
