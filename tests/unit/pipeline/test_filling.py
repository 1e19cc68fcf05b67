"""Holes filled by a program: what it is told, which answers are taken, and what happens to the adapter."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.errors import BadOutput, DnnboxError, RunFailed, Usage
from dnnbox.events import Silent
from dnnbox.pipeline import filling
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree
from dnnbox.records.verification import Verification

_OLD = "class Adapter:\n    hole = True\n"
_FAILED = (Verification(adapter="adapter.py", failed_stage="build", exit_code=60), RunFailed("which class?"))


def _program(tmp_path: Path, body: str) -> str:
    script = tmp_path / "program.py"
    script.write_text(f"import sys\nbrief = sys.stdin.read()\n{body}\n")
    return f"{sys.executable} {script}"


def _filled(
    tmp_path: Path, command: str, good: str = "right", source: Path | None = None
) -> tuple[Verification, DnnboxError | None, Path]:
    adapter = tmp_path / "scripts" / "adapter.py"
    adapter.parent.mkdir(exist_ok=True)
    adapter.write_text(_OLD)
    tree = SourceTree("given", root=str(source), searched=("net.py:Net",)) if source else SourceTree("none")
    inspection = Inspection("w.pt", "file", "torch-zip", "pytorch", size_bytes=1, verdict="data-only")
    material = filling.Material(inspection, tree)

    def verify(path: Path) -> tuple[Verification, DnnboxError | None]:
        if good in path.read_text():
            return replace(_FAILED[0], passed=True, failed_stage=None, exit_code=0), None
        return _FAILED

    found, error = filling.fill(adapter, _FAILED, command, material, verify, Silent())
    return found, error, adapter


def test_fill__program_that_learns__second_answer_replaces_the_adapter(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    body = (
        f"from pathlib import Path\ncount = Path({str(counter)!r})\nword = 'right' if count.exists() else 'wrong'\n"
        "count.touch()\nprint(f'```python\\nclass Adapter:\\n    {word} = 1\\n```')"
    )

    found, error, adapter = _filled(tmp_path, _program(tmp_path, body))

    assert error is None
    assert (found.passed, found.rounds) == (True, 2)
    assert adapter.read_text() == "class Adapter:\n    right = 1\n"
    assert adapter.with_name(filling.BEFORE).read_text() == _OLD


def test_fill__program_that_writes_the_file__is_taken(tmp_path: Path) -> None:
    body = "open('adapter.py', 'w').write('class Adapter:\\n    right = 1\\n')\nprint('done')"

    found, _, adapter = _filled(tmp_path, _program(tmp_path, body))

    assert found.passed
    assert "right" in adapter.read_text()


def test_fill__never_right__adapter_stays_and_a_draft_is_left(tmp_path: Path) -> None:
    found, error, adapter = _filled(tmp_path, _program(tmp_path, "print('class Adapter:\\n    wrong = 1')"))

    assert error is not None
    assert (found.passed, found.rounds) == (False, filling.MOST_ROUNDS)
    assert adapter.read_text() == _OLD
    assert "wrong" in adapter.with_name(filling.DRAFT).read_text()


def test_fill__brief__holds_hole_failure_and_nearest_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "net.py").write_text("class Net:\n    pass  # ```` closes nothing\n")
    kept = tmp_path / "brief.txt"
    body = f"open({str(kept)!r}, 'w').write(brief)\nprint('class Adapter:\\n    right = 1')"

    _filled(tmp_path, _program(tmp_path, body), source=source)

    brief = kept.read_text()
    assert "hole = True" in brief
    assert '"failed_stage": "build"' in brief
    assert "`````\nclass Net" in brief


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("print('I would rather not')", BadOutput),
        ("print('class Adapter(')", BadOutput),
        ("sys.exit(3)", RunFailed),
    ],
)
def test_fill__no_python_file__is_said(body: str, error: type[DnnboxError], tmp_path: Path) -> None:
    with pytest.raises(error):
        _filled(tmp_path, _program(tmp_path, body))


@pytest.mark.parametrize("command", ["", "'", "/nowhere/to/be/found"])
def test_fill__no_program__is_a_usage_error(command: str, tmp_path: Path) -> None:
    with pytest.raises(Usage):
        _filled(tmp_path, command)
