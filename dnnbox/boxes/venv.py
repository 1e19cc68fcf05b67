"""Runs jobs with an interpreter on this machine: under bubblewrap where that works, else as a plain process.

Covers new environments from the store, the workspace's own one, and pixi's: to a box an interpreter is an interpreter.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from dnnbox import process
from dnnbox.boxes import bubblewrap, cgroup, gpu, seccomp
from dnnbox.boxes.base import ENVIRONMENT, HARNESS_DIR, LIB, PACKAGE, RUN, inside, start_argv, with_blobs
from dnnbox.boxes.bubblewrap import Bubblewrap
from dnnbox.boxes.harness_copy import hold, prepared
from dnnbox.boxes.limits import apply_to, cpu_set
from dnnbox.boxes.staging import STDERR, STDOUT, Staging
from dnnbox.boxes.watch import watching
from dnnbox.errors import EngineLimit, EnvFailed, Usage
from dnnbox.harness.protocol import RunRequest
from dnnbox.process import Completed
from dnnbox.records.environment import Limits, Mount
from dnnbox.records.run import RunOutcome
from dnnbox.scratch import scratch
from dnnbox.text import visible

_SIGNAL_BASE = 128  # how bubblewrap and shells report a child that died of a signal


def open_venv(
    interpreter: Path,
    mounts: Sequence[Mount],
    limits: Limits,
    *,
    device: str = "cpu",
    gpus: str = "",
    sandbox: Literal["auto", "none"] = "auto",
    kind: str = "venv",
    harness_dir: Path = HARNESS_DIR,
) -> VenvBox:
    """Return a box that runs jobs with ``interpreter``; use it as a context manager.

    Raises:
        Usage: a mount's host path does not exist, or ``limits.cpus`` is no list of processors.
        EnvFailed: there is no such interpreter.
        GpuUnavailable: ``device`` needs nodes that this machine does not have.
    """
    missing = next((mount.host for mount in mounts if not Path(mount.host).exists()), None)
    if missing is not None:
        raise Usage(f"{visible(Path(missing).name)} does not exist")
    if not os.access(interpreter, os.X_OK):
        raise EnvFailed("the environment's Python is not there", hint="`dnnbox clean`, then run again")
    cpu_set(limits.cpus)
    found = bubblewrap.find() if sandbox == "auto" else "not asked for"
    box = SandboxedVenv if isinstance(found, Bubblewrap) else PlainVenv
    return box(found, interpreter, with_blobs(mounts), limits, device, kind, harness_dir, gpus)


class VenvBox:
    """What both forms share: one job is one process that is started, limited, waited for and collected from."""

    sandbox: str

    def __init__(
        self,
        found: Bubblewrap | str,
        interpreter: Path,
        mounts: Sequence[Mount],
        limits: Limits,
        device: str,
        kind: str,
        harness_dir: Path,
        gpus: str = "",
    ) -> None:
        self.kind = kind
        self.environment: Path | None = interpreter.parent.parent
        self._found, self._interpreter, self._harness = found, interpreter, harness_dir
        self._mounts, self._limits, self._device = tuple(mounts), limits, device
        self._nodes, self._variables = gpu.nodes(device), gpu.environment(device, gpus)
        self._stack = contextlib.ExitStack()
        self._private = Path()

    def __enter__(self) -> Self:
        try:
            self._private = self._stack.enter_context(scratch())
            hold(self._stack, self._interpreter)
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def path(self, host: Path) -> str:
        """Return where the box sees a host path; see :class:`dnnbox.boxes.base.Box`."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Fill the private directory, once per box."""
        raise NotImplementedError

    def _start(self, job: _Job) -> Completed:
        raise NotImplementedError

    def run(self, request: RunRequest, job_dir: Path, *, timeout_s: float) -> RunOutcome:
        """Run one job; see :class:`dnnbox.boxes.base.Box`.

        Raises:
            EngineLimit: the sandbox could not be made, or a limit cannot be set.
            HostFull, HostPermission: the host's side could not be written.
        """
        with Staging.open(request, job_dir) as staging, _group(self._limits) as group:
            job = _Job(staging.path, job_dir, timeout_s, group, self._limits)
            figures = group.memory_folder if group is not None else None
            with watching(staging.path, self._limits, job.kill, lambda: figures) as watch:
                done = self._start(job)
            oom_killed = watch.thrashing or (group is not None and group.oom_killed)
            settings = {**self._settings(), **_memory_facts(group)}
            collected = staging.collect(self._limits)
        if collected.problem:
            settings["result_problem"] = f"result.json: {collected.problem}"
        code, number = _exit_of(done)
        return RunOutcome(
            job=request.job,
            result=collected.result,
            exit_code=code,
            spawned_ns=done.spawned_ns,
            wall_s=done.wall_s,
            signal=number,
            timed_out=done.timed_out,
            oom_killed=oom_killed,
            output_limit=watch.exceeded or collected.output_limit,
            stderr_tail=done.stderr,
            files=collected.files,
            rejected=tuple(collected.rejected),
            settings=settings,
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "sandbox": self.sandbox,
            "memory_bytes": self._limits.memory_bytes,
            "file_bytes": self._limits.file_bytes,
            "cpus": self._limits.cpus,
            "gpu_nodes": list(self._nodes),
        }


