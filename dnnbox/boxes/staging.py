"""One job's staging directory: the request goes in, the box writes to it, the host collects from it and removes it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from dnnbox.boxes.collect import Collected, collect, remove_tree
from dnnbox.files import host_errors, write_atomic
from dnnbox.harness.protocol import REQUEST, RunRequest, encode
from dnnbox.records.environment import Limits

_NAME = ".staging"
STDOUT, STDERR = "stdout.txt", "stderr.txt"


class Staging:
    """The only place on the host that a job can write to. ``path`` is absolute."""

    def __init__(self, path: Path, job_dir: Path) -> None:
        self.path, self._job_dir = path, job_dir

    @classmethod
    @contextlib.contextmanager
    def open(cls, request: RunRequest, job_dir: Path) -> Iterator[Staging]:
        """Write the request for both sides to see; whatever the job leaves is gone at the end."""
        path = job_dir.absolute() / _NAME
        with host_errors(path):
            job_dir.mkdir(parents=True, exist_ok=True)
            remove_tree(path)  # left by a dnnbox that was killed
            path.mkdir(mode=0o700)
        try:
            text = json.dumps(encode(request), indent=1, allow_nan=False) + "\n"
            with host_errors(path):
                # Two copies: what the box makes of its own must not change the host's record of what was asked.
                (path / REQUEST).write_text(text, "utf-8")
            write_atomic(job_dir / REQUEST, text, durable=False)
            yield cls(path, job_dir)
        finally:
            remove_tree(path)

    def give_to(self, uid: int, gid: int) -> None:
        """Hand the directory to the user that the box runs as."""
        with host_errors(self.path):  # root is nobody on a network's file system
            os.chown(self.path, uid, gid)
            os.chown(self.path / REQUEST, uid, gid)

    def collect(self, limits: Limits) -> Collected:
        """Take over what the job left; nothing may write to the directory any more."""
        return collect(self.path, self._job_dir, limits)
