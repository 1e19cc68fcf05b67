"""The one place that starts processes: argv lists, stdin empty or a file, both pipes drained, a timeout always.

The parent blocks in one ``select`` over the pipes and the end of the child: it never polls, so that it does not disturb
what the child measures. A child gets its own session; whatever is left of it when :func:`run` ends is killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from dnnbox.files import host_errors

TAIL_BYTES = 64 << 10
_CHUNK_BYTES = 64 << 10
_LEFTOVER_S = 0.5  # how long a dead child's descendants may still hold its pipes

_log = logging.getLogger(__name__)


class Kill(Protocol):
    """Sends a signal to everything that a command has started; never raises when it is already gone."""

    def __call__(self, number: signal.Signals) -> None: ...


@dataclass(frozen=True)
class Completed:
    """How a process ended. ``stdout`` and ``stderr`` are the last 64 KiB of each, foreign text.

    ``returncode`` is negative for a signal, as in :mod:`subprocess`; ``spawned_ns`` is CLOCK_MONOTONIC just before the
    start; ``wall_s`` runs from there to the end of the process.
    """

    returncode: int
    stdout: str
    stderr: str
    wall_s: float
    timed_out: bool
    spawned_ns: int
    signal: int | None = None


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
    stdout: Path | None = None,
    stderr: Path | None = None,
    log_limit_bytes: int = 32 << 20,
    grace_s: float = 3.0,
    pass_fds: Sequence[int] = (),
    on_start: Callable[[int], None] | None = None,
) -> Completed:
    """Run a command to its end and return how it ended; a non-zero code is a value, not an error.

    ``stdin`` names a file that the command reads; None is an empty one. ``stdout`` and ``stderr`` name files that get
    a copy of each stream, cut at ``log_limit_bytes``. ``env`` None is the current environment. ``on_start`` gets the
    child's pid once it runs. After ``timeout_s`` seconds the whole process group gets SIGTERM, and SIGKILL ``grace_s``
    later; the same when anything is raised here, Ctrl-C included.

    Raises:
        OSError: the program could not be started.
        HostFull, HostPermission: a log could not be written.
    """
    command = [os.fspath(part) for part in argv]
    _log.debug("run %s", shlex.join(command))
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(LogSink.open(path, log_limit_bytes)) for path in (stdout, stderr)]
        source = stack.enter_context((stdin or Path(os.devnull)).open("rb"))
        spawned_ns = time.monotonic_ns()
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        timed_out, ended_ns = _attend(process, sinks, spawned_ns, timeout_s, grace_s, on_start)
    code = process.returncode
    return Completed(
        returncode=code,
        stdout=sinks[0].tail(),
        stderr=sinks[1].tail(),
        wall_s=(ended_ns - spawned_ns) / 1e9,
        timed_out=timed_out,
        spawned_ns=spawned_ns,
        signal=-code if code < 0 else None,
    )


class Service:
    """A process that runs beside this one until :meth:`end`; it gets its own session, so Ctrl-C does not reach it."""

    def __init__(self, argv: Sequence[str | Path], cwd: Path) -> None:
        """Start it, without input and output.

        Raises:
            OSError: the program could not be started.
        """
        command = [os.fspath(part) for part in argv]
        _log.debug("start %s", shlex.join(command))
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, stdin=nothing, stdout=nothing, stderr=nothing, cwd=cwd, start_new_session=True
        )

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it and what it started in its session, and wait for that."""
        if self.runs:
            _ladder(self._process, _group_killer(self._process.pid), 3.0)
        self._process.wait()


