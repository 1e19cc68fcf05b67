"""The harness as boxes mount it: compiled for their Python, kept by its content."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dnnbox.boxes.base import HARNESS_DIR, PACKAGE
from dnnbox.boxes.harness_copy import prepared
from dnnbox.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_prepared__every_module__is_compiled_and_trusted_without_a_look_at_its_source(
    store: Store, tmp_path: Path
) -> None:
    copy = prepared(HARNESS_DIR, tmp_path / "private", store=store)

    sources = {path.relative_to(copy) for path in copy.rglob("*.py")}
    assert sources == {path.relative_to(HARNESS_DIR) for path in HARNESS_DIR.rglob("*.py")}
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(copy / source)))
        assert compiled.read_bytes()[4] == 0b01, source  # hash-based, unchecked: no stat, no time that may differ
    assert not (tmp_path / "private").exists()


def test_prepared__start_in_isolation__compiles_nothing(store: Store, tmp_path: Path) -> None:
    copy = prepared(HARNESS_DIR, tmp_path / "private", store=store)
    code = f"import sys; sys.path.append({str(copy.parent)!r}); import {PACKAGE}.main"

    done = subprocess.run([sys.executable, "-I", "-B", "-v", "-c", code], capture_output=True, text=True, check=True)

    own = [line for line in done.stderr.splitlines() if PACKAGE in line]
    assert any("matches" in line for line in own)
    assert not [line for line in own if "code object from" in line and ".py'" in line]


def test_prepared__same_harness__is_made_once_and_another_one_anew(store: Store, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(HARNESS_DIR, changed, ignore=shutil.ignore_patterns("__pycache__"))
    first = prepared(HARNESS_DIR, tmp_path / "private", store=store)
    assert prepared(changed, tmp_path / "private", store=store) == first
    with (changed / "main.py").open("a") as file:
        file.write("# changed\n")
    assert prepared(changed, tmp_path / "private", store=store) != first
