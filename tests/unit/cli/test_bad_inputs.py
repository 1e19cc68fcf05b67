"""More than 120 kinds of bad input: one line, the right code, no traceback, nothing left behind."""

from __future__ import annotations

import gc
import io
import json
import time
from pathlib import Path

import pytest

from dnnbox import cli
from dnnbox.errors import by_name
from tests.unit.cli.bad_inputs import CONFIGS, Bad, table, things

TABLE = tuple(table())
LONGEST_S = 5.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("t") / "things"
    things(root)
    return root


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project; no engine is asked, the store is elsewhere."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DNNBOX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/nobody")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return folder


def contents(root: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_size for path in root.rglob("*")}


def check(argv: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    leaf = by_name(name)
    assert leaf is not None
    begin = time.monotonic()
    code = cli.run(argv)
    took_s = time.monotonic() - begin
    gc.enable()
    out, err = capsys.readouterr()
    assert code == leaf.code, err
    lines = [line for line in err.splitlines() if "error[" in line]
    assert len(lines) == 1, err
    assert lines[0].startswith(f"dnnbox: error[{name}]: ")
    assert len(lines[0]) <= 300
    assert lines[0].isprintable()
    assert "Traceback" not in err + out
    assert took_s < LONGEST_S
    if "--json" in argv:
        assert json.loads(out)["error"]["name"] == name


def test_table__count__is_at_least_120() -> None:
    assert len({name for name, _, _ in TABLE}) + len(CONFIGS) >= 120


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad[0])
def test_command__bad_input__is_one_line_with_its_code(
    bad: Bad, made: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, argv, name = bad
    before = contents(made)
    check([word.replace("{}", str(made)) for word in argv] + ["--json"] * (argv[0] != "schema"), name, capsys)
    assert list(workspace.iterdir()) == []
    assert contents(made) == before


@pytest.mark.parametrize(("text", "name"), CONFIGS)
@pytest.mark.parametrize("file", ["dnnbox.toml", "pyproject.toml"])
def test_plan__bad_configuration__is_one_line_with_its_code(
    file: str, text: str, name: str, made: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "" if file == "dnnbox.toml" else "[tool.dnnbox]\n"
    (workspace / file).write_bytes(f"{head}{text}\n".encode("latin-1"))
    check(["plan", str(made / "model.onnx"), "--offline", "--json"], name, capsys)
    assert [path.name for path in workspace.iterdir()] == [file]
