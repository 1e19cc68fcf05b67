"""One connection to a container engine, and one container from its creation to its end.

Waiting blocks in the engine's own ``wait`` call, without a time-out: the SDK reports its own time-out with the same
error as an engine that died. The clock is ours.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dnnbox.boxes import cgroup, facts, hardened, oom, podman_create, podman_wait
from dnnbox.boxes.engines import api_version, base_url, engine_answers
from dnnbox.boxes.gpu_refusals import gpu_refused, is_gpu_refusal
from dnnbox.boxes.hardened import Engine, Wanted
from dnnbox.boxes.output import read_output
from dnnbox.boxes.watch import Watch, watching
from dnnbox.errors import EngineLimit, EngineLost, EngineUnavailable
from dnnbox.text import visible

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_CALL_S = 60.0
_GRACE_S = 3
_RETURN_S = 10.0  # how long an engine that went away may take to come back


@dataclass(frozen=True)
class Ended:
    """How a container ended. ``attrs`` is the engine's last account of it."""

    exit_code: int
    oom_killed: bool
    timed_out: bool
    spawned_ns: int
    wall_s: float
    output_limit: str
    stdout: str
    stderr: str
    attrs: dict[str, Any]


class Session:
    """The engine's client and facts. Use as a context manager."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._url = base_url(kind)
        self.client = _connect(self._url)
        try:
            self._info = facts.ask_info(self._url)
        except BaseException:
            self.client.close()
            raise

    @cached_property
    def engine(self) -> Engine:
        """The engine's facts. They were asked for at the beginning; whoever needs them first waits for them.

        Raises:
            EngineUnavailable, EngineLost: it does not tell.
        """
        with engine_errors(self.kind):
            info = self.client.info() if self._info is None else self._info.json(_CALL_S)
        return facts.engine_of(self.kind, self._url, info)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._info is not None:
            self._info.close()
        self.client.close()

    def run(
        self,
        wanted: Wanted,
        *,
        timeout_s: float,
        logs: Sequence[Path | None] = (None, None),
        staging: Path | None = None,
    ) -> Ended:
        """Create, check, start, wait, read the logs, remove. Nothing of it is left, whatever happens.

        ``logs`` are the files for standard output and error. A container that writes more to ``staging`` than its
        limits allow is killed.

        Raises:
            EngineLimit: the engine made the container otherwise than wanted, or cannot enforce a limit.
            EngineUnavailable, EngineLost, GpuUnavailable: as they say.
        """
        lacking = hardened.unenforceable(self.engine, wanted.limits)
        if lacking and not wanted.limits.allow_weaker:
            raise EngineLimit(
                f"{self.kind} cannot limit {', '.join(lacking)} here (cgroup v{self.engine.cgroup})",
                hint="use an engine that can, `--box venv`, or accept it with `--allow-weaker`",
            )
        if wanted.runtime and wanted.runtime not in self.engine.runtimes:
            raise EngineLimit(
                f"{self.kind} has no runtime `{visible(wanted.runtime, 40)}`",
                hint=f"it knows {', '.join(self.engine.runtimes) or 'none by name'}; gVisor's is installed with runsc",
            )
        arguments = hardened.create_arguments(self.engine, wanted)
        try:
            with engine_errors(self.kind, wanted.image, has_gpu=bool(wanted.gpu)):
                container = self._created(arguments, wanted)
            if found := hardened.differences(self.engine, wanted, container.attrs):
                raise EngineLimit(
                    f"{self.kind} made the container otherwise than asked: {visible('; '.join(found), 200)}",
                    hint=f"another image (`--base-image`), an engine newer than {self.engine.version}, or `--box venv`",
                    details={"differences": [visible(text, 200) for text in found]},
                )
            return self._attend(container, wanted, timeout_s, logs, staging)
        finally:
            self._remove(arguments["name"])

    def _created(self, arguments: dict[str, Any], wanted: Wanted) -> Container:
        """Create through the API, or by podman's own command where the API cannot say it.

        That is a CDI device, and every limit of a process where podman is rootless on cgroup 1.
        """
        is_mute = self.engine.rootless and self.engine.cgroup == "1"
        if self.kind != "podman" or not (wanted.gpu.driver == "cdi" or is_mute):
            return self.client.containers.create(**arguments)
        devices = wanted.gpu.device_ids if wanted.gpu.driver == "cdi" else ()
        podman_create.create(self._url, arguments, devices)
        return self.client.containers.get(arguments["name"])

    def _attend(
        self,
        container: Container,
        wanted: Wanted,
        timeout_s: float,
        logs: Sequence[Path | None],
        staging: Path | None,
    ) -> Ended:
        spawned_ns = time.monotonic_ns()
        with engine_errors(self.kind, wanted.image, has_gpu=bool(wanted.gpu)):
            container.start()
        figures = _memory_figures(container) if staging is not None or self.kind == "podman" else None
        with (
            oom.counting(figures if self.kind == "podman" else None) as kills,
            _watched(staging, wanted, container, figures) as watch,
        ):
            timed_out = self._wait(container, spawned_ns / 1e9 + timeout_s)
        ended_ns = time.monotonic_ns()
        with engine_errors(self.kind, wanted.image):
            container.reload()
            streams = read_output(self.client, str(container.id), logs, wanted.limits.log_bytes, timeout_s=_CALL_S)
        state = container.attrs["State"]
        return Ended(
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state.get("OOMKilled")) or watch.thrashing or kills.seen,
            timed_out=timed_out,
            spawned_ns=spawned_ns,
            wall_s=(ended_ns - spawned_ns) / 1e9,
            output_limit=watch.exceeded,
            stdout=streams[0],
            stderr=streams[1],
            attrs=container.attrs,
        )

    def _wait(self, container: Container, deadline: float) -> bool:
        """Block until the container ends; returns whether it had to be stopped at the deadline.

        Raises:
            EngineLost: the engine went away and did not come back.
        """
        timed_out = False
        while True:
            waiter = _Waiter(container, self.kind)
            waiter.start()
            waiter.join(max(0.0, deadline - time.monotonic()))
            if waiter.is_alive():
                if self._has_ended(container):
                    return timed_out  # only the answer did not come
                timed_out = True
                self._stop(container)
                waiter.join(_CALL_S)
                if waiter.is_alive() and not self._has_ended(container):
                    raise EngineLost(f"{self.kind} does not stop the container")
            if waiter.failure is None or self._has_ended(container):
                return timed_out

    def _stop(self, container: Container) -> None:
        with engine_errors(self.kind), _gone_is_fine():
            container.stop(timeout=_GRACE_S)

    def _has_ended(self, container: Container) -> bool:
        """Ask over a fresh connection after a broken wait: the end of a stream says nothing about the container."""
        deadline = time.monotonic() + _RETURN_S
        while True:
            try:
                self._reconnect()
                container.client, container.collection = self.client, self.client.containers
                with engine_errors(self.kind):
                    container.reload()
                return container.attrs["State"]["Status"] in ("exited", "dead")
            except (EngineUnavailable, EngineLost) as error:
                if time.monotonic() > deadline:
                    raise EngineLost(
                        f"{self.kind} went away during the run", hint="start it again and repeat the run"
                    ) from error
                time.sleep(0.5)

    def _reconnect(self) -> None:
        """Connect anew, for all that follows: podman's service may be another one now, at another place."""
        self._url = base_url(self.kind, _RETURN_S)  # a ping: the SDK leaks a socket where nobody answers
        old, self.client = self.client, _connect(self._url)
        old.close()

    def _remove(self, name: str) -> None:
        """Remove by name: the answer to ``create`` may have been lost while the container was made.

        Tried twice, the second time over a new connection; what an engine then still keeps is found by its labels at
        the next start.
        """
        from docker.errors import APIError, NotFound
        from requests.exceptions import RequestException

        for last in (False, True):
            try:
                if last:
                    self._reconnect()
                if engine_answers(self.kind, _RETURN_S):
                    self.client.api.remove_container(name, force=True, v=True)
                    return
            except NotFound:
                return
            except (APIError, RequestException, EngineUnavailable):
                continue


