"""One script, run in a process of its own until its models are built or its time is over."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import types
from typing import Any, Callable, Dict, Iterator, List, Sequence, Set

from ..building import on_meta, without_inits
from ..importing import Source

_LARGEST_BYTES = 4 << 20
_BUSY = 3.0  # times as long on the clock: the machine may be busy


def rehearsed(
    source: Source, script: str, argv: List[str], config: str, wanted: Set[str], seconds: float
) -> Iterator[Dict[str, Any]]:
    """Run a script of the source; yield ``{"ref", "kwargs", "args", "where"}`` for each model that it builds, and
    ``{"ended"}`` where an error ends it.

    ``config``: a file for an option that asks for one and has none. ``wanted``: the classes that are told also where
    they are parts of others. After ``seconds`` of the processor, or three times as long on the clock, it is killed.
    What it imported of libraries is imported here too: the next run has it at once.
    """
    reading, writing = os.pipe()
    gc.collect()
    child = os.fork()
    if child == 0:
        _play(source, script, argv, config, wanted, writing, seconds)
    os.close(writing)
    try:
        told = _read(reading, time.monotonic() + _BUSY * seconds)
    finally:
        os.close(reading)
        _end(child)
    for line in told.split(b"\n"):
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            _import(said.pop("imported", ()))
            if said:
                yield said


def _import(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception, SystemExit):  # it was possible after what the script had done
            importlib.import_module(name)


def _read(reading: int, end: float) -> bytes:
    """Return what the child says until it ends, or its time is over."""
    told = bytearray()
    while time.monotonic() < end and len(told) < _LARGEST_BYTES:
        ready, _, _ = select.select([reading], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(reading, 1 << 16) if ready else b""
        if not piece:
            break
        told += piece
    return bytes(told)


def _end(child: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


def _play(
    source: Source, script: str, argv: List[str], config: str, wanted: Set[str], writing: int, seconds: float
) -> None:
    """Be the process that runs the script; does not return."""
    leave = os._exit

    def say(**told: Any) -> None:
        left = memoryview((json.dumps(told) + "\n").encode())
        while left:
            left = left[os.write(writing, left) :]

    try:
        os.setpgid(0, 0)
        limit = max(1, int(seconds))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        silent = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silent, number)
        _act(source, script, argv, config, wanted, say)
    except BaseException as error:  # whatever a script does: what was told stands
        say(ended="%s: %s" % (type(error).__name__, str(error)[:160]))
    finally:
        leave(0)


def _act(source: Source, script: str, argv: List[str], config: str, wanted: Set[str], say: Callable[..., None]) -> None:
    import torch

    from . import lenient, noting, staging

    before = set(sys.modules)

    def tell(ref: str, kwargs: Dict[str, Any], args: List[Any], where: str) -> None:
        say(ref=ref, kwargs=kwargs, args=args, where=where)

    torch.set_num_threads(1)
    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    path = next(p for p in (os.path.join(root, script) for root in source.roots) if os.path.isfile(p))
    source.forget_all()
    lenient.install(source.roots, source.helped)
    staging.set_up(path, argv, config)
    sys.path.insert(0, os.path.dirname(path))
    with contextlib.suppress(OSError):
        os.chdir(source.roots[0])
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    with open(path, "rb") as file:
        code = lenient.compiled(file.read(), path)
    notes = noting.Notes(source.roots, wanted, tell)
    with on_meta(), without_inits():
        notes.listen()
        try:
            exec(code, module.__dict__)  # noqa: S102 - the source's own script, in the box that it is searched in
        finally:
            say(imported=_libraries(set(sys.modules) - before))


def _libraries(names: Set[str]) -> List[str]:
    """Return those modules that are installed, packages first."""
    files = {name: str(getattr(sys.modules.get(name), "__file__", "") or "") for name in names}
    return sorted(name for name, file in files.items() if "site-packages" in file and not name.startswith("torch."))
