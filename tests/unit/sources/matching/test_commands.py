"""Options of command lines: what upstream gives together in documents and scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.sources.matching.commands import commands
from dnnbox.sources.matching.reading import read_tree


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("python train.py --width 64 --kind=deep --fp16", {"width": 64, "kind": "deep", "fp16": True}),
        ('FLAGS="--res 32,16,8 --up True --rate 1e-4"', {"res": "32,16,8", "up": True, "rate": 1e-4}),
        ("python a.py --n-layer 16 --dims 4 8 | tee --append log --to x", {"n_layer": 16, "dims": [4, 8]}),
        ("python a.py -n 3 --none None --other x", {"none": "None", "other": "x"}),
        ("python a.py --size $SIZE --depth 3 --wide 2  # --more 1", {"depth": 3, "wide": 2}),
        ("it's --one 1 and `--two 2`", {"one": [1, "and"], "two": 2}),
    ],
)
def test_commands__one_line__gives_its_options(line: str, options: dict[str, object]) -> None:
    assert [found for _, found in commands(line)] == [options]


@pytest.mark.parametrize("text", ["python a.py --one 1", "a -- b -- c", "| --- | --- |", "--" * 2_000])
def test_commands__too_few_options__is_none(text: str) -> None:
    assert list(commands(text)) == []


def test_commands__continued_lines__are_one_at_its_first_line() -> None:
    text = "first\npython a.py \\\n  --a 1 \\\n  --b 2\npython b.py --c 3 --d 4\n"

    assert list(commands(text)) == [(2, {"a": 1, "b": 2}), (5, {"c": 3, "d": 4})]


def test_read_tree__documents_and_shell_scripts__give_each_command_once(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("```bash\npython a.py --a 1 --b 2\n```\n")
    (tmp_path / "run.sh").write_text("python a.py --a 1 --b 2\npython a.py --a 3 --b 2\n")

    assert [command.values for command in read_tree(tmp_path).commands] == [{"a": 1, "b": 2}, {"a": 3, "b": 2}]
