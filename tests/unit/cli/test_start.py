"""A plain ``dnnbox inspect`` starts without what only other commands need, and says the same as through typer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dnnbox import cli

SAMPLE = Path(__file__).parents[1] / "checkpoints" / "samples" / "functional.keras"
HEAVY = {"typer", "rich", "docker", "jinja2", "packaging", "subprocess", "tempfile", "dnnbox.consent", "pickle"}


def test_inspect__plain__imports_nothing_heavy() -> None:
    code = (
        "import sys; from dnnbox import cli; code = cli.run(sys.argv[1:])\n"
        "print(code, *sys.modules, file=sys.stderr, sep='\\n')"
    )
    command = [sys.executable, "-c", code, "inspect", str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, *modules = done.stderr.split()
    assert status == "0"
    assert HEAVY & set(modules) == set()


def test_inspect__plain_and_through_typer__are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    documents = []
    for extra in ([], ["--family="]):
        assert cli.run(["inspect", str(SAMPLE), "--json", "--tensors", *extra]) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1]
    assert len(documents[0]["tensor_list"]) == 4


@pytest.mark.parametrize(
    "argv", [["inspect"], ["inspect", ""], ["inspect", "-x"], ["inspect", "a", "b"], ["plan", "a"]]
)
def test_plain_inspect__anything_else__is_left_to_typer(argv: list[str]) -> None:
    assert cli._plain_inspect(argv) is None
