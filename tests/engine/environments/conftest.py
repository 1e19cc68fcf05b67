"""A conda channel in a folder, made once: no real one can be reached."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def conda_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a channel that has this Python as a conda package."""
    pytest.importorskip("rattler")
    folder = tmp_path_factory.mktemp("conda") / "channel"
    maker = Path(__file__).parent / "conda_channel.py"
    subprocess.run([sys.executable, str(maker), str(folder)], check=True, timeout=300)
    return folder
