"""A list of calls that several jobs work off: each takes the next one that nobody has taken, until none is left.

A list is a folder on a file system that all of them see: ``calls.json``, for each call a file under ``taken/`` as soon
as somebody works on it, and one under ``ended/`` when it has ended. A job starts Python once for all its calls, and one
that dies takes no other call with it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from dnnbox.files import write_atomic

CALLS, _TAKEN, _ENDED, _CANCELLED = "calls.json", "taken", "ended", "cancelled"
_LEAST_MARGIN_S = 60.0

_log = logging.getLogger(__name__)


class Pool:
    """One list of calls, as both sides see it. A key names a call and is a safe file name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """What tells it from other lists."""
        return self.folder.name

    @classmethod
    def create(cls, folder: Path, calls: Mapping[str, tuple[str, ...]]) -> Pool:
        """Write a list of calls: key → arguments."""
        for part in (_TAKEN, _ENDED):
            (folder / part).mkdir(parents=True, exist_ok=True)
        write_atomic(folder / CALLS, json.dumps(calls), durable=False)
        return cls(folder)

    def calls(self) -> dict[str, tuple[str, ...]]:
        """Return the calls in their order."""
        document = json.loads((self.folder / CALLS).read_text("utf-8"))
        return {str(key): tuple(map(str, arguments)) for key, arguments in document.items()}

    def taken(self) -> frozenset[str]:
        """Return the keys of the calls that somebody works on or has worked on."""
        return _names(self.folder / _TAKEN)

    def ended(self) -> frozenset[str]:
        """Return the keys of the calls that have ended."""
        return _names(self.folder / _ENDED)

    def taker(self, key: str) -> str:
        """Return who has taken a call, "" where that cannot be read yet."""
        with suppress(OSError):
            return (self.folder / _TAKEN / key).read_text("utf-8")
        return ""

    def problem(self, key: str) -> str:
        """Return what went wrong with a call that has ended, "" where nothing did."""
        with suppress(OSError):
            return (self.folder / _ENDED / key).read_text("utf-8")
        return ""

    def take(self, key: str, who: str) -> bool:
        """Take a call unless somebody has; of several at the same time one gets it."""
        try:
            handle = os.open(self.folder / _TAKEN / key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(who)
        return True

    def give_back(self, key: str) -> None:
        """Let another job take a call."""
        (self.folder / _TAKEN / key).unlink(missing_ok=True)

    def end(self, key: str, problem: str = "") -> None:
        """Note that a call has ended."""
        (self.folder / _ENDED / key).write_text(problem, encoding="utf-8")

    def cancel(self) -> None:
        """Note that somebody wants this list to end: what is left of it is not for other jobs."""
        (self.folder / _CANCELLED).touch()

    @property
    def cancelled(self) -> bool:
        """Whether somebody wanted this list to end."""
        return (self.folder / _CANCELLED).exists()


def _names(folder: Path) -> frozenset[str]:
    with os.scandir(folder) as found:
        return frozenset(entry.name for entry in found)


class Stopped(BaseException):
    """This job has to end now: it was cancelled, or its time is nearly over."""


class _Stops:
    """Turns the signals that end a job into :class:`Stopped`, and only while a call runs."""

    def __init__(self, limit_s: float) -> None:
        self.out_of_time = self.told = False
        self._raises = False
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGALRM):
            signal.signal(number, self._tell)
        signal.setitimer(signal.ITIMER_REAL, max(0.1, limit_s - min(_LEAST_MARGIN_S, 0.2 * limit_s)))

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        self.out_of_time |= number == signal.SIGALRM
        self.told = True
        if self._raises:
            self._raises = False
            raise Stopped

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Let a signal end the block."""
        self._raises = True
        try:
            if self.told:
                raise Stopped
            yield
        finally:
            self._raises = False


def pull(function: Callable[..., str], folder: str, limit_s: float) -> int:
    """Work off the list in ``folder`` with others; return how many calls this job has ended.

    ``limit_s`` is how long the job may run. What is cut off by that, or by a cancelled job, is given back for others;
    a call that had a whole job to itself and did not end in time is one that has failed.
    """
    pool, stops, who, count = Pool(Path(folder)), _Stops(limit_s), job(), 0
    calls = pool.calls()
    while key := _next(pool, calls, who):
        try:
            with stops.heard():
                problem = _call(function, calls[key])
        except Stopped:
            if stops.out_of_time and count == 0:
                pool.end(key, f"it did not end within the job's {limit_s:.0f} s")
            else:
                pool.give_back(key)
        else:
            pool.end(key, problem)
            count += 1
        if stops.told:
            if not stops.out_of_time:
                pool.cancel()
            break
    return count


def _next(pool: Pool, calls: Mapping[str, tuple[str, ...]], who: str) -> str:
    """Take a call and return its key, "" where none is left."""
    taken = pool.taken()
    return next((key for key in calls if key not in taken and pool.take(key, who)), "")


def _call(function: Callable[..., str], arguments: tuple[str, ...]) -> str:
    """Run one call; return what went wrong that is none of the call's own results."""
    began = time.monotonic()
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001 - the other calls of the list are not to suffer
        _log.exception("a call failed after %.1f s", time.monotonic() - began)
        return f"{type(error).__name__}: {error}"
    return ""


def job() -> str:
    """Return the id of the Slurm job that this is, as squeue writes it for tasks of arrays."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
