"""The experiment folder: names, atomic writes, the lock, the stage log. It knows no stage."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dnnbox import codec
from dnnbox.errors import Busy, DnnboxError, Usage
from dnnbox.files import host_errors, write_atomic
from dnnbox.records.experiment import ExperimentIndex, StageRecord

FOLDERS = ("refs", "scripts", "inputs", "outputs", "logs", "reports", "reports/figures")
INDEX = "experiment.json"
_LOCK = ".lock"


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slug(name: str) -> str:
    """Return a folder name from any file name: ASCII letters, digits, dash and dot, 1 to 48 characters."""
    stem = re.sub(r"\.(pth?|pt2|onnx|safetensors|ckpt|bin|jit)$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9.]+", "-", stem).strip("-.")[:48].strip("-.") or "checkpoint"


class Experiment:
    """One folder under ``tmp/``. Everything in it is written whole or not at all; paths inside are relative."""

    def __init__(self, root: Path, index: ExperimentIndex) -> None:
        self.root = root
        self.index = index
        self._lock: int | None = None

    @classmethod
    def create(cls, root: Path, index: ExperimentIndex) -> Experiment:
        """Make the folder and lock it.

        Raises:
            HostPermission, HostFull: the place cannot be written.
            Usage: the folder exists and holds something.
            Busy: another dnnbox works on it.
        """
        if root.exists() and not root.is_dir():
            raise Usage(f"--out {root.name} is a file", hint="give a directory that does not exist yet")
        experiment = cls(root, replace(index, id=uuid.uuid4().hex[:6], created_utc=utc_now()))
        with host_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            experiment._acquire()
            try:
                experiment._lay_out()
            except BaseException:
                experiment.close()
                raise
        return experiment

    def _lay_out(self) -> None:
        if any(path.name != _LOCK for path in self.root.iterdir()):
            raise Usage(f"--out {self.root.name} is not empty", hint="give a directory that does not exist yet")
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        # The folder keeps itself out of git, so that no file of the user's has to be edited.
        write_atomic(self.root / ".gitignore", "*\n")
        self.save_index()

    def _acquire(self) -> None:
        handle = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # The kernel drops the lock with the process, however that ends.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise Busy(
                f"another dnnbox works on {self.root.name}", hint="wait for it, or choose another `--out`"
            ) from error
        self._lock = handle

    def close(self) -> None:
        """Release the lock; the folder stays."""
        if self._lock is not None:
            (self.root / _LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    def save(self, name: str, record: object) -> None:
        """Write ``outputs/<name>.json``."""
        write_atomic(self.outputs / f"{name}.json", codec.dumps(record))

    def save_index(self) -> None:
        """Write experiment.json."""
        write_atomic(self.root / INDEX, codec.dumps(self.index))

    def update(self, **changes: Any) -> None:
        """Replace fields of the index and write it."""
        self.index = replace(self.index, **changes)
        self.save_index()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record how long a stage took and how it ended; an error goes on to the caller."""
        start = time.monotonic()
        try:
            yield
        except DnnboxError as error:
            error.phase = error.phase or name
            self._log(StageRecord(name, "failed", time.monotonic() - start, error.as_json()))
            raise
        except BaseException as error:
            self._log(StageRecord(name, "failed", time.monotonic() - start, {"name": type(error).__name__}))
            raise
        self._log(StageRecord(name, "ok", time.monotonic() - start))

    def note_stages(self, seconds: Mapping[str, float]) -> None:
        """Record stages that ended well before the folder existed."""
        records = (StageRecord(name, "ok", round(value, 4)) for name, value in seconds.items())
        self.update(stages=(*self.index.stages, *records))

    def skip(self, name: str, why: str) -> None:
        """Record a stage that did not run."""
        self._log(StageRecord(name, "skipped", 0.0, {"message": why}))

    def _log(self, record: StageRecord) -> None:
        rounded = replace(record, seconds=round(record.seconds, 4))
        self.update(stages=(*self.index.stages, rounded))

    def finish(
        self,
        status: Literal["success", "partial", "failed"],
        exit_code: int,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Write how it ended."""
        self.update(status=status, exit_code=exit_code, error=error)


def default_root(workspace: Path, checkpoint_name: str) -> Path:
    """Return ``<workspace>/tmp/<slug>-<time>``, with a number behind it where that is taken."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    base = workspace / "tmp" / f"{slug(checkpoint_name)}-{stamp}"
    candidates = (base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 1000)))
    return next(path for path in candidates if not path.exists())


def remove_if_empty(experiment: Experiment) -> None:
    """Remove a folder in which nothing was done yet, so that a refusal leaves nothing behind."""
    experiment.close()
    shutil.rmtree(experiment.root, ignore_errors=True)
    parent = experiment.root.parent
    if parent.name == "tmp" and not any(parent.iterdir()):
        parent.rmdir()
