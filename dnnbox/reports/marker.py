"""Remembers who wrote a report last, so that one that a person edited, or a writer wrote, is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

from dnnbox.files import sha256_file, write_atomic

NAME = ".written.json"


class Marker:
    """``reports/.written.json``: file name to the sha256 of what was written there last, ``writer:`` before it where a
    program of the user's wrote it."""

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
        """Whether the file is not there, or is exactly what the rules wrote last."""
        return not path.exists() or self._known().get(path.name) == sha256_file(path)

    def is_written(self, path: Path) -> bool:
        """Whether the file is exactly what the writer wrote last."""
        return path.exists() and self._known().get(path.name) == f"writer:{sha256_file(path)}"

    def remember(self, path: Path, *, writer: bool = False) -> None:
        """Take the file as it is now for the rules' own, or for the writer's."""
        digest = sha256_file(path)
        known = self._known() | {path.name: f"writer:{digest}" if writer else digest}
        write_atomic(self._path, json.dumps(known, indent=2, sort_keys=True) + "\n")
