"""The scripts that a checkpoint is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.sources.matching.entries import distances
from dnnbox.sources.matching.homes import Homes
from dnnbox.sources.matching.reading import read_tree
from dnnbox.sources.matching.saving import scripts_of

_SCRIPT = "import os\nfrom net import Net\nsave(os.path.join(folder, '{}'))\n"


def _source(root: Path) -> Path:
    for folder, name in (("one", "backbone.pth"), ("two", "model.pt"), ("three", ".pt")):
        (root / folder).mkdir(parents=True)
        (root / folder / "train.py").write_text(_SCRIPT.format(name))
        (root / folder / "net.py").write_text("class Net:\n    pass\n")
    return root


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model.pt", {"two/train.py"}),
        ("r50_model.pt", {"two/train.py"}),
        ("r50.model.pt", {"two/train.py"}),
        ("supermodel.pt", set()),
        ("last.pt", set()),
        ("", set()),
    ],
)
def test_scripts__file_that_is_named_like_the_checkpoint_or_its_end__is_one(
    tmp_path: Path, name: str, found: set[str]
) -> None:
    tree = read_tree(_source(tmp_path / "source"))

    assert scripts_of(tree, name and str(tmp_path / name)) == found


def test_scripts__checkpoint_in_a_folder_of_the_source__is_of_the_scripts_around_it(tmp_path: Path) -> None:
    tree = read_tree(_source(tmp_path))

    assert scripts_of(tree, str(tmp_path / "one" / "runs" / "last.pth")) == {"one/net.py", "one/train.py"}
    assert scripts_of(tree, str(tmp_path / "last.pth")) == set()


def test_distances__script_that_names_the_checkpoint__is_nearer_than_any_other(tmp_path: Path) -> None:
    (tmp_path / "demo.py").write_text("from one.net import Net\n")
    near = distances(Homes(read_tree(_source(tmp_path))), str(tmp_path / "model.pt"))

    assert near["two/net.py"] < near["demo.py"] < near["one/net.py"]
    assert "three/net.py" not in near
