"""Runs jobs in hardened containers: a container per job, with an environment from the store mounted read-only."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from dnnbox.boxes import facts, gpu, hardened, owner, seccomp
from dnnbox.boxes.base import ENVIRONMENT, HARNESS_DIR, LIB, PACKAGE, RUN, STORE, inside, start_argv, with_blobs
from dnnbox.boxes.collect import Collected
from dnnbox.boxes.engine import Ended, Session, engine_errors
from dnnbox.boxes.hardened import Wanted
from dnnbox.boxes.harness_copy import hold, prepared
from dnnbox.boxes.limits import cpu_set
from dnnbox.boxes.readable import readable
from dnnbox.boxes.staging import STDERR, STDOUT, Staging
from dnnbox.boxes.sweep import sweep_session
from dnnbox.errors import Usage
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.environment import Limits, Mount
from dnnbox.records.run import RunOutcome
from dnnbox.scratch import scratch
from dnnbox.store import Store
from dnnbox.text import visible

_APART = re.compile(r"[,=\"\\]")  # what separates fields, and quotes, where podman reads a mount
_DEV = Path("/dev")
_UNLIMITED = {"memory": "memory is not limited", "pids": "the number of processes is not limited",
              "cpuset": "the processors are not limited"}  # fmt: skip
_SIGNAL_BASE = 128  # how tini, the container's first process, reports a child that died of a signal


def open_container(
    engine: str,
    image: str,
    interpreter: str,
    mounts: Sequence[Mount],
    limits: Limits,
    *,
    device: str = "cpu",
    gpus: str = "",
    runtime: str = "",
    store: Store | None = None,
    harness_dir: Path = HARNESS_DIR,
) -> ContainerBox:
    """Return a box that runs each job in a container of its own; use it as a context manager.

    ``interpreter`` is a path inside: the answer of ``make_container_env``, or a Python of the image. ``runtime`` is
    what the engine starts containers with, such as ``runsc``, "" for its default.

    Raises:
        Usage: a mount's host path does not exist, or an option is not readable.
        NotReadable: the user that the container runs as may not read a mount.
        EngineUnavailable: the engine or the image is not there.
    """
    missing = next((mount.host for mount in mounts if not Path(mount.host).exists()), None)
    if missing is not None:
        raise Usage(f"{visible(Path(missing).name)} does not exist")
    cpu_set(limits.cpus)
    own = _environment_mounts(interpreter, store)
    return ContainerBox(
        engine, image, interpreter, own, with_blobs(mounts), limits, device, gpus, harness_dir, store, runtime
    )


def _environment_mounts(interpreter: str, store: Store | None) -> list[Mount]:
    """Return the mount for the one environment that the interpreter belongs to; no other is shown."""
    place = PurePosixPath(interpreter)
    if not place.is_relative_to(STORE):
        return []
    assert store is not None, "an interpreter in the store needs the store"
    environment = place.parent.parent
    return [Mount(str(store.container_root / environment.relative_to(STORE)), str(environment))]


class ContainerBox:
    """A container per job; between jobs nothing of it exists but a private directory with the harness."""

    sandbox = "container"

    def __init__(
        self,
        engine: str,
        image: str,
        interpreter: str,
        own: Sequence[Mount],
        mounts: Sequence[Mount],
        limits: Limits,
        device: str,
        gpus: str,
        harness_dir: Path,
        store: Store | None,
        runtime: str = "",
    ) -> None:
        self.kind = engine
        self.environment: Path | None = Path(own[0].host) if own else None
        self._runtime = runtime
        self._store = store
        self._image, self._interpreter, self._limits = image, interpreter, limits
        self._own, self._mounts = tuple(own), tuple(_plainly_named(mount, engine) for mount in mounts)
        self._device, self._gpus, self._harness_dir = device, gpus, harness_dir
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._session = self._stack.enter_context(Session(self.kind))
            self._private = self._stack.enter_context(scratch())
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _prepare(self) -> None:
        """Look at the image, and put what the container mounts where its user can read it."""
        sweep_session(self._session)
        with engine_errors(self.kind, self._image):
            image = self._session.client.images.get(self._image)
        self._dropped = tuple(entry.partition("=")[0] for entry in image.attrs["Config"].get("Env") or ())
        self._image_id = str(image.id)
        self._private.chmod(0o755)
        # Compiled by the host's Python: good for an image that has the same version, ignored by any other.
        harness = prepared(self._harness_dir, self._private, store=self._store)
        for place in (harness, *(Path(mount.host) / "bin" for mount in self._own)):
            hold(self._stack, place)
        engine = self._session.engine  # as late as can be: the answer takes longest
        self._uid, self._gid = hardened.user_of(engine)
        self._gpu = gpu.request(self._device, self._gpus, engine.cdi_dirs, has_hook=engine.kind != "podman", dev=_DEV)
        mounts = [Mount(str(harness), f"{LIB}/{PACKAGE}"), *self._own, *self._shown()]
        self._all_mounts = tuple(self._speakable(mount, number) for number, mount in enumerate(mounts))

    def _shown(self) -> Iterator[Mount]:
        for number, mount in enumerate(self._mounts):
            if os.getuid() == 0 and self._uid != 0:
                yield from readable(mount, self._uid, self._gid, self._private / f"readable-{number}")
            else:
                yield mount

    def _speakable(self, mount: Mount, name: int | str) -> Mount:
        """Return a mount whose host path the engine's API can carry: one that it cannot goes through a link."""
        try:
            mount.host.encode("utf-8")
            if self.kind != "podman" or not _APART.search(mount.host):
                return mount
        except UnicodeEncodeError:
            pass  # JSON has no such text
        link = self._private / f"link-{name}"
        link.unlink(missing_ok=True)
        link.symlink_to(mount.host)
        return replace(mount, host=str(link))

    def path(self, host: Path) -> str:
        """Return where the box sees a host path."""
        return inside(self._mounts, host)

    def run(self, request: RunRequest, job_dir: Path, *, timeout_s: float) -> RunOutcome:
        """Run one job; see :class:`dnnbox.boxes.base.Box`.

        Raises:
            EngineLimit: the engine cannot enforce what was asked.
            EngineLost: it went away during the run.
            GpuUnavailable: it cannot pass the GPU.
        """
        with Staging.open(self._renumbered(request), job_dir) as staging:
            if os.getuid() == 0 and self._uid != 0:
                staging.give_to(self._uid, self._gid)
            writable = self._speakable(Mount(str(staging.path), RUN, writable=True), "run")
            ended = self._session.run(
                self._wanted(writable),
                timeout_s=timeout_s,
                logs=(job_dir / STDOUT, job_dir / STDERR),
                staging=staging.path,
            )
            collected = staging.collect(self._limits)
        return self._outcome(request.job, ended, collected)

    def _renumbered(self, request: RunRequest) -> RunRequest:
        """A container that is given one GPU by number sees it as the first one."""
        names = [name.rpartition("=")[2] for name in self._gpu.device_ids]  # CDI's are kind=name
        one = len(names) == 1 and names != ["all"]
        return replace(request, device="cuda:0") if one and request.device.startswith("cuda:") else request

    def _wanted(self, run: Mount) -> Wanted:
        return Wanted(
            image=self._image_id,
            command=tuple(start_argv(self._interpreter, LIB, RUN, first=self._call_filter())),
            user=f"{self._uid}:{self._gid}",
            environment={**ENVIRONMENT, **gpu.environment(self._device)},
            mounts=(*self._all_mounts, run),
            limits=self._limits,
            labels=owner.labels(),
            working_dir=RUN,
            dropped=self._dropped,
            gpu=self._gpu,
            runtime=self._runtime,
        )

    def _call_filter(self) -> str:
        """Return code that refuses the calls which this engine's own list of system calls is too old to refuse."""
        program = seccomp.program() if self._session.engine.allows_io_uring else None
        return "" if program is None else seccomp.statement(program)

    def _outcome(self, job: str, ended: Ended, collected: Collected) -> RunOutcome:
        settings = self._settings(ended)
        if collected.problem:
            settings["result_problem"] = f"result.json: {collected.problem}"
        number = ended.exit_code - _SIGNAL_BASE if ended.exit_code > _SIGNAL_BASE else None
        return RunOutcome(
            job=job,
            result=collected.result,
            exit_code=ended.exit_code,
            spawned_ns=ended.spawned_ns,
            wall_s=ended.wall_s,
            signal=number,
            timed_out=ended.timed_out,
            oom_killed=ended.oom_killed,
            output_limit=ended.output_limit or collected.output_limit,
            stderr_tail=ended.stderr,
            files=collected.files,
            rejected=tuple(collected.rejected),
            settings=settings,
        )

    def _settings(self, ended: Ended) -> dict[str, Any]:
        """Return the isolation as the engine reports it, without host paths."""
        host = ended.attrs["HostConfig"]
        return {
            "engine": facts.as_record(self._session.engine),
            "image_digest": self._image_id,
            "sandbox": self.sandbox,
            "user": ended.attrs["Config"].get("User"),
            "network": host.get("NetworkMode"),
            "read_only": host.get("ReadonlyRootfs"),
            "capabilities": "none",
            "runtime": host.get("Runtime") or "",
            "security": list(host.get("SecurityOpt") or ()),
            "memory": f"cgroup v{self._session.engine.cgroup}",
            "memory_bytes": host.get("Memory"),
            "pids": host.get("PidsLimit"),
            "shm_bytes": host.get("ShmSize"),
            "file_bytes": self._limits.file_bytes,
            "cpus": host.get("CpusetCpus") or "",
            "gpu": self._gpu.driver,
            "weaker": [_UNLIMITED[name] for name in hardened.unenforceable(self._session.engine, self._limits)],
        }


def _plainly_named(mount: Mount, engine: str) -> Mount:
    """Return a mount whose place inside podman can carry: its API writes mounts as fields between commas."""
    if engine != "podman":
        return mount
    return replace(mount, inside=_APART.sub("_", mount.inside))
