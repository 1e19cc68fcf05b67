"""The experiment folder: names, atomic writes, the lock, the stage log. It knows no stage."""

from __future__ import annotations

import fcntl
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dnnbox import codec
from dnnbox.errors import Busy, Corrupt, DnnboxError, HostPermission, NotReadable, Usage
from dnnbox.files import host_errors, write_atomic
from dnnbox.records.experiment import ExperimentIndex, StageRecord
from dnnbox.text import visible

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
        self._earlier: dict[str, StageRecord] = {}

    @classmethod
    def create(cls, root: Path, index: ExperimentIndex) -> Experiment:
        """Make the folder and lock it.

        Raises:
            HostPermission, HostFull: the place cannot be written.
            Usage: the folder exists and holds something.
            Busy: another dnnbox works on it.
        """
        if root.exists() and not root.is_dir():
            raise _file(root)
        experiment = cls(root, replace(index, id=index.id or new_id(), created_utc=utc_now()))
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
            raise _not_empty(self.root)
        self.save_index()  # first: from here on the experiment can be resumed
        self._make_folders()

    def _make_folders(self) -> None:
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        # The folder keeps itself out of git, so that no file of the user's has to be edited.
        write_atomic(self.root / ".gitignore", "*\n")

    @classmethod
    def resume(cls, root: Path) -> Experiment:
        """Lock an experiment that was begun before, and make ready to go on with it.

        Raises:
            Usage: the folder is no experiment.
            Corrupt, NotReadable: its experiment.json cannot be understood or read.
            Busy: another dnnbox works on it.
        """
        if not (root / INDEX).is_file():
            raise Usage(
                f"{visible(root.name, 80)} is no experiment: nothing was begun there",
                hint="give the folder that holds experiment.json, or run with `--out`",
            )
        experiment = cls(root, ExperimentIndex())
        with host_errors(root):
            experiment._acquire()
            try:
                experiment.index = read_index(root)
                experiment._make_folders()
                for part in root.rglob(".*.part"):  # a write that a dead dnnbox did not finish
                    part.unlink(missing_ok=True)
            except BaseException:
                experiment.close()
                raise
        return experiment

    def begin_again(self) -> None:
        """Note that the experiment goes on; the stages that ended well stay until they are recorded anew."""
        kept = tuple(stage for stage in self.index.stages if stage.status == "ok")
        self._earlier = {stage.name: stage for stage in kept}
        self.update(
            status="running",
            exit_code=None,
            error=None,
            stages=kept,
            resumed_utc=(*self.index.resumed_utc, utc_now()),
        )

    def _acquire(self) -> None:
        while self._lock is None:
            handle = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                # The kernel drops the lock with the process, however that ends.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(handle)
                raise _busy(self.root) from error
            if _is_still(self.root / _LOCK, handle):
                self._lock = handle
            else:  # whoever held it has removed the file meanwhile: this lock is worth nothing
                os.close(handle)

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
        """Write experiment.json, and a copy into outputs/: reports are made from that folder alone."""
        text = codec.dumps(self.index)
        write_atomic(self.root / INDEX, text)
        if self.outputs.is_dir():
            write_atomic(self.outputs / INDEX, text, durable=False)

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
        for name, value in seconds.items():
            self._append(StageRecord(name, "ok", round(value, 4)))
        self.save_index()

    def skip(self, name: str, why: str) -> None:
        """Record a stage that did not run."""
        self._log(StageRecord(name, "skipped", 0.0, {"message": why}))

    def _log(self, record: StageRecord) -> None:
        self._append(replace(record, seconds=round(record.seconds, 4)))
        self.save_index()

    def _append(self, record: StageRecord) -> None:
        """Add a record; it replaces that of the run before, whose time stays where the stage was only repeated."""
        before, stages = self._earlier.pop(record.name, None), self.index.stages
        if before is not None:
            stages = tuple(stage for stage in stages if stage is not before)
            record = replace(record, seconds=max(record.seconds, before.seconds))
        self.index = replace(self.index, stages=(*stages, record))

    def finish(
        self,
        status: Literal["success", "partial", "failed"],
        exit_code: int,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Write how it ended."""
        self.update(status=status, exit_code=exit_code, error=error)


def new_id() -> str:
    """Return the short name of a new experiment."""
    return uuid.uuid4().hex[:6]


def read_index(root: Path) -> ExperimentIndex:
    """Return what experiment.json says.

    Raises:
        Corrupt, NotReadable: it is not what dnnbox writes, or cannot be read.
    """
    name = f"{visible(root.name, 80)}/{INDEX}"
    try:
        return codec.loads(ExperimentIndex, (root / INDEX).read_text(encoding="utf-8"))
    except (codec.CodecError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{name} is not what dnnbox writes: {visible(str(error), 120)}", hint="run anew") from error
    except OSError as error:
        raise NotReadable(f"{name}: {error.strerror}", hint="give an experiment that you may read") from error


def refuse_taken(root: Path) -> None:
    """Refuse a place for a new experiment before anything else is done for it.

    Raises:
        Busy: another dnnbox works there.
        Usage: it is a file, or a folder that holds something.
        HostPermission: it cannot be written.
    """
    if root.exists() and not root.is_dir():
        raise _file(root)
    there = next(place for place in (root, *root.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise HostPermission(f"{visible(there.name, 80)} cannot be written", hint="choose another place with `--out`")
    _refuse_busy(root)
    with host_errors(root):
        if root.is_dir() and any(path.name != _LOCK for path in root.iterdir()):
            raise _not_empty(root)


def _file(root: Path) -> Usage:
    return Usage(f"--out {visible(root.name, 80)} is a file", hint="give a directory that does not exist yet")


def _not_empty(root: Path) -> Usage:
    return Usage(f"--out {visible(root.name, 80)} is not empty", hint="give a directory that does not exist yet")


def _refuse_busy(root: Path) -> None:
    try:
        handle = os.open(root / _LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # nobody has ever worked here, or the folder says itself what is wrong with it
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(root) from error
    except OSError:
        return
    finally:
        os.close(handle)


def _busy(root: Path) -> Busy:
    return Busy(f"another dnnbox works on {visible(root.name, 80)}", hint="wait for it, or choose another `--out`")


def _is_still(path: Path, handle: int) -> bool:
    try:
        there, mine = os.lstat(path), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def default_root(workspace: Path, checkpoint_name: str) -> Path:
    """Return ``<workspace>/tmp/<slug>-<time>``, with a number behind it where that is taken."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    base = workspace / "tmp" / f"{slug(checkpoint_name)}-{stamp}"
    candidates = (base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 1000)))
    return next(path for path in candidates if not path.exists())