class SandboxedVenv(VenvBox):
    """No network, no capabilities, nothing writable but the run directory and private temporary places."""

    sandbox = "bubblewrap"

    def _prepare(self) -> None:
        for name, text in bubblewrap.ETC_FILES.items():
            (self._private / name).write_text(text)
        assert isinstance(self._found, Bubblewrap)
        self._python, own = bubblewrap.interpreter_mounts(self._interpreter)
        source = prepared(self._harness, self._private, interpreter=self._interpreter)
        hold(self._stack, source)
        harness = Mount(str(source), f"{LIB}/{PACKAGE}")
        self._all_mounts = [*own, harness, *self._mounts]
        self._fixed = [
            *bubblewrap.isolation(self._found),
            *bubblewrap.root_options(self._found, self._private, self._limits),
        ]

    def path(self, host: Path) -> str:
        """Return where the box sees a host path."""
        return inside(self._mounts, host)

    def _start(self, job: _Job) -> Completed:
        with _Gate() as gate, _call_filter() as (descriptors, options):
            done = process.run(
                [
                    *self._fixed,
                    *gate.options(),
                    *options,
                    *bubblewrap.mount_options(self._all_mounts, job.staging, self._nodes),
                    "--",
                    *start_argv(self._python, LIB, RUN),
                ],
                env={**ENVIRONMENT, **self._variables},
                pass_fds=(*gate.theirs, *descriptors),
                on_start=lambda _: gate.pass_through(job.admit),
                **job.keywords(),
            )
            gate.wait_for_end()
        if done.stderr.startswith("bwrap: ") and done.returncode == 1:
            raise EngineLimit(f"the sandbox could not be made: {visible(done.stderr.strip(), 200)}")
        return done

    def _settings(self) -> dict[str, Any]:
        assert isinstance(self._found, Bubblewrap)
        engine = {"name": "bubblewrap", "version": self._found.version}
        isolation = {"engine": engine, "network": "none", "capabilities": "none", "read_only": True}
        isolation["system_calls"] = len(seccomp.refused())  # so many are refused
        return {**super()._settings(), **isolation}


class PlainVenv(VenvBox):
    """The same job without a sandbox: limits of the process and an empty environment, no isolation."""

    def __init__(self, found: Bubblewrap | str, *rest: Any) -> None:
        super().__init__(found, *rest)
        self.sandbox = f"none: {found}"

    def _prepare(self) -> None:
        for name in ("home", "tmp", "lib"):
            (self._private / name).mkdir()
        source = prepared(self._harness, self._private, interpreter=self._interpreter)
        hold(self._stack, source)
        (self._private / "lib" / PACKAGE).symlink_to(source)

    def path(self, host: Path) -> str:
        """Return the host path itself."""
        inside(self._mounts, host)  # the same refusal as in a sandbox
        return str(host)

    def _start(self, job: _Job) -> Completed:
        environment = {**ENVIRONMENT, **self._variables}
        environment |= {"HOME": str(self._private / "home"), "TMPDIR": str(self._private / "tmp")}
        return process.run(
            start_argv(str(self._interpreter), str(self._private / "lib"), str(job.staging)),
            env=environment,
            cwd=job.staging,
            on_start=job.admit,  # set before the interpreter is up: it takes milliseconds, this takes microseconds
            **job.keywords(),
        )


