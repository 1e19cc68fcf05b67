"""Cells on a Slurm cluster through submitit: arrays of jobs that share a list of cells, GPUs, options per partition.

A job costs seconds before it does anything, a cell often costs no more: so each job works off cells until none is left.
A cell's answer is its ``cell.json`` on the shared file system, and a list's jobs bear its name: a coordinator that dies
loses nothing. Started again, it waits for the jobs that still run and submits only the others.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dnnbox import process
from dnnbox.errors import DnnboxError, EngineLost, EngineUnavailable, Usage
from dnnbox.files import host_errors
from dnnbox.sweep.cells import RESULT, place
from dnnbox.sweep.pulling import CALLS, Pool, pull
from dnnbox.sweep.slurm_options import parameters, placement, workers
from dnnbox.text import visible

_LOOK_S = 0.25
_ASK_S = 5.0
_GRACE_S = 30.0
"""How long a job may be gone before its answer is given up: shared file systems show files late."""


@dataclass
class _Call:
    """One call whose answer is awaited."""

    function: Callable[..., str]
    arguments: tuple[str, ...]
    future: Future[str]


@dataclass
class _Watched:
    """A list that jobs work off, and the calls of it that have not ended."""

    pool: Pool
    needs: Mapping[str, Any]
    open: dict[str, _Call] = field(default_factory=dict)


class SlurmExecutor:
    """Collects calls by what they need, submits arrays of jobs that share them, and watches for their answers."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self.settings, self.folder = settings, folder.absolute()
        self.device_class = f"slurm, {placement(settings)}"
        self._lists = self.folder / "slurm"
        self._waiting: dict[str, dict[str, _Call]] = {}
        self._watched: dict[str, _Watched] = {}
        self._gone: dict[str, float] = {}
        self._guard = threading.Lock()
        self._earlier = _still_running(self._lists)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, function: Callable[..., str], /, *args: str, resources: Mapping[str, str]) -> Future[str]:
        """Take a call for the next array; where jobs of an earlier start still have it, wait for them."""
        key, call = resources["key"], _Call(function, args, Future())
        call.future.set_running_or_notify_cancel()
        needs = parameters(self.settings, resources.get("device", "auto"))
        if (pool := self._earlier.get(key)) is not None:
            self._watch(pool, needs, {key: call})
        else:
            self._waiting.setdefault(json.dumps(needs, sort_keys=True), {})[key] = call
        return call.future

    def flush(self) -> None:
        """Submit what was collected."""
        waiting, self._waiting = self._waiting, {}
        for needs, calls in waiting.items():
            self._submit(json.loads(needs), calls)

    def _submit(self, needs: Mapping[str, Any], calls: Mapping[str, _Call]) -> None:
        # The executor's protocol lets each call have a function of its own; those of one list share one.
        by_function: dict[Callable[..., str], dict[str, _Call]] = {}
        for key, call in calls.items():
            by_function.setdefault(call.function, {})[key] = call
        for function, group in by_function.items():
            with host_errors(self._lists):
                folder = self._lists / uuid.uuid4().hex[:12]
                pool = Pool.create(folder, {key: call.arguments for key, call in group.items()})
            self._launch(pool, needs, function, workers(self.settings, len(group)))
            self._watch(pool, needs, group)

    def _launch(self, pool: Pool, needs: Mapping[str, Any], function: Callable[..., str], count: int) -> None:
        import submitit

        # Without srun the worker takes the place of the batch shell, which would die of a signal before it.
        python = sys.executable if needs.get("slurm_use_srun") else f"exec {sys.executable}"
        limit_s = 60.0 * float(needs["timeout_min"])
        try:
            executor = submitit.AutoExecutor(folder=pool.folder, cluster="slurm", slurm_python=python)
            executor.update_parameters(name=_job_name(pool), **needs)
            with executor.batch():
                for _ in range(count):
                    executor.submit(pull, function, str(pool.folder), limit_s)
        except Exception as error:
            shutil.rmtree(pool.folder, ignore_errors=True)
            raise EngineUnavailable(
                f"Slurm did not take the jobs: {visible(str(error), 300)}",
                hint="check partition and options in [slurm]; what was submitted before goes on",
                phase="sweep",
            ) from error

    def _watch(self, pool: Pool, needs: Mapping[str, Any], calls: Mapping[str, _Call]) -> None:
        with self._guard:
            self._watched.setdefault(pool.name, _Watched(pool, needs)).open.update(calls)
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, daemon=True, name="dnnbox-slurm")
            self._thread.start()

    def _look(self) -> None:
        try:
            asked = time.monotonic()
            while not self._stop.wait(_LOOK_S):
                for each in self._unsettled():
                    self._settle(each)
                if time.monotonic() - asked >= _ASK_S:
                    asked = time.monotonic()
                    self._mend(self._unsettled())
        except Exception as error:  # noqa: BLE001 - whoever waits for these answers must not wait for ever
            lost = EngineLost(f"cannot watch the jobs: {visible(str(error), 200)}", phase="sweep")
            for each in self._unsettled():
                for key in self._open(each):
                    self._fail(each, key, lost)

    def _unsettled(self) -> list[_Watched]:
        with self._guard:
            return [each for each in self._watched.values() if each.open]

    def _open(self, watched: _Watched) -> frozenset[str]:
        with self._guard:
            return frozenset(watched.open)

    def _settle(self, watched: _Watched) -> None:
        """Answer for the calls that have ended and whose answer has arrived."""
        for key in watched.pool.ended() & self._open(watched):
            problem = watched.pool.problem(key)
            if problem:
                self._fail(watched, key, EngineLost(f"its job failed: {visible(problem, 200)}", phase="sweep"))
            elif (place(self.folder, key) / RESULT).is_file() or self._is_overdue(f"answer {key}"):
                self._closed(watched, key).future.set_result("")

    def _mend(self, watched: list[_Watched]) -> None:
        """Answer for calls whose job is gone without having ended them; what no job has taken goes to new jobs."""
        try:
            alive = _queue(self._lists, [each.pool for each in watched])
        except EngineUnavailable:  # a controller that is being restarted: the jobs go on without it
            return
        for each in watched:
            waiting, taken = self._open(each), each.pool.taken()
            for key in waiting & taken - each.pool.ended():
                taker = each.pool.taker(key)
                if taker in alive:
                    self._gone.pop(key, None)
                elif self._is_overdue(key):
                    self._fail(each, key, EngineLost(f"the Slurm job {taker} ended in the middle of it", phase="sweep"))
            left = sorted(waiting - taken)
            if left and _job_name(each.pool) not in alive.values() and self._is_overdue(each.pool.name):
                self._hand_on(each, left, progressed=bool(taken))

    def _is_overdue(self, what: str) -> bool:
        """Return whether something has been missing for longer than a shared file system may hide it."""
        return time.monotonic() - self._gone.setdefault(what, time.monotonic()) > _GRACE_S

    def _hand_on(self, watched: _Watched, keys: list[str], *, progressed: bool) -> None:
        """Give what the jobs of a list have left to new ones; where that would go on for ever, say so instead."""
        if watched.pool.cancelled or not progressed:
            why = "its jobs were cancelled" if watched.pool.cancelled else "its jobs ended before they took a cell"
            error: DnnboxError = EngineLost(f"{why}; logs in slurm/{watched.pool.name}", phase="sweep")
            for key in keys:
                self._fail(watched, key, error)
            return
        calls = {key: self._closed(watched, key) for key in keys}
        try:
            self._submit(watched.needs, calls)
        except DnnboxError as error:
            for call in calls.values():
                call.future.set_exception(error)

    def _closed(self, watched: _Watched, key: str) -> _Call:
        with self._guard:
            return watched.open.pop(key)

    def _fail(self, watched: _Watched, key: str, error: DnnboxError) -> None:
        self._closed(watched, key).future.set_exception(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Jobs are left alone, also on Ctrl-C: the next start waits for them. `scancel` is the user's. But those that
        # still wait for a slot when everything has ended would only start to find nothing left.
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for each in self._watched.values():
            if not each.open:
                _forget(each.pool)


def _job_name(pool: Pool) -> str:
    return f"dnnbox-{pool.name}"


def _still_running(lists: Path) -> dict[str, Pool]:
    """Return the lists of earlier starts that jobs still work off, by the keys of their calls that have not ended."""
    pools = [Pool(path.parent) for path in sorted(lists.glob(f"*/{CALLS}"))]
    names = frozenset(_queue(lists, pools).values())
    found: dict[str, Pool] = {}
    for pool in pools:
        if _job_name(pool) in names:
            with suppress(OSError, ValueError):
                found |= dict.fromkeys(pool.calls().keys() - pool.ended(), pool)
    return found


def _queue(lists: Path, pools: Sequence[Pool]) -> dict[str, str]:
    """Return the jobs of these lists that wait or run: id → name; the tasks of an array one by one."""
    if not pools:
        return {}
    wanted = f"--name={','.join(map(_job_name, pools))}"
    answer = lists / ".queue"  # the answer may be longer than what is kept of a stream
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", wanted, "--format=%i|%T|%j"]
    ended = process.run(command, timeout_s=60, stdout=answer)
    if ended.returncode != 0:
        raise EngineUnavailable(f"squeue does not answer: {visible(ended.stderr[-200:], 200)}", phase="sweep")
    rows = (line.strip().split("|", 2) for line in answer.read_text("utf-8").splitlines() if line.count("|") >= 2)
    return {number: name for number, state, name in rows if state not in ("COMPLETED", "FAILED", "CANCELLED")}


def _forget(pool: Pool) -> None:
    with suppress(OSError):
        process.run(["scancel", f"--user={os.getuid()}", f"--name={_job_name(pool)}", "--state=PENDING"], timeout_s=60)


def open_slurm(settings: Mapping[str, Any], folder: Path) -> SlurmExecutor:
    """Return the executor of this cluster.

    Raises:
        EngineUnavailable: there is no Slurm here.
        Usage: submitit is not installed.
    """
    for program in ("sbatch", "squeue", "scancel"):
        if shutil.which(program) is None:
            raise EngineUnavailable(
                f"{program} is not here: this machine is no login node of a Slurm cluster",
                hint="`--on local` runs the cells here",
                phase="sweep",
            )
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise Usage("the Slurm executor needs submitit", hint="pip install 'dnnbox[slurm]'", phase="sweep") from error
    os.environ.setdefault("SUBMITIT_PROGRESS", "0")
    return SlurmExecutor(settings, folder)
