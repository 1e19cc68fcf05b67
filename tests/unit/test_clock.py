"""A wall clock that is wrong or jumps: names stay apart, durations stay durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import dnnbox.experiment
from dnnbox.experiment import Experiment, default_root
from dnnbox.records.experiment import ExperimentIndex


class Jumping(datetime):
    """A clock that goes back a year each time somebody looks."""

    looks = 0

    @classmethod
    def now(cls, tz=None):  # type: ignore[no-untyped-def]
        cls.looks += 1
        return datetime(1970, 1, 2, tzinfo=tz or UTC) - timedelta(days=365 * (cls.looks % 2))


@pytest.fixture(autouse=True)
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnnbox.experiment, "datetime", Jumping)
    monkeypatch.setattr("time.time", lambda: -1e9)


def test_stage__clock_goes_back__has_no_negative_time(tmp_path: Path) -> None:
    experiment = Experiment.create(tmp_path / "e", ExperimentIndex())
    with experiment.stage("infer"):
        pass
    experiment.close()
    assert 0 <= experiment.index.stages[0].seconds < 60


def test_default_root__clock_stands_still_or_goes_back__is_a_new_name(tmp_path: Path) -> None:
    places = set()
    for _ in range(6):
        place = default_root(tmp_path, "model.onnx")
        place.mkdir(parents=True)
        places.add(place)
    assert len(places) == 6
