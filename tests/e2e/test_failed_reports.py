"""A model that fails, at each stage that there is: both reports say status, stage, cause, log and the next step."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from dnnbox import machine
from dnnbox.errors import by_name
from dnnbox.reports import numbers
from dnnbox.reports.check import unmatched
from tests.conftest import Cli, Finished
from tests.e2e.exit_adapters import HEAD, adapter
from tests.zoo import Zoo

pytestmark = [pytest.mark.long, pytest.mark.zoo, pytest.mark.engine, pytest.mark.xdist_group("box-venv")]


@dataclass(frozen=True)
class Failing:
    """An adapter that fails, the error that it must end with, and the words that the reports must hold.

    ``doing`` is how the reports name the step, ``log`` a word of the log's excerpt, ``way`` one of the next step.
    """

    text: str
    error: str
    doing: str
    rung: str
    cause: str
    log: str
    way: str
    options: tuple[str, ...] = ()


RAISES = 'raise ValueError("layer 7 has no weights")'
TAKES_MEMORY = "print('taking a lot', flush=True); inputs['kept'] = np.ones((1 << 30,), dtype='float64')"
FAILING = {
    "import": Failing(
        "import package_that_nobody_has\n" + adapter(), "RUN_FAILED", "importing the packages", "Import packages",
        "package_that_nobody_has", "ModuleNotFoundError", "requirements of the source",
    ),
    "load": Failing(
        adapter().replace("        pass", f"        {RAISES}", 1), "RUN_FAILED", "loading the weights", "Load weights",
        "layer 7 has no weights", "ValueError", "--family",
    ),
    "input": Failing(
        adapter().replace("return {\"x\": np.ones", f"{RAISES}\n        return {{\"x\": np.ones", 1), "RUN_FAILED",
        "preparing the input", "Prepare input", "layer 7 has no weights", "ValueError", "--input",
    ),
    "first": Failing(
        adapter(RAISES), "RUN_FAILED", "the first inference", "First inference", "layer 7 has no weights",
        "ValueError", "--input",
    ),
    "memory": Failing(
        adapter(TAKES_MEMORY), "OOM", "the first inference",
        "First inference", "of memory", "taking a lot", "--memory", ("--memory", "700M"),
    ),
    "timeout": Failing(
        adapter("import time; print('still thinking', flush=True); time.sleep(90)"), "TIMEOUT", "the first inference",
        "First inference", "still running after 8 s", "still thinking", "--timeout", ("--timeout", "8"),
    ),
    "check": Failing(
        adapter('return {"y": inputs["x"] * float("nan")}'), "BAD_OUTPUT", "checking the output", "Check output",
        "NaN or infinite values in y", "NaN", "--input",
    ),
    "postprocess": Failing(
        adapter(post=RAISES), "RUN_FAILED", "reading the output", "Read output", "layer 7 has no weights",
        "ValueError", "--input",
    ),
}  # fmt: skip


def failed_run(dnnbox: Cli, zoo: Zoo, folder: Path, failing: Failing, box: str) -> Finished:
    """Run the failing adapter in a box; the experiment is ``e`` in the workspace."""
    path = folder / "adapter.py"
    path.write_text(failing.text)
    options = ("--box", box, "--threads", "1", "--quick", "--yes", "--json", "--out", "e", *failing.options)
    return dnnbox("run", zoo.path("onnx"), *options, "--adapter", path)


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("name", FAILING)
def test_run__model_that_fails__both_reports_say_where_why_and_what_next(
    dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path, name: str
) -> None:
    failing = FAILING[name]
    done = failed_run(dnnbox, zoo, tmp_path, failing, "venv")

    leaf = by_name(failing.error)
    assert leaf is not None
    assert done.code == leaf.code, done.stderr[-2000:]
    experiment = workspace / "e"
    index = json.loads((experiment / "experiment.json").read_text(encoding="utf-8"))
    assert index["status"] == "failed"
    check_experiment_report(experiment, failing)
    check_stakeholder_report(experiment, failing)
    if failing.error in ("OOM", "TIMEOUT"):
        check_machine(experiment, "venv")
    for report in ("experiment-report.md", "stakeholder-report.md"):
        assert unmatched((experiment / "reports" / report).read_text(encoding="utf-8"), experiment) == ()
        assert (experiment / "reports" / report.replace(".md", ".html")).stat().st_size > 2000


def check_experiment_report(experiment: Path, failing: Failing) -> None:
    report = plain(experiment / "reports" / "experiment-report.md")
    title = report.partition("\n")[0]
    assert title.startswith(("# Did not run: ", "# Ran, but its output cannot be used: ")), title
    lede = next(line for line in report.splitlines() if "**Next:**" in line)
    for words in (failing.doing, failing.cause, failing.way):
        assert words in lede
    assert f"| {failing.rung} | failed after " in report
    assert "| Measure | not reached |" in report
    assert "| Status | failed |" in report
    assert f"| Stopped at | {failing.rung} |" in report
    assert f"dnnbox explain {failing.error}" in report
    assert failing.log in report.partition("```text")[2].partition("```")[0]
    assert "could not be read" not in report


def check_stakeholder_report(experiment: Path, failing: Failing) -> None:
    report = plain(experiment / "reports" / "stakeholder-report.md")
    assert "## Decision: no-go" in report
    for words in (failing.doing, failing.cause, failing.way, "| Result | failed |"):
        assert words in report
    assert "**Remove the cause of the failure.**" in report
    assert failing.log in report.partition("```text")[2].partition("```")[0]
    assert "depends on older pins" not in report


@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize("name", ["memory", "timeout"])
def test_run__container_that_dies__report_names_machine_limit_and_engine(
    dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path, name: str
) -> None:
    failing = FAILING[name]
    done = failed_run(dnnbox, zoo, tmp_path, failing, "docker")

    assert done.json["error"]["name"] == failing.error, done.stderr[-2000:]
    check_machine(workspace / "e", "docker")


def test_run__processor_that_is_not_there__is_told_and_reported(dnnbox: Cli, zoo: Zoo, workspace: Path) -> None:
    done = dnnbox("run", zoo.path("onnx"), "--box", "venv", "--cpus", "9999", "--yes", "--json", "--out", "e")

    assert done.json["error"]["name"] == "ENGINE_LIMIT", done.stderr[-2000:]
    assert "9999" in plain(workspace / "e" / "reports" / "experiment-report.md")
    environment = json.loads((workspace / "e" / "outputs" / "environment.json").read_text(encoding="utf-8"))
    assert environment["machine"]["cpu"] == machine.host()["cpu"]


def check_machine(experiment: Path, box: str) -> None:
    """The box told nothing of where it was, so the host does."""
    environment = json.loads((experiment / "outputs" / "environment.json").read_text(encoding="utf-8"))
    told, known = environment["machine"], machine.host()
    assert (told["told_by"], told["cpu"], told["kernel"]) == ("host", known["cpu"], known["kernel"])
    report = plain(experiment / "reports" / "experiment-report.md")
    rows = dict(re.findall(r"^\| ([A-Z][\w ]*) \| (.+) \|$", report, re.MULTILINE))
    assert rows["CPU"].startswith(f"{known['cpu']}, {known['cores']} core")
    assert rows["RAM"] == numbers.memory(known["memory_bytes"] / 2**20).replace("\u00a0", " ")
    limit_mib = environment["settings"]["memory_bytes"] / 2**20
    assert rows["Memory limit"] == numbers.memory(limit_mib).replace("\u00a0", " ")
    assert known["kernel"] in rows["System"]
    assert rows["Machine told by"] == "the host; the box ended before it could tell"
    assert rows.get("Engine", "").startswith(box if box == "docker" else "")
    decision = plain(experiment / "reports" / "stakeholder-report.md")
    assert f"| Machine | {known['cpu']}, " in decision
    index = json.loads((experiment / "experiment.json").read_text(encoding="utf-8"))
    assert index["identities"]["device_class"] == f"{known['cpu']}, {known['cores']} cores"


def plain(path: Path) -> str:
    """Return a report without Markdown's escapes."""
    return path.read_text(encoding="utf-8").replace("\\", "").replace("\u00a0", " ")


def test_adapters__each__compiles() -> None:
    for failing in FAILING.values():
        compile(failing.text, "adapter.py", "exec")
    assert HEAD in FAILING["first"].text
