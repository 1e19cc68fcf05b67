"""The zoo: real checkpoints in real formats, made once by the real frameworks and kept under .cache/zoo.

``Zoo().path("timm_zip")`` answers where one lies and makes it if need be. The folder's name is a digest of the
makers and of the installed package versions, so a changed script or a new framework makes a new zoo.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from tests.zoo.kinds import BAD, BY_NAME, KINDS, Bad, Kind

__all__ = ["BAD", "KINDS", "Bad", "Kind", "Zoo", "ZooMissing"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class ZooMissing(Exception):
    """The frameworks' environment is not there; the message says how to make it."""


class Zoo:
    """The checkpoints of one environment of frameworks."""

    def __init__(self, root: Path = ROOT) -> None:
        self.python = Path(os.environ.get("DNNBOX_ZOO_PYTHON", root / ".venv-zoo" / "bin" / "python"))
        if not self.python.exists():
            raise ZooMissing(f"no frameworks at {self.python}: `make zoo` installs them")
        self._cache = root / ".cache" / "zoo"

    @cached_property
    def root(self) -> Path:
        """The folder that belongs to these makers and these package versions."""
        digest = hashlib.sha256()
        digest.update((HERE / "make.py").read_bytes())
        digest.update(repr(sorted((entry.name, entry.path) for entry in BY_NAME.values())).encode())
        packages = self.python.parents[1].glob("lib/python3*/site-packages/*.dist-info")
        digest.update("\n".join(sorted(path.name for path in packages)).encode())
        return self._cache / digest.hexdigest()[:16]

    def path(self, name: str) -> Path:
        """Return where the checkpoint lies; makes it, and all others that are missing, on the first call."""
        entry = BY_NAME[name]
        if not (self.root / name).exists():
            self.make()
        return self.root / name / entry.path

    def make(self, *names: str) -> None:
        """Run the makers; a second process waits for the first and finds everything made."""
        script = HERE / "make.py"
        command = [str(self.python), "-B", str(script), str(self.root), *names]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the zoo could not be made:\n{done.stderr[-4000:]}")

    def kind(self, name: str) -> Kind:
        """Return the table's line for one good checkpoint."""
        entry = BY_NAME[name]
        assert isinstance(entry, Kind)
        return entry

    def copy(self, name: str, into: Path) -> Path:
        """Copy the checkpoint with all that lies beside it, for tests that change it; returns the copy's path."""
        target = into / name
        shutil.copytree(self.path(name).parent, target)
        return target / BY_NAME[name].path
