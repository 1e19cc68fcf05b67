"""The CI kit, run as a runner would: the steps of the composite action and the lines of the GitLab template."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.long, pytest.mark.usefixtures("bubblewrap")]

KIT = ROOT / "examples" / "ci"


@pytest.fixture
def environ(workspace: Path, tmp_path: Path, zoo: Zoo, dnnbox_home: Path) -> dict[str, str]:
    """Return what a runner sets; the installed command is this checkout's."""
    shutil.copy(zoo.path("onnx"), workspace / "net.onnx")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dnnbox").write_text(f'#!/bin/sh\nexec {sys.executable} -m dnnbox "$@"\n', encoding="utf-8")
    (tmp_path / "bin" / "dnnbox").chmod(0o755)
    runner = {"RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"}
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    (tmp_path / "temp").mkdir()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return os.environ | runner | files | {"GITHUB_ACTIONS": "true", "DNNBOX_HOME": str(dnnbox_home), "PATH": path}


class Runner:
    """Runs the shell steps of a composite action one after the other, as far as one machine can."""

    def __init__(
        self, action: Mapping[str, Any], environ: dict[str, str], cwd: Path, inputs: Mapping[str, str]
    ) -> None:
        self._steps = {step["name"]: step for step in action["runs"]["steps"]}
        self._values = {f"inputs.{name}": str(each.get("default", "")) for name, each in action["inputs"].items()}
        self._values |= {f"inputs.{name}": value for name, value in inputs.items()}
        self._environ, self._cwd = environ, cwd

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a step; what it writes into GITHUB_OUTPUT is there for the next ones."""
        step, outputs = self._steps[name], Path(self._environ["GITHUB_OUTPUT"])
        outputs.write_text("")
        env = {key: self.filled(value) for key, value in step.get("env", {}).items()}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=self._cwd, env=self._environ | env, capture_output=True, text=True, check=False
        )
        for key, _, value in (line.partition("=") for line in outputs.read_text().splitlines()):
            self._values[f"steps.{step.get('id')}.outputs.{key}"] = value
        return done

    def filled(self, text: str) -> str:
        """Return a text with its expressions evaluated; one that nothing has set is an error."""
        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: self._values[found[1]], text)


def test_action__run_step_by_step__keeps_experiment_and_gates_it(environ: dict[str, str], workspace: Path) -> None:
    action = yaml.safe_load((KIT / "dnnbox-gate" / "action.yml").read_text(encoding="utf-8"))
    targets = "host_peak_mib<=100000\n\nhost_peak_mib<=1\n"
    inputs = {"checkpoint": "net.onnx", "targets": targets, "options": "--quick\n--threads\n1\n"}
    runner = Runner(action, environ, workspace, inputs)

    lock, run, gate = (runner.step(name) for name in ("Lock", "Run", "Gate"))

    assert (lock.returncode, run.returncode) == (0, 0), lock.stderr + run.stderr
    assert re.fullmatch(r"[0-9a-f]{64}", runner.filled("${{ steps.lock.outputs.lock }}"))
    experiment = Path(runner.filled("${{ steps.run.outputs.experiment }}"))
    assert (experiment / "reports" / "gate.xml").is_file()
    assert gate.returncode == 1, gate.stderr
    assert "::error" in gate.stderr
    assert "1 of 2 required rules missed" in Path(environ["GITHUB_STEP_SUMMARY"]).read_text()


def test_gitlab__script_lines__pass_and_keep_the_runs_own_code(environ: dict[str, str], workspace: Path) -> None:
    job = yaml.safe_load((KIT / "gitlab.yml").read_text(encoding="utf-8"))[".dnnbox-gate"]

    def script(**variables: str) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(workspace / "experiment", ignore_errors=True)
        values = {name: value for name, value in job["variables"].items() if name != "DNNBOX_HOME"} | variables
        return subprocess.run(
            ["sh", "-ec", "\n".join(job["script"])],
            cwd=workspace, env=environ | values, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = script(CHECKPOINT="net.onnx", TARGET="host_peak_mib<=100000")
    assert done.returncode == 0, done.stderr
    assert (workspace / "gate.xml").is_file()
    (workspace / "broken.onnx").write_bytes((workspace / "net.onnx").read_bytes()[:100])
    assert script(CHECKPOINT="broken.onnx").returncode == 11