def _watched(
    staging: Path | None, wanted: Wanted, container: Container, folder: Path | None
) -> contextlib.AbstractContextManager[Watch]:
    if staging is None:
        return contextlib.nullcontext(Watch())
    return watching(staging, wanted.limits, lambda: _kill(container), lambda: folder)


def _memory_figures(container: Container) -> Path | None:
    """Return where the kernel's figures of the container's memory are, where the engine runs on this machine."""
    with engine_errors("the engine"):
        container.reload()
    pid = container.attrs["State"].get("Pid") or 0
    return cgroup.memory_folder_of(pid) if pid else None


def _connect(url: str) -> DockerClient:
    """Return a client that speaks the engine's version of the API.

    The SDK can ask for that itself, but slowly, and leaves its socket open where the engine does not answer.
    """
    from docker.constants import MINIMUM_DOCKER_API_VERSION
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        if version := api_version(url):
            return _client(url, version)
        with contextlib.closing(_client(url, MINIMUM_DOCKER_API_VERSION)) as asking:
            return _client(url, asking.version(api_version=False)["ApiVersion"])
    except (DockerException, RequestException, KeyError) as error:
        elsewhere = "mend DOCKER_HOST or CONTAINER_HOST, which name it, or choose `--box venv`"
        hint = "" if url.startswith("unix://") else elsewhere
        raise EngineUnavailable(f"the engine does not answer: {visible(str(error), 160)}", hint=hint) from error
    except ValueError as error:  # the SDK reads the credentials there, although nothing here needs them
        raise EngineUnavailable(
            f"docker's config.json cannot be read: {type(error).__name__}", hint="mend ~/.docker/config.json"
        ) from error


