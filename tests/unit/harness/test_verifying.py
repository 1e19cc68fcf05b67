"""The job ``verify`` on adapters without any library: which stage is named, and what is told of the others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.harness import box
from tests.unit.harness.conftest import MakeRequest

Changed = Callable[..., str]

_BUILT = "    def build(self):\n        return object()\n"


def _verified(tmp_path: Path, request: MakeRequest, source: str) -> tuple[dict[str, str], box.Ran]:
    ran = box.run(sys.executable, tmp_path / "run", request(source, "verify"))
    stages = ran.answer.findings["verify"]["stages"]
    return {stage["name"]: stage["status"] for stage in stages}, ran


def test_verify__good_adapter__passes_what_can_be_told(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    stages, ran = _verified(tmp_path, adapter_request, changed() + _BUILT)

    assert ran.answer.error is None
    assert stages == {
        "import": "ok", "build": "ok", "load": "skipped", "forward": "ok", "finite": "ok", "repeatable": "ok",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "kind", "methods"),
    [
        ("load", "load_failed", {"load": "raise ValueError('no such file')"}),
        ("forward", "infer_failed", {"infer": "raise RuntimeError('sizes differ')"}),
        ("forward", "needs_adapter", {"example_inputs": "raise NotImplementedError('which inputs?')"}),
        ("finite", "bad_output", {"infer": "return {'y': [float('nan')]}"}),
        ("repeatable", "bad_output", {"infer": "import os\nreturn {'y': [float(n) for n in os.urandom(9)]}"}),
    ],
)
def test_verify__adapter_that_fails__stage_is_named_and_later_ones_do_not_run(
    stage: str, kind: str, methods: dict[str, str], tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    stages, ran = _verified(tmp_path, adapter_request, changed(**methods))

    assert ran.answer.error is not None
    assert (ran.answer.error.stage, ran.answer.error.kind) == (stage, kind)
    assert [name for name, status in stages.items() if status == "failed"] == [stage]
    names = list(stages)
    assert {stages[name] for name in names[names.index(stage) + 1 :]} <= {"skipped"}


def test_verify__missing_package__fails_at_import(tmp_path: Path, adapter_request: MakeRequest) -> None:
    stages, ran = _verified(tmp_path, adapter_request, "import nowhere_to_be_found\n")

    assert stages["import"] == "failed"
    assert ran.answer.error is not None
    assert ran.answer.error.detail == "nowhere_to_be_found"


def test_verify__hole_in_build__needs_an_adapter(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    source = changed() + "    def build(self):\n        raise NotImplementedError('which class?')\n"

    stages, ran = _verified(tmp_path, adapter_request, source)

    assert stages["build"] == "failed"
    assert ran.answer.error is not None
    assert (ran.answer.error.kind, ran.answer.error.detail) == ("needs_adapter", "which class?")
