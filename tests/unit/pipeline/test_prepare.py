"""Before the box: paths, refusals, the choice of the box, the consent."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox import consent
from dnnbox.errors import ConsentNeeded, NotReadable, UnsafeCheckpoint, Usage
from dnnbox.pipeline import planning
from dnnbox.pipeline.inspecting import local_path
from dnnbox.pipeline.prepare import _refuse_unsafe, choose_box, current_lacks
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import Workspace
from dnnbox.records.inspection import Finding, Inspection
from dnnbox.records.options import RunOptions
from dnnbox.records.plan import Plan


def options(**changes: object) -> RunOptions:
    return RunOptions(checkpoint="m.pt", workspace=Path("/nowhere"), **changes)  # type: ignore[arg-type]


def inspected(verdict: str, *findings: Finding) -> Inspection:
    return Inspection("m.pt", "file", "torch-zip", "pytorch", 1, verdict, findings=findings)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["https://h/m.onnx", "s3://bucket/m.pt", "hf://a/b", "file:///m.pt"])
def test_local_path__url__says_to_download_it_to_checkpoints(url):
    with pytest.raises(NotReadable) as caught:
        local_path(url)

    assert "never downloads" in caught.value.what
    assert "checkpoints/" in caught.value.hint


@pytest.mark.parametrize("name", ["", "nothing.pt", "a\x1b[2Jb.pt"])
def test_local_path__nothing_there__is_not_readable_in_plain_characters(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotReadable) as caught:
        local_path(name)

    assert "\x1b" not in caught.value.what


def test_refuse_unsafe__dangerous__names_the_call_and_the_way_out():
    inspection = inspected("dangerous", Finding("danger", "call", "data.pkl byte 2", "calls os.system"))

    with pytest.raises(UnsafeCheckpoint, match=r"data\.pkl byte 2: calls os\.system") as caught:
        _refuse_unsafe(inspection, options())

    assert "--allow unsafe-pickle" in caught.value.hint


@pytest.mark.parametrize("verdict", ["data-only", "no-code", "needs-code", "inert-known"])
def test_refuse_unsafe__other_verdicts__go_on(verdict):
    _refuse_unsafe(inspected(verdict), options())


def test_refuse_unsafe__dangerous_but_allowed__goes_on():
    _refuse_unsafe(inspected("dangerous"), options(allow=("unsafe-pickle",)))


def test_refuse_unsafe__remote_code__needs_its_own_consent():
    inspection = inspected("no-code", Finding("warning", "remote-code", "config.json", "auto_map"))

    with pytest.raises(ConsentNeeded):
        _refuse_unsafe(inspection, options(yes=True))
    _refuse_unsafe(inspection, options(allow=("remote-code",)))


def test_choose_box__two_managers_and_current__asks_which():
    workspace = Workspace(root="/w", managers=("pixi", "venv"), current_python="/w/.venv/bin/python")

    with pytest.raises(Usage, match="pixi and venv"):
        choose_box(options(box="current"), workspace)


def test_choose_box__current_without_environment__is_usage():
    with pytest.raises(Usage, match="no environment of its own"):
        choose_box(options(box="current"), Workspace(root="/w"))


def test_choose_box__venv_by_name__is_venv():
    box, reason = choose_box(options(box="venv"), Workspace(root="/w"))

    assert box == "venv"
    assert reason


def test_choose_box__configured__wins_over_auto():
    box, _ = choose_box(options(), Workspace(root="/w", settings={"box": "venv"}))

    assert box == "venv"


def test_current_lacks__no_current_environment__is_everything():
    derived = Dependencies("onnxruntime", (Requirement("onnxruntime"), Requirement("numpy", ">=2")))

    assert current_lacks(derived, Workspace(root="/w")) == derived.requirements


def test_choices__container_plan_with_environment__offers_each_other_way_once():
    offered = consent.choices(Plan(box="docker"), has_current=True, has_engine=True)

    assert [(choice.key, choice.answer) for choice in offered] == [
        ("", "run"),
        ("v", "venv"),
        ("m", "current"),
        ("q", "quit"),
    ]


def test_needed__missing_packages__are_listed_with_constraints():
    error = consent.needed((Requirement("torch", ">=2"), Requirement("numpy")), "--yes")

    assert error.code == 20
    assert "torch>=2, numpy" in error.line()
    assert error.details["missing"][0] == {"name": "torch", "specifier": ">=2", "group": "runtime"}


@pytest.mark.parametrize(("quick", "cold"), [(False, 5), (True, 2)])
def test_process_counts__cold_starts__are_at_least_five_unless_quick(quick, cold):
    assert sum(planning.process_counts(quick)) == cold