def _client(url: str, version: str) -> DockerClient:
    from docker import DockerClient

    return DockerClient(base_url=url, timeout=int(_CALL_S), version=version)


class _Waiter(threading.Thread):
    """Blocks in the engine's ``wait``; ``failure`` is set when the connection broke instead."""

    def __init__(self, container: Container, kind: str) -> None:
        super().__init__(name="dnnbox-wait", daemon=True)
        self._container, self._kind = container, kind
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Wait without a time-out."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            if self._kind != "podman" or not podman_wait.waited(self._container):
                self._container.wait(timeout=None)
        except (RequestException, DockerException, OSError) as error:
            self.failure = error


def _kill(container: Container) -> None:
    """Kill where the engine can be asked; the watch asks again where it could not."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    with contextlib.suppress(RequestException, DockerException):
        container.kill(signal.SIGKILL.value)


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """Let a stop or a kill come too late."""
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if error.status_code not in (304, 404, 409):
            raise


@contextlib.contextmanager
def engine_errors(kind: str, image: str = "", *, has_gpu: bool = False) -> Iterator[None]:
    """Turn the SDK's errors into ours; ``has_gpu`` says that a GPU was asked for, which a refusal may be about.

    Raises:
        EngineUnavailable: the image is missing, or the engine refuses or fails.
        GpuUnavailable: it refuses the GPU that was asked for.
        EngineLost: the connection broke.
    """
    from docker.errors import APIError, DockerException, ImageNotFound
    from requests.exceptions import RequestException

    try:
        yield
    except ImageNotFound as error:
        raise EngineUnavailable(
            f"{kind} has no image {visible(image, 80)}",
            hint="`make engines` builds it without a registry, or name one with `--base-image`",
        ) from error
    except APIError as error:
        words = visible(str(error.explanation or error), 200)
        if has_gpu and is_gpu_refusal(words):
            raise gpu_refused(kind, words) from error
        hint = "install the package catatonit" if "container-init binary" in words else ""
        raise EngineUnavailable(f"{kind}: {words}", hint=hint) from error
    except (RequestException, DockerException, OSError) as error:
        raise EngineLost(
            f"{kind} went away: {type(error).__name__}", hint="start it again and repeat the run"
        ) from error
