"""Imports that torchvision's operators stopped half-way."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.runtimes import torchvision_import


def test_retry__package_that_failed_after_its_part__imports_both_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "stopped_halfway"
    package.mkdir()
    stops = "import sys\nif 'operators_are_there' not in sys.modules:\n    raise RuntimeError(%r)\n"
    (package / "part.py").write_text("X = 3\n")
    (package / "__init__.py").write_text("from .part import X\n" + stops % torchvision_import.MISMATCH + "Y = part.X\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    def defined(_: Any) -> None:
        monkeypatch.setitem(sys.modules, "operators_are_there", sys)

    monkeypatch.setattr(torchvision_import, "import_torchvision", defined)

    done = torchvision_import.retry(None, lambda: importlib.import_module("stopped_halfway"))

    assert done.Y == 3
    for name in ("stopped_halfway", "stopped_halfway.part"):
        del sys.modules[name]
