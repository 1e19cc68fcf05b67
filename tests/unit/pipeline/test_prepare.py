"""Before the box: paths, refusals, the choice of the box, the consent."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox import consent
from dnnbox.errors import ConsentNeeded, NotReadable, UnsafeCheckpoint, Usage
from dnnbox.pipeline import planning
from dnnbox.pipeline.inspecting import local_path
from dnnbox.pipeline.prepare import _refuse_unsafe
from dnnbox.pipeline.providing import ANSWERS, choose_home, current_lacks
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


BOTH = Workspace(
    root="/w",
    managers=("pixi", "venv"),
    current_python="/w/.pixi/envs/default/bin/python",
    manifest="/w/pixi.toml",
    pythons={"pixi": "/w/.pixi/envs/default/bin/python", "venv": "/w/.venv/bin/python"},
)


@pytest.mark.parametrize("asked", [{"box": "current"}, {"deps": "current"}])
def test_choose_home__two_managers_and_current__asks_which(asked: dict[str, str]) -> None:
    with pytest.raises(Usage, match="pixi and venv") as caught:
        choose_home(options(**asked), BOTH)

    assert "--deps current --box pixi" in caught.value.hint


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"box": "venv", "deps": "current"}, ("current", "current", ("venv",), "/w/.venv/bin/python")),
        ({"box": "pixi"}, ("pixi", "current", ("pixi",), "/w/.pixi/envs/default/bin/python")),
        ({"box": "pixi", "deps": "current"}, ("pixi", "current", ("pixi",), "/w/.pixi/envs/default/bin/python")),
        ({"box": "pixi", "deps": "feature"}, ("pixi", "feature", ("pixi",), "")),
        ({"box": "pixi", "deps": "new"}, ("pixi", "new", ("pixi", "venv"), "/w/.pixi/envs/default/bin/python")),
        ({"deps": "feature"}, ("pixi", "feature", ("pixi",), "")),
        ({"box": "venv"}, ("venv", "new", ("pixi", "venv"), "/w/.pixi/envs/default/bin/python")),
    ],
)
def test_choose_home__named__is_that_environment(asked: dict[str, str], expected: tuple[object, ...]) -> None:
    home = choose_home(options(**asked), BOTH)

    assert (home.box, home.packages, home.workspace.managers, home.workspace.current_python) == expected


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"box": "current"}, "no environment of its own"),
        ({"box": "venv", "deps": "current"}, "no venv environment"),
        ({"box": "pixi", "deps": "current"}, "no pixi environment"),
        ({"box": "pixi", "deps": "feature"}, "no pixi manifest"),
        ({"box": "venv", "deps": "feature"}, "is for pixi"),
        ({"box": "docker", "deps": "current"}, "no environment of yours"),
        ({"box": "current", "deps": "new"}, "contradict"),
    ],
)
def test_choose_home__not_there__is_usage(asked: dict[str, str], words: str) -> None:
    with pytest.raises(Usage, match=words):
        choose_home(options(**asked), Workspace(root="/w"))


def test_choose_home__pixi_where_nobody_uses_it__is_a_new_environment() -> None:
    home = choose_home(options(box="pixi"), Workspace(root="/w"))

    assert (home.box, home.packages) == ("pixi", "new")


def test_choose_home__configured__wins_over_auto() -> None:
    home = choose_home(options(), Workspace(root="/w", settings={"box": "venv"}))

    assert (home.box, home.packages) == ("venv", "new")
    assert home.reason


def test_current_lacks__no_current_environment__is_everything():
    derived = Dependencies("onnxruntime", (Requirement("onnxruntime"), Requirement("numpy", ">=2")))

    assert current_lacks(derived, Workspace(root="/w")) == derived.requirements


@pytest.mark.parametrize(
    ("plan", "managers", "answers"),
    [
        (Plan(box="docker"), (), "run venv quit"),
        (Plan(box="docker"), ("venv",), "run venv current quit"),
        (Plan(box="venv"), ("pixi",), "run current feature pixi container quit"),
        (Plan(box="docker"), ("pixi", "venv"), "run venv current-pixi current-venv feature pixi quit"),
        (Plan(box="pixi", details={"packages": "current"}), ("pixi",), "run venv feature pixi container quit"),
        (Plan(box="pixi", details={"packages": "new"}), ("pixi",), "run venv current feature container quit"),
    ],
)
def test_choices__workspace__offers_each_other_way_once(plan: Plan, managers: tuple[str, ...], answers: str) -> None:
    offered = consent.choices(plan, managers=managers, has_engine=True)

    assert [choice.answer for choice in offered] == answers.split()
    assert len({choice.key for choice in offered}) == len(offered)
    assert {choice.answer for choice in offered} <= {"run", "quit", *ANSWERS}


def test_needed__missing_packages__are_listed_with_constraints():
    error = consent.needed((Requirement("torch", ">=2"), Requirement("numpy")), "--yes")

    assert error.code == 20
    assert "torch>=2, numpy" in error.line()
    assert error.details["missing"][0] == {"name": "torch", "specifier": ">=2", "group": "runtime"}


@pytest.mark.parametrize(
    ("quick", "processes", "counts"),
    [(False, 0, (2, 3)), (True, 0, (1, 1)), (False, 1, (4, 1)), (False, 7, (1, 7)), (True, 5, (1, 5))],
)
def test_process_counts__cold_starts__are_at_least_five_unless_quick(tmp_path, quick, processes, counts):
    assert planning.process_counts(RunOptions("x", tmp_path, quick=quick, processes=processes)) == counts
