"""Remembers what dnnbox wrote, so that a report that a person edited is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

from dnnbox.files import sha256_file, write_atomic

NAME = ".written.json"


class Marker:
    """``reports/.written.json``: file name to the sha256 of what was written there last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME

    def _known(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def is_ours(self, path: Path) -> bool:
        """Whether the file is not there, or is exactly what was written last."""
        return not path.exists() or self._known().get(path.name) == sha256_file(path)

    def remember(self, path: Path) -> None:
        """Take the file as it is now for dnnbox's own."""
        known = self._known() | {path.name: sha256_file(path)}
        write_atomic(self._path, json.dumps(known, indent=2, sort_keys=True) + "\n")
