"""A user without configuration, a store of its own, and a progress that remembers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dnnbox.events import Silent
from dnnbox.store import Store
from dnnbox.uv import CERTIFICATES


@pytest.fixture(autouse=True)
def bare_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variables and no files of pip and uv: what is tested is what the test sets."""
    for name in tuple(os.environ):
        if name.startswith(("UV_", "PIP_", "CONDA_")) or name in ("VIRTUAL_ENV", "XDG_CONFIG_HOME", *CERTIFICATES):
            monkeypatch.delenv(name)
    # Interpreters are the machine's, not the user's configuration.
    monkeypatch.setenv("PYENV_ROOT", os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return home


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@dataclass
class Notes(Silent):
    """Remembers the notes that the user would see."""

    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def progress() -> Notes:
    return Notes()
