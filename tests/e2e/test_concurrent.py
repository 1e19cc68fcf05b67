"""Eight runs at once in one workspace: each has an experiment of its own, whole and with its own answer."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.exit_adapters import FINE
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.long, pytest.mark.usefixtures("bubblewrap")]

AT_ONCE = 8
ROUNDS = int(os.environ.get("DNNBOX_ROUNDS", "1"))


def test_run__eight_at_once__do_not_meet(zoo: Zoo, workspace: Path, tmp_path: Path, dnnbox_home: Path) -> None:
    environ = {**os.environ, "DNNBOX_HOME": str(dnnbox_home)}
    if "PIP_FIND_LINKS" in environ:
        environ.setdefault("UV_FIND_LINKS", environ["PIP_FIND_LINKS"])
    for number in range(AT_ONCE):
        (tmp_path / f"adapter{number}.py").write_text(FINE.replace("* 2}", f"* {number + 1}}}"))
    for _ in range(ROUNDS):
        round_of(AT_ONCE, zoo.path("onnx"), workspace, tmp_path, environ)


def round_of(count: int, checkpoint: Path, workspace: Path, adapters: Path, environ: dict[str, str]) -> None:
    """Start ``count`` runs whose models answer 1, 2, 3, …, and look for each answer in its own experiment."""
    command = [sys.executable, "-m", "dnnbox", "run", str(checkpoint), "--box", "venv", "--quick", "--yes", "--json"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen(
            [*command, "--adapter", str(adapters / f"adapter{number}.py")],
            cwd=workspace, env=environ, **pipes,
        )
        for number in range(count)
    ]  # fmt: skip
    places = set()
    for number, process in enumerate(started):
        out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err[-2000:]
        experiment = workspace / json.loads(out)["experiment"]
        places.add(experiment)
        contract = json.loads((experiment / "outputs" / "io_contract.json").read_text())
        assert contract["outputs"][0]["name"] == "y"
        (array,) = (experiment / "outputs" / "arrays").glob("*.npy")
        data = array.read_bytes()[-4:]
        assert data == struct.pack("<f", number + 1), experiment
        assert not [path for path in experiment.rglob("*") if path.name.endswith(".part") or path.name == ".staging"]
    assert len(places) == count
