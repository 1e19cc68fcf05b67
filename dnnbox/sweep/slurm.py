"""Cells on a Slurm cluster through submitit: job arrays, GPUs, options per device and per partition.

A cell's answer is its ``cell.json`` on the shared file system, so a coordinator that dies loses nothing: started again,
it waits for the jobs that still run and submits only the others.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dnnbox import process
from dnnbox.errors import EngineUnavailable, Usage
from dnnbox.files import write_atomic
from dnnbox.sweep.cells import JOB, RESULT, place
from dnnbox.text import visible

_LOOK_S = 0.5
_ASK_S = 5.0
_GRACE_S = 30.0
"""How long a job may be gone before its answer is given up: shared file systems show files late."""

_OURS = ("array_size", "device", "partitions", "setup", "additional")
_NAMES = {
    "partition": "slurm_partition",
    "account": "slurm_account",
    "qos": "slurm_qos",
    "constraint": "slurm_constraint",
    "exclusive": "slurm_exclusive",
    "array_parallelism": "slurm_array_parallelism",
    "gres": "slurm_gres",
    "use_srun": "slurm_use_srun",
    "timeout_min": "timeout_min",
    "cpus_per_task": "cpus_per_task",
    "gpus_per_node": "gpus_per_node",
    "mem_gb": "mem_gb",
    "nodes": "nodes",
}


@dataclass
class _Call:
    """One call that waits for its array."""

    function: Callable[..., str]
    args: tuple[str, ...]
    key: str
    future: Future[str]


class SlurmExecutor:
    """Collects calls by what they need, submits them as job arrays, and watches for their answers."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self.settings, self.folder = settings, folder.absolute()
        self.device_class = f"slurm, partition {settings.get('partition', 'default')}"
        self._waiting: dict[str, list[_Call]] = {}
        self._watched: dict[str, tuple[str, Future[str]]] = {}
        self._gone: dict[str, float] = {}
        self._guard = threading.Lock()
        self._alive = _queue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, function: Callable[..., str], /, *args: str, resources: Mapping[str, str]) -> Future[str]:
        """Take a call for the next array; where its job still runs from before, wait for that one."""
        key, future = resources["key"], Future[str]()
        job = _job_of(self.folder, key)
        if job and job in self._alive:
            self._watch(key, job, future)
            return future
        needs = json.dumps(parameters(self.settings, resources.get("device", "auto")), sort_keys=True)
        self._waiting.setdefault(needs, []).append(_Call(function, args, key, future))
        return future

    def flush(self) -> None:
        """Submit what was collected, in arrays of at most ``array_size``."""
        size = int(self.settings.get("array_size", 500))
        waiting, self._waiting = self._waiting, {}
        for needs, calls in waiting.items():
            for start in range(0, len(calls), size):
                self._submit(json.loads(needs), calls[start : start + size])

    def _submit(self, needs: Mapping[str, Any], calls: Sequence[_Call]) -> None:
        import submitit

        logs = self.folder / "slurm"
        logs.mkdir(parents=True, exist_ok=True)
        executor = submitit.AutoExecutor(folder=logs, cluster="slurm")
        executor.update_parameters(name=f"dnnbox-{self.folder.name}"[:60], **needs)
        try:
            with executor.batch():
                jobs = [executor.submit(call.function, *call.args) for call in calls]
            names = [str(job.job_id) for job in jobs]
        except Exception as error:
            raise EngineUnavailable(
                f"Slurm did not take the jobs: {visible(str(error), 300)}",
                hint="check partition and options in [slurm]; what was submitted before goes on",
                phase="sweep",
            ) from error
        for call, name in zip(calls, names, strict=True):
            target = place(self.folder, call.key)
            target.mkdir(parents=True, exist_ok=True)
            write_atomic(target / JOB, json.dumps({"job": name}) + "\n", durable=False)
            self._watch(call.key, name, call.future)

    def _watch(self, key: str, job: str, future: Future[str]) -> None:
        with self._guard:
            self._watched[key] = (job, future)
        future.set_running_or_notify_cancel()
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, daemon=True, name="dnnbox-slurm")
            self._thread.start()

    def _look(self) -> None:
        asked = 0.0
        while not self._stop.wait(_LOOK_S):
            with self._guard:
                watched = dict(self._watched)
            for key, (_, future) in watched.items():
                if (answer := _answer(self.folder, key)) is not None:
                    self._settle(key, future, answer)
            if time.monotonic() - asked >= _ASK_S:
                asked = time.monotonic()
                self._give_up(watched)

    def _settle(self, key: str, future: Future[str], answer: str) -> None:
        with self._guard:
            self._watched.pop(key, None)
        future.set_result(answer)

    def _give_up(self, watched: Mapping[str, tuple[str, Future[str]]]) -> None:
        """Answer for jobs that Slurm no longer knows and that left nothing: killed, or out of time."""
        alive = _queue()
        now = time.monotonic()
        for key, (job, future) in watched.items():
            if job in alive or future.done():
                self._gone.pop(key, None)
            elif now - self._gone.setdefault(key, now) > _GRACE_S:
                with self._guard:
                    self._watched.pop(key, None)
                future.set_exception(EngineUnavailable(f"the Slurm job {job} ended without an answer", phase="sweep"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Jobs are left alone, also on Ctrl-C: the next start waits for them. `scancel` is the user's.
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


def parameters(settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return submitit's parameters for a device: the common ones, the device's, then those of the partition.

    Raises:
        Usage: an option that is not known.
    """
    common = {key: value for key, value in settings.items() if key not in ("device", "partitions")}
    by_device = settings.get("device", {}).get(device.partition(":")[0], {})
    chosen = {**common, **by_device}
    partition = settings.get("partitions", {}).get(str(chosen.get("partition", "")), {})
    chosen = {**partition, **chosen}
    if device.startswith(("cuda", "rocm")):
        chosen.setdefault("gpus_per_node", 1)
    if unknown := sorted(set(chosen) - set(_NAMES) - set(_OURS)):
        hint = f"known: {', '.join((*_NAMES, *_OURS))}; others go into `additional`"
        raise Usage(f"[slurm]: unknown option `{visible(unknown[0], 60)}`", hint=hint, phase="sweep")
    found = {_NAMES[key]: value for key, value in chosen.items() if key in _NAMES}
    found.setdefault("timeout_min", 240)
    # A second program between the batch script and the cell would only add its start to every cell.
    found.setdefault("slurm_use_srun", False)
    if additional := chosen.get("additional"):
        found["slurm_additional_parameters"] = dict(additional)
    if setup := chosen.get("setup"):
        found["slurm_setup"] = list(setup)
    return found


def _queue() -> frozenset[str]:
    """Return the ids of all jobs that Slurm has queued or running, array tasks one by one."""
    ended = process.run(["squeue", "--noheader", "--array", "--format=%i|%T"], timeout_s=60)
    if ended.returncode != 0:
        raise EngineUnavailable(f"squeue does not answer: {visible(ended.stderr[-200:], 200)}", phase="sweep")
    pairs = (line.strip().partition("|") for line in ended.stdout.splitlines())
    return frozenset(name for name, _, state in pairs if state not in ("COMPLETED", "FAILED", "CANCELLED"))


def _job_of(folder: Path, key: str) -> str:
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((place(folder, key) / JOB).read_text("utf-8"))["job"])
    return ""


def _answer(folder: Path, key: str) -> str | None:
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((place(folder, key) / RESULT).read_text("utf-8"))["exit_code"])
    return None


def open_slurm(settings: Mapping[str, Any], folder: Path) -> SlurmExecutor:
    """Return the executor of this cluster.

    Raises:
        EngineUnavailable: there is no Slurm here.
        Usage: submitit is not installed.
    """
    for program in ("sbatch", "squeue"):
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
