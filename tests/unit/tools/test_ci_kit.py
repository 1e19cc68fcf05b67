"""The CI kit: valid after the schemas that GitHub and GitLab publish, and its shell is shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

KIT = ROOT / "examples" / "ci"
SCHEMAS = {
    "github-workflow.yml": "vendor.github-workflows",
    "dnnbox-gate/action.yml": "vendor.github-actions",
    "gitlab.yml": "vendor.gitlab-ci",
}


def checked(name: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold a document against its schema. A hidden job may hold anything: checked is what extends it."""
    (folder / "kit.yml").write_text(text.replace("\n.dnnbox-gate:", "\ndnnbox-gate:"), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name]]
    transform = ["--data-transform", "gitlab-ci"] if name == "gitlab.yml" else []
    return subprocess.run([*command, *transform, str(folder / "kit.yml")], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SCHEMAS)
def test_kit__after_the_published_schema__valid(tmp_path: Path, name: str) -> None:
    done = checked(name, (KIT / name).read_text(encoding="utf-8"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("github-workflow.yml", "runs-on:", "run-on:"),
        ("dnnbox-gate/action.yml", "using: composite", "using: shell"),
        ("gitlab.yml", "when: always", "when: sometimes"),
    ],
)
def test_kit__one_word_wrong__refused(tmp_path: Path, name: str, old: str, new: str) -> None:
    text = (KIT / name).read_text(encoding="utf-8")
    assert old in text
    assert checked(name, text.replace(old, new), tmp_path).returncode == 1


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the steps of the workflow and of the action."""
    workflow = yaml.safe_load((KIT / "github-workflow.yml").read_text(encoding="utf-8"))
    for name, job in workflow["jobs"].items():
        yield from ((name, step) for step in job["steps"])
    action = yaml.safe_load((KIT / "dnnbox-gate" / "action.yml").read_text(encoding="utf-8"))
    yield from (("action", step) for step in action["runs"]["steps"])


def test_kit__shell_of_every_step__parses_and_takes_values_from_the_environment_only() -> None:
    scripts = [(name, step["run"]) for name, step in steps() if "run" in step]
    assert len(scripts) >= 6
    for name, script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name
        # A value written into the script's text would be run as code: whoever opens a pull request chooses it.
        assert "${{" not in script, name


def test_kit__every_job_that_calls_dnnbox__installs_it_first() -> None:
    jobs: dict[str, list[str]] = {}
    for name, step in steps():
        jobs.setdefault(name, []).append(step.get("run", ""))
    for name, scripts in jobs.items():
        calls = [at for at, script in enumerate(scripts) if "dnnbox " in script.replace("install -q dnnbox", "")]
        installs = [at for at, script in enumerate(scripts) if "pip" in script]
        if calls:
            assert installs, name
            assert min(installs) <= min(calls), name