class LogSink:
    """Keeps the end of one stream, and copies it to a file up to a limit."""

    def __init__(self, file: IO[bytes] | None, path: Path | None, limit_bytes: int) -> None:
        self._file, self._path = file, path
        self._left = limit_bytes
        self._tail = bytearray()

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path | None, limit_bytes: int) -> Iterator[LogSink]:
        """Yield a sink that copies to ``path``, or only keeps the end where there is none."""
        if path is None:
            yield cls(None, None, 0)
            return
        with host_errors(path):
            file = path.open("wb", buffering=0)
        with file:
            yield cls(file, path, limit_bytes)

    def write(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._tail += data
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        if self._file is None or self._path is None or self._left < 0:
            return
        with host_errors(self._path):
            self._file.write(data[: self._left])
            self._left -= len(data)
            if self._left < 0:
                self._file.write(b"\n[dnnbox: the rest of this log was dropped]\n")

    def tail(self) -> str:
        """Return the last 64 KiB as text."""
        return bytes(self._tail[-TAIL_BYTES:]).decode("utf-8", "backslashreplace")


def _attend(
    process: subprocess.Popen[bytes],
    sinks: Sequence[LogSink],
    spawned_ns: int,
    timeout_s: float,
    grace_s: float,
    on_start: Callable[[int], None] | None,
) -> tuple[bool, int]:
    """Wait for the child while its pipes are drained; returns whether it timed out, and when it ended."""
    kill = _group_killer(process.pid)
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    with contextlib.ExitStack() as stack:
        for stream in streams:
            stack.enter_context(stream)
        selector = stack.enter_context(selectors.DefaultSelector())
        # Registered first, so that whatever fails below leaves no process behind.
        stack.callback(_end, process, kill)
        for stream, sink in zip(streams, sinks, strict=True):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, sink)
        end = stack.enter_context(_end_of(process))
        selector.register(end, selectors.EVENT_READ, None)
        try:
            if on_start is not None:
                on_start(process.pid)
            timed_out = _drain_until_end(selector, spawned_ns / 1e9 + timeout_s, grace_s, kill)
        except BaseException:
            _ladder(process, kill, grace_s)
            raise
        ended_ns = time.monotonic_ns()
        selector.unregister(end)
        kill(signal.SIGKILL)  # descendants that outlived the child; they may hold the pipes
        _drain_rest(selector, time.monotonic() + _LEFTOVER_S)
    return timed_out, ended_ns


def _group_killer(pid: int) -> Kill:
    def kill(number: signal.Signals) -> None:
        # The child leads its own session, so its pid is its group; a group of dead processes is no error.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)

    return kill


def _drain_until_end(selector: selectors.BaseSelector, deadline: float, grace_s: float, kill: Kill) -> bool:
    """Copy streams until the child ends. At the deadline it gets SIGTERM, ``grace_s`` later SIGKILL."""
    steps = iter((signal.SIGTERM, signal.SIGKILL))
    timed_out = False
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            timed_out = True
            number = next(steps, None)
            if number is not None:
                kill(number)
            deadline = time.monotonic() + grace_s
            continue
        ended = False
        for key, _ in selector.select(left):
            ended |= key.data is None
            _copy(selector, key)
        if ended:
            return timed_out


def _copy(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Move one chunk from a readable pipe into its sink; a closed pipe is forgotten."""
    if key.data is None:
        return
    with contextlib.suppress(BlockingIOError):
        data = os.read(key.fd, _CHUNK_BYTES)
        if data:
            key.data.write(data)
        else:
            selector.unregister(key.fileobj)


def _drain_rest(selector: selectors.BaseSelector, deadline: float) -> None:
    """Take what still lies in the pipes; a pipe that somebody holds open beyond the deadline is given up."""
    while selector.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            _copy(selector, key)


@contextlib.contextmanager
def _end_of(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Yield a descriptor that becomes readable when the process ends, before it is reaped."""
    descriptor = _pidfd(process.pid)
    if descriptor is None:
        descriptor, writer = os.pipe()
        threading.Thread(target=_close_at_end, args=(process.pid, writer), daemon=True).start()
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, a kernel before 5.3, or a seccomp filter that does not know the call
        return None


def _close_at_end(pid: int, writer: int) -> None:
    with contextlib.suppress(ChildProcessError):
        # WNOWAIT: unreaped, the child's pid cannot become somebody else's while its group is killed.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.close(writer)


def _ladder(process: subprocess.Popen[bytes], kill: Kill, grace_s: float) -> None:
    """End a process politely, then not; a second Ctrl-C skips the waiting."""
    try:
        kill(signal.SIGTERM)
        process.wait(grace_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        kill(signal.SIGKILL)


def _end(process: subprocess.Popen[bytes], kill: Kill) -> None:
    """Reap the child; here it is dead, or about to be."""
    if process.poll() is None:
        kill(signal.SIGKILL)
    process.wait()
