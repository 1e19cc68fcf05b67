"""The main job on every kind of the zoo, in a venv and in a container: the promises that hold for each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dnnbox.reports.check import unmatched
from tests.conftest import ROOT, Cli
from tests.e2e import schemas
from tests.zoo import KINDS, Kind, Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow]

OUTPUTS = (
    "inspection",
    "identity",
    "source",
    "dependencies",
    "decisions",
    "environment",
    "params",
    "io_contract",
    "stats",
    "artifacts",
    "verdict",
)
FOLDERS = ("refs", "scripts", "inputs", "outputs", "logs", "reports")
QUICK = ("onnx", "timm_safetensors", "torchscript", "hf_decoder", "silero_onnx", "pickled_module")
"""One of each loader and task: the default run takes these in a venv, the long one all kinds in venv and container."""


def tier(name: str, box: str) -> list[pytest.MarkDecorator]:
    if box == "podman":
        return [pytest.mark.extended]
    return [] if box == "venv" and name in QUICK else [pytest.mark.long]


def cells() -> list[Any]:
    """Every kind in both boxes. A box is one worker's: two containers that are timed at once disturb each other."""
    return [
        pytest.param(
            kind.name,
            box,
            id=f"{kind.name}-{box}",
            marks=[pytest.mark.xdist_group(f"box-{box}"), *tier(kind.name, box)],
        )
        for box in ("venv", "docker", "podman")
        for kind in KINDS
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "box"), cells())
def test_run__every_kind_in_every_box__is_a_measured_experiment(
    dnnbox: Cli, zoo: Zoo, request: pytest.FixtureRequest, workspace: Path, name: str, box: str
) -> None:
    request.getfixturevalue({"docker": "docker_engine", "podman": "podman_engine", "venv": "bubblewrap"}[box])
    kind, checkpoint = zoo.kind(name), zoo.path(name)
    inputs = [argument for file in kind.inputs for argument in ("--input", str(ROOT / "examples" / file))]

    # One thread each: two workers share this machine's cores, and more threads than cores make a run crawl.
    options = ("--box", box, "--threads", "1", "--yes", "--quick", "--json")
    done = dnnbox("run", checkpoint, *options, *inputs, timeout_s=880)

    assert done.code == 0, done.stderr[-3000:]
    assert done.json["status"] == "success"
    experiment = workspace / done.json["experiment"]
    check_index(experiment, box)
    check_outputs(experiment, kind)
    schemas.check_outputs(experiment)
    check_output_before_timing(experiment)
    check_reports(experiment)
    check_no_host_path(experiment, checkpoint)
    assert nothing_else(workspace) == []


def read(experiment: Path, name: str) -> Any:
    return json.loads((experiment / "outputs" / f"{name}.json").read_text(encoding="utf-8"))


def check_index(experiment: Path, box: str) -> None:
    index = json.loads((experiment / "experiment.json").read_text(encoding="utf-8"))
    assert (index["status"], index["exit_code"], index["box"], index["device"]) == ("success", 0, box, "cpu")
    assert all(stage["status"] != "failed" for stage in index["stages"])
    for identity in ("checkpoint", "lock", "parameters"):
        assert index["identities"][identity].startswith("sha256:")
    for folder in FOLDERS:
        readme = (experiment / folder / "README.md").read_text(encoding="utf-8")
        assert "## Changes" in readme, folder


def check_outputs(experiment: Path, kind: Kind) -> None:
    for name in OUTPUTS:
        assert (experiment / "outputs" / f"{name}.json").is_file(), name
    inspection = read(experiment, "inspection")
    assert (inspection["format"], inspection["verdict"]) == (kind.format, kind.verdict)
    if kind.identities and kind.identities[0][0]:
        best = read(experiment, "identity")["candidates"][0]
        names = [best["architecture"], *(same["architecture"] for same in best["same_weights"])]
        assert any((best["library"], name) in kind.identities for name in names), best
        if kind.num_classes is not None:
            assert best["arguments"].get("num_classes", 1000) == kind.num_classes
    stats = read(experiment, "stats")
    latency = stats["warm"]["latency_ms"]
    assert 0 < latency["min"] <= latency["p50"]
    assert latency["p90"] is None or latency["p90"] >= latency["p50"]
    assert latency["ci95"][0] <= latency["p50"] <= latency["ci95"][1]
    assert latency["n"] >= 30 or stats["quality"] == "unstable"
    assert stats["cold"]["stages_ms"]["load"]["p50"] > 0
    assert stats["warm"]["stages_ms"]["model"]["p50"] > 0
    assert stats["throughput"][0]["items_per_s"] > 0
    assert stats["memory"]["host_peak_mib"] > 0
    assert stats["memory"]["vram_peak_mib"] is None
    assert stats["reasons"]["memory.vram_peak_mib"]
    assert stats["definitions"]["warm.latency_ms"]
    contract = read(experiment, "io_contract")
    assert contract["inputs"]
    assert contract["outputs"]
    assert contract["fed_back"]["runs"] is True, contract["fed_back"]
    artifacts = read(experiment, "artifacts")
    assert all(mapping["input_arrays"] and mapping["output_arrays"] for mapping in artifacts["mappings"])
    assert artifacts["mappings"]


def check_output_before_timing(experiment: Path) -> None:
    """The stage that verifies the output ended before the one that measures began."""
    index = json.loads((experiment / "experiment.json").read_text(encoding="utf-8"))
    names = [stage["name"] for stage in index["stages"]]
    assert names.index("infer") < names.index("measure"), names


def check_reports(experiment: Path) -> None:
    for report in ("experiment-report", "stakeholder-report"):
        markdown = (experiment / "reports" / f"{report}.md").read_text(encoding="utf-8")
        assert (experiment / "reports" / f"{report}.html").stat().st_size > 2000
        assert len(markdown) > 500
    stats = read(experiment, "stats")
    markdown = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert "could not be read" not in markdown
    for report in ("experiment-report.md", "stakeholder-report.md"):
        assert unmatched((experiment / "reports" / report).read_text(encoding="utf-8"), experiment) == ()
    assert f"{stats['warm']['latency_ms']['p50']:.3g}"[:3] in markdown


TEXTS = {".md", ".html", ".json", ".py", ".txt", ".sh", ".toml", ".svg", ".jsonl", ".log"}


def check_no_host_path(experiment: Path, checkpoint: Path) -> None:
    """The folder can be moved and shown: nothing in it says where it was made."""
    places = {str(experiment), str(experiment.parents[1]), str(checkpoint.parent), str(ROOT), str(Path.home()) + "/"}
    for path in experiment.rglob("*"):
        if path.is_file() and path.suffix in TEXTS:
            text = path.read_text(encoding="utf-8", errors="replace")
            found = [place for place in places if place in text]
            assert not found, f"{path.relative_to(experiment)} names {found}"


def nothing_else(workspace: Path) -> list[str]:
    """Everything in the workspace but the experiments."""
    return [path.name for path in workspace.iterdir() if path.name != "tmp"]
