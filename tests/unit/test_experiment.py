"""The experiment folder."""

import json

import pytest

from dnnbox.errors import Busy, RunFailed, Usage
from dnnbox.experiment import FOLDERS, Experiment, default_root, remove_if_empty, slug
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


def test_remove_if_empty__nothing_done__leaves_nothing(tmp_path):
    made = Experiment.create(tmp_path / "tmp" / "x", ExperimentIndex())

    remove_if_empty(made)

    assert not (tmp_path / "tmp").exists()


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
