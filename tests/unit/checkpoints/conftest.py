"""Real checkpoints for the readers' tests, made once per session by torch itself in the frameworks' environment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("DNNBOX_ZOO_PYTHON", ROOT / ".venv-zoo" / "bin" / "python"))


@dataclass(frozen=True)
class Made:
    """The folder of made files and torch's view of each, by layout."""

    folder: Path
    expected: dict[str, dict[str, Any]]

    def path(self, layout: str) -> Path:
        """Return one file."""
        return self.folder / str(self.expected[layout]["file"])


@pytest.fixture(scope="session")
def made() -> Made:
    """Return the made checkpoints, kept under .cache; skips where the frameworks are not installed."""
    if not PYTHON.exists():
        pytest.skip(f"no frameworks at {PYTHON}: `make zoo` installs them")
    script = Path(__file__).with_name("make_checkpoints.py")
    packages = sorted(path.name for path in PYTHON.parents[1].glob("lib/python3*/site-packages/torch-*.dist-info"))
    digest = hashlib.sha256(script.read_bytes() + "\n".join(packages).encode()).hexdigest()[:16]
    folder = ROOT / ".cache" / "made-checkpoints" / digest
    if not (folder / "expected.json").exists():
        _make(script, folder)
    return Made(folder, json.loads((folder / "expected.json").read_text()))


def _make(script: Path, folder: Path) -> None:
    """Make into a sibling and rename: of two sessions at once, one wins and both find whole files."""
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    command = [str(PYTHON), "-B", "-W", "ignore", str(script), str(part)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    with contextlib.suppress(OSError):
        part.rename(folder)