class _Job:
    """What is the same for every way of starting a job."""

    def __init__(
        self, staging: Path, job_dir: Path, timeout_s: float, group: cgroup.Group | None, limits: Limits
    ) -> None:
        self.staging, self._job_dir, self._timeout_s = staging, job_dir, timeout_s
        self._group, self._limits = group, limits
        self._pid = 0

    def keywords(self) -> dict[str, Any]:
        """Return the arguments of process.run that do not depend on the sandbox."""
        return {
            "timeout_s": self._timeout_s,
            "stdout": self._job_dir / STDOUT,
            "stderr": self._job_dir / STDERR,
            "log_limit_bytes": self._limits.log_bytes,
        }

    def admit(self, pid: int) -> None:
        """Put the process under its limits, before it has run anything foreign."""
        self._pid = pid
        with contextlib.suppress(ProcessLookupError):  # it ended already; its exit code tells
            if self._group is not None:
                self._group.add(pid)
            apply_to(pid, self._limits, has_group=self._group is not None)

    def kill(self) -> None:
        """End the job at once, from another thread; asked again, do nothing: the pid may be somebody else's by then."""
        pid, self._pid = self._pid, 0
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


class _Gate:
    """Holds the sandbox's first process back until its limits are set, and tells when its last one is gone.

    bubblewrap writes that process's pid to one pipe and waits for a byte on another (--info-fd, --block-fd).
    """

    def __init__(self) -> None:
        self._info, info_theirs = os.pipe()
        block_theirs, self._block = os.pipe()
        self.theirs = (info_theirs, block_theirs)
        self._end: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._info, self._block, *self.theirs, self._end):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def options(self) -> list[str]:
        """Return bubblewrap's options for the two pipes."""
        return ["--info-fd", str(self.theirs[0]), "--block-fd", str(self.theirs[1])]

    def pass_through(self, admit: Callable[[int], None]) -> None:
        """Wait for the pid, admit it and open the gate; a bubblewrap that failed early has no pid to give."""
        for descriptor in self.theirs:
            os.close(descriptor)
        self.theirs = ()  # type: ignore[assignment]
        said = b""
        while chunk := os.read(self._info, 4096):
            said += chunk
        with contextlib.suppress(ValueError, KeyError):
            pid = int(json.loads(said)["child-pid"])
            with contextlib.suppress(AttributeError, OSError):
                self._end = os.pidfd_open(pid)
            admit(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(self._block, b"1")

    def wait_for_end(self) -> None:
        """Block until the sandbox's first process is gone, and with it, by the kernel, all others in there."""
        if self._end is not None:
            select.select([self._end], [], [], 10)


@contextlib.contextmanager
def _call_filter() -> Iterator[tuple[tuple[int, ...], list[str]]]:
    """Yield descriptors to pass on, and bubblewrap's options for them; none where no filter is known."""
    program = seccomp.program()
    if program is None or not hasattr(os, "memfd_create"):
        yield (), []
        return
    with open(os.memfd_create("dnnbox-seccomp"), "w+b", buffering=0) as file:  # noqa: PTH123 - there is no path
        file.write(program)
        file.seek(0)
        yield (file.fileno(),), ["--seccomp", str(file.fileno())]


@contextlib.contextmanager
def _group(limits: Limits) -> Iterator[cgroup.Group | None]:
    group = cgroup.make(limits) if sys.platform == "linux" else None
    try:
        yield group
    finally:
        if group is not None:
            group.close()


def _memory_facts(group: cgroup.Group | None) -> Mapping[str, Any]:
    if group is None:
        return {"memory": "rlimit", "weaker": ["memory is limited for each process, not for all together"]}
    return {
        "memory": f"cgroup v{group.version}",
        "memory_failed": group.refused,
        "memory_peak_bytes": group.peak_bytes,
    }


def _exit_of(done: Completed) -> tuple[int | None, int | None]:
    """Return exit code and signal of the job itself, seen through bubblewrap."""
    if done.signal is not None:
        return None, done.signal
    if done.returncode > _SIGNAL_BASE:
        return done.returncode, done.returncode - _SIGNAL_BASE
    return done.returncode, None


__all__ = ["PlainVenv", "SandboxedVenv", "VenvBox", "open_venv"]
