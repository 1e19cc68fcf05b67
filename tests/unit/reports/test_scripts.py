"""The scripts of an experiment: no path of the machine, and they run from the folder alone, moved elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import dnnbox
from dnnbox.files import sha256_file
from dnnbox.harness.protocol import InputFile, RunRequest
from dnnbox.reports import scripts

HARNESS = Path(dnnbox.__file__).parent / "harness"
ADAPTER = """
class Adapter:
    def load(self, checkpoint, device, precision):
        self.weights = [float(line) for line in open(checkpoint)]
    def example_inputs(self, batch_size):
        return {"x": [[1.0, 2.0]] * batch_size}
    def preprocess(self, paths):
        return {"x": [[float(v) for v in open(paths[0]).read().split()]]}
    def infer(self, inputs):
        return {"y": [[sum(w * v for w, v in zip(self.weights, row))] for row in inputs["x"]]}
    def postprocess(self, outputs, out_dir):
        return {"sum": outputs["y"][0][0]}
"""


def _experiment(root: Path) -> tuple[Path, Path]:
    experiment, checkpoint = root / "experiment", root / "weights.txt"
    (experiment / "inputs").mkdir(parents=True)
    (experiment / "scripts").mkdir()
    checkpoint.write_text("2\n3\n", encoding="utf-8")
    (experiment / "inputs" / "x.txt").write_text("4 5", encoding="utf-8")
    (experiment / "scripts" / "adapter.py").write_text(ADAPTER, encoding="utf-8")
    request = RunRequest(
        "infer",
        "adapter",
        "/dnnbox/checkpoint/weights.txt",
        options={"adapter": "/dnnbox/adapter/adapter.py", "cache": "/home/somebody/secret/cache.bin"},
        inputs=[InputFile("/dnnbox/inputs/x.txt", "text")],
        sys_path=["/dnnbox/source"],
    )
    places = {
        "/dnnbox/checkpoint/weights.txt": "@checkpoint",
        "/dnnbox/inputs": "@experiment/inputs",
        "/dnnbox/adapter": "@experiment/scripts",
        "/dnnbox/source": "@source",
    }
    requests = {job: RunRequest(**{**request.__dict__, "job": job}) for job in ("probe", "infer", "measure")}
    scripts.write(
        experiment, requests, checkpoint=checkpoint.name, sha256=sha256_file(checkpoint), places=places, harness=HARNESS
    )
    return experiment, checkpoint


def _run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_write__requests__hold_no_path_of_the_machine(tmp_path: Path) -> None:
    experiment, _ = _experiment(tmp_path)
    for path in (experiment / "scripts").rglob("*"):
        if path.is_file() and "dnnbox_harness" not in path.parts:
            content = path.read_text(encoding="utf-8")
            assert "/dnnbox" not in content
            assert "/home" not in content
            assert str(tmp_path) not in content
    request = json.loads((experiment / "scripts" / "requests" / "infer.json").read_text(encoding="utf-8"))
    assert request["checkpoint"] == "@checkpoint"
    assert request["inputs"][0]["path"] == "@experiment/inputs/x.txt"
    assert request["options"] == {"adapter": "@experiment/scripts/adapter.py", "cache": "cache.bin"}


def test_write__names__are_small_and_numbered(tmp_path: Path) -> None:
    experiment, _ = _experiment(tmp_path)
    names = sorted(path.name for path in (experiment / "scripts").glob("[0-9]*.py"))
    assert names == ["00_probe.py", "10_infer.py", "20_measure.py", "29_profile_with.py", "30_report.py"]
    assert all(len((experiment / "scripts" / name).read_text(encoding="utf-8").splitlines()) <= 10 for name in names)


def test_infer__moved_folder__runs_again(tmp_path: Path) -> None:
    experiment, checkpoint = _experiment(tmp_path)
    moved = tmp_path / "somewhere else"
    experiment.rename(moved)
    done = _run(moved / "scripts" / "10_infer.py", "--checkpoint", str(checkpoint))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert (moved / "outputs" / "again" / "infer" / "result.json").is_file()
    assert not (moved / "outputs" / "again" / "infer" / "request.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "give the checkpoint weights.txt"), (("--checkpoint", "nowhere.pt"), "there is no nowhere.pt")],
)
def test_infer__no_checkpoint__says_which_one(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    experiment, _ = _experiment(tmp_path)
    done = _run(experiment / "scripts" / "10_infer.py", *arguments)
    assert done.returncode == 1
    assert words in done.stderr


def test_infer__another_checkpoint__is_refused(tmp_path: Path) -> None:
    experiment, checkpoint = _experiment(tmp_path)
    checkpoint.write_text("9\n9\n", encoding="utf-8")
    done = _run(experiment / "scripts" / "10_infer.py", "--checkpoint", str(checkpoint))
    assert done.returncode == 1
    assert "the experiment's is" in done.stderr


TOOL = """#!/bin/sh
printf '%s\\n' "$@" > "$TOLD"
while [ "$1" != "--" ]; do shift; done
shift
exec "$@"
"""


def test_profile_with__tool_that_is_there__runs_the_step_under_it(tmp_path: Path) -> None:
    experiment, checkpoint = _experiment(tmp_path)
    tool = tmp_path / "bin" / "py-spy"
    tool.parent.mkdir()
    tool.write_text(TOOL)
    tool.chmod(0o755)
    script = experiment / "scripts" / "29_profile_with.py"
    argv = [sys.executable, str(script), "py-spy", "--step", "infer", "--checkpoint", str(checkpoint)]
    env = {"PATH": f"{tool.parent}:/usr/bin:/bin", "TOLD": str(tmp_path / "told")}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "everything lies in" in done.stdout  # the step itself ran
    assert (tmp_path / "told").read_text().split()[:3] == ["record", "--format", "speedscope"]

    absent = subprocess.run(argv, capture_output=True, text=True, env={"PATH": "/nowhere"}, timeout=60, check=False)
    assert absent.returncode == 1
    assert "pip install py-spy" in absent.stderr
