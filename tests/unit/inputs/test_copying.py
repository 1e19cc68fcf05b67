"""Inputs in the experiment: whole copies, safe names, hashes, no host path."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from dnnbox.errors import NotReadable, Usage
from dnnbox.inputs import copying, materialise
from dnnbox.records.plan import InputChoice
from tests.unit.inputs import media


def given(path: Path, name: str = "") -> InputChoice:
    return InputChoice("given", "text", str(path), name, "given")


def test_materialise__two_files_and_a_synthesised_one__copies_and_lists_them(tmp_path: Path) -> None:
    first = media.write(tmp_path / "src" / "a.txt", "one")
    second = media.write(tmp_path / "src" / "b.txt", "two")
    into = tmp_path / "experiment" / "inputs"
    made = InputChoice("synthesised", "tensor", reason="nothing fits")
    copies = materialise([given(first), given(second, "mask"), made], into)
    assert [(choice.path, path.name) for choice, path in copies] == [(str(first), "a.txt"), (str(second), "b.txt")]
    assert (into / "b.txt").read_text() == "two"
    rows = json.loads((into / "inputs.json").read_text())["inputs"]
    assert rows[1] == {
        "file": "b.txt",
        "original": "b.txt",
        "sha256": hashlib.sha256(b"two").hexdigest(),
        "size_bytes": 3,
        "origin": "given",
        "kind": "text",
        "name": "mask",
        "reason": "given",
    }
    assert rows[2]["origin"] == "synthesised"


def test_materialise__any_directory__leaves_no_host_path(tmp_path: Path) -> None:
    into = tmp_path / "inputs"
    materialise([given(media.write(tmp_path / "somewhere" / "a.txt", "x"))], into)
    assert str(tmp_path) not in (into / "inputs.json").read_text()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.png", "cat.png"),
        ("my cat (1).PNG", "my-cat-1.png"),
        ("-rf.txt", "rf.txt"),
        ("..txt", "input.txt"),
        ("naïve 模型.wav", "naive.wav"),
        ("a\nb\x1b[31m.txt", "a-b-31m.txt"),
        ("README.md", "README-2.md"),
        ("inputs.json", "inputs-2.json"),
        ("x" * 200 + ".npy", "x" * 60 + ".npy"),
        ("noend", "noend"),
    ],
)
def test_materialise__strange_names__become_portable(tmp_path: Path, name: str, safe: str) -> None:
    source = media.write(tmp_path / "src" / name, "x")
    ((_, path),) = materialise([given(source)], tmp_path / "inputs")
    assert path.name == safe


def test_materialise__same_name_twice__keeps_both(tmp_path: Path) -> None:
    sources = [media.write(tmp_path / folder / "A.txt", folder) for folder in "xyz"]
    sources.append(media.write(tmp_path / "w" / "a.txt", "w"))
    copies = materialise([given(path) for path in sources], tmp_path / "inputs")
    assert [path.name for _, path in copies] == ["A.txt", "A-2.txt", "A-3.txt", "a-4.txt"]
    assert [path.read_text() for _, path in copies] == ["x", "y", "z", "w"]


def test_materialise__file_gone_or_no_file__is_not_readable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone.txt", tmp_path / "pipe", tmp_path):
        with pytest.raises(NotReadable):
            materialise([given(path)], tmp_path / "inputs")


def test_materialise__too_large__is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "LARGEST_BYTES", 10)
    with pytest.raises(Usage):
        materialise([given(media.write(tmp_path / "a.txt", "x" * 11))], tmp_path / "inputs")
    assert list((tmp_path / "inputs").iterdir()) == []
