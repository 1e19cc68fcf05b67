"""Which scripts are run, and how documents say that they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.sources.matching.commands import likeness, runs
from dnnbox.sources.matching.reading import read_tree
from dnnbox.sources.matching.scripts import scripts


@pytest.mark.parametrize(
    ("line", "script", "argv"),
    [
        ("$ python train.py --width 3 data", "train.py", ["--width", "3", "data"]),
        ("CUDA_VISIBLE_DEVICES=0 python3 ./a/main.py -b 2 > log.txt", "./a/main.py", ["-b", "2"]),
        ("python -m torch.distributed.launch --nproc_per_node=8 train.py --big", "train.py", ["--big"]),
        ("python -m tools.train --cfg x.yaml && ls", "tools.train", ["--cfg", "x.yaml"]),
        ("torchrun --nproc_per_node 4 train.py --out $HOME/x --lr 1", "train.py", ["--lr", "1"]),
        ("python train.py --width 3 \\\n  --depth 2", "train.py", ["--width", "3", "--depth", "2"]),
    ],
)
def test_runs__line_that_runs_a_file__script_and_words(line: str, script: str, argv: list[str]) -> None:
    assert list(runs(f"Train:\n\n{line}\n")) == [(3, script, argv)]


@pytest.mark.parametrize("line", ["pip install python-thing", "see train.py", "python setup.txt", "--launch it"])
def test_runs__line_that_runs_none__nothing(line: str) -> None:
    assert list(runs(line)) == []


def test_scripts__tree__those_that_lead_to_the_class_first_and_each_as_it_is_shown(tmp_path: Path) -> None:
    files = {
        "net.py": "class Net: pass\n",
        "work.py": "import net\n",
        "tools/train.py": "import work\nif __name__ == '__main__': pass\n",
        "clean.py": "if __name__ == '__main__': pass\n",
        "tests/test_net.py": "import net\nif __name__ == '__main__': pass\n",
        "setup.py": "import net\nif __name__ == '__main__': pass\n",
        "README.md": "```\npython tools/train.py --a 1\npython tools/train.py --a 1\npython other.py --a 2\n```\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    found = scripts(read_tree(tmp_path), {"net.py"})

    assert [(run["path"], run["argv"], run["where"]) for run in found] == [
        ("tools/train.py", ["--a", "1"], "README.md:2"),
        ("clean.py", [], "clean.py"),
        ("tools/train.py", [], "tools/train.py"),
    ]


def test_likeness__command_lines__those_that_name_the_file_and_then_those_of_the_sizes_first() -> None:
    lines = [["--model", "other", "--width", "64"], ["--width", "64", "--depth", "512"], ["--model", "net"]]

    ordered = sorted(lines, key=lambda words: likeness(words, {64, 512}, {"net"}), reverse=True)

    assert ordered == [lines[2], lines[1], lines[0]]
