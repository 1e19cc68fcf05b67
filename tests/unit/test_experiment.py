"""The experiment folder."""

import json

import pytest

from dnnbox.errors import Busy, Corrupt, RunFailed, Usage
from dnnbox.experiment import FOLDERS, Experiment, default_root, refuse_taken, slug
from dnnbox.records.experiment import ExperimentIndex


@pytest.fixture
def experiment(tmp_path):
    made = Experiment.create(tmp_path / "tmp" / "model-1", ExperimentIndex(checkpoint="model.onnx"))
    yield made
    made.close()


def test_create__new_folder__has_the_standard_layout_and_keeps_out_of_git(experiment):
    assert all((experiment.root / folder).is_dir() for folder in FOLDERS)
    assert (experiment.root / ".gitignore").read_text() == "*\n"
    assert json.loads((experiment.root / "experiment.json").read_text())["status"] == "running"


def test_create__same_folder_twice_at_once__is_busy(experiment):
    with pytest.raises(Busy):
        Experiment.create(experiment.root, ExperimentIndex())


def test_create__finished_folder__is_refused_and_unchanged(experiment):
    experiment.finish("success", 0)
    experiment.close()
    before = (experiment.root / "experiment.json").read_bytes()

    with pytest.raises(Usage, match="not empty"):
        Experiment.create(experiment.root, ExperimentIndex())

    assert (experiment.root / "experiment.json").read_bytes() == before


def test_create__out_is_a_file__is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(Usage, match="is a file"):
        Experiment.create(tmp_path / "file", ExperimentIndex())


def test_stage__ok_then_failed__both_are_recorded_and_the_error_knows_its_phase(experiment):
    with experiment.stage("inputs"):
        pass
    with pytest.raises(RunFailed) as caught, experiment.stage("infer"):
        raise RunFailed("boom")

    assert caught.value.phase == "infer"
    assert [(s.name, s.status) for s in experiment.index.stages] == [("inputs", "ok"), ("infer", "failed")]
    stored = json.loads((experiment.root / "experiment.json").read_text())
    assert stored["stages"][1]["error"]["name"] == "RUN_FAILED"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.onnx", "model"),
        ("resnet18.v2.pth", "resnet18.v2"),
        ("a b/c:d\n.pt", "a-b-c-d"),
        ("../..", "checkpoint"),
        ("ü", "checkpoint"),
        ("x" * 300, "x" * 48),
    ],
)
def test_slug__any_name__is_a_plain_folder_name(name, expected):
    assert slug(name) == expected


def test_default_root__taken__gets_a_number(tmp_path):
    first = default_root(tmp_path, "m.onnx")
    first.mkdir(parents=True)

    second = default_root(tmp_path, "m.onnx")

    assert second != first
    assert second.parent == tmp_path / "tmp"


def test_resume__cut_off__keeps_what_ended_well_and_removes_half_written_files(experiment):
    with experiment.stage("infer"):
        pass
    with pytest.raises(RunFailed), experiment.stage("cold"):
        raise RunFailed("boom")
    (experiment.root / "outputs" / ".stats.json.x1.part").write_text("{")
    (experiment.root / "outputs" / "stats.json").write_text("{}")
    experiment.close()

    again = Experiment.resume(experiment.root)
    again.begin_again()
    again.close()

    assert [stage.name for stage in again.index.stages] == ["infer"]
    assert again.index.status == "running"
    assert len(again.index.resumed_utc) == 1
    assert {path.name for path in (experiment.root / "outputs").iterdir()} == {"experiment.json", "stats.json"}


def test_resume__stage_repeated__keeps_the_longer_time_and_stands_once(experiment):
    experiment.note_stages({"inspect": 2.0})
    experiment.close()
    again = Experiment.resume(experiment.root)
    again.begin_again()
    again.note_stages({"inspect": 0.5, "plan": 0.1})
    again.close()
    assert [(s.name, s.seconds) for s in again.index.stages] == [("inspect", 2.0), ("plan", 0.1)]


def test_resume__somebody_works_on_it__is_busy(experiment):
    with pytest.raises(Busy):
        Experiment.resume(experiment.root)
    with pytest.raises(Busy):
        refuse_taken(experiment.root)


def test_resume__no_experiment__is_a_usage_error(tmp_path):
    with pytest.raises(Usage, match="nothing was begun"):
        Experiment.resume(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"surprise": 1}', "\ud800", "[" * 100_000])
def test_resume__broken_index__is_corrupt_and_unlocked(experiment, text):
    experiment.close()
    (experiment.root / "experiment.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    for _ in range(2):
        with pytest.raises(Corrupt):
            Experiment.resume(experiment.root)


def test_acquire__lock_file_removed_meanwhile__is_made_anew(experiment):
    (experiment.root / ".lock").unlink()
    with pytest.raises(Usage, match="not empty"):
        Experiment.create(experiment.root, ExperimentIndex())
