"""Entry point in the box: ``main(run_dir)`` reads request.json, runs the job and writes result.json.

No ``result.json`` means that the process died; everything else, errors included, is in it.
"""

from __future__ import annotations

import atexit
import os
import platform
import sys
import time
from typing import Callable, Optional

_STARTED_NS = time.monotonic_ns()
_INTERPRETER_NS = time.process_time_ns()  # CPU time so far is what it took to start Python

from . import failures, jobs, probe, tools  # noqa: E402 - the time above is the start of the harness, before its imports
from .events import Progress  # noqa: E402
from .session import Context  # noqa: E402
from .protocol import REQUEST, RESULT, ProtocolError, RunError, RunRequest, RunResult, read, write  # noqa: E402

SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "WANDB_MODE": "disabled",
}
"""Set before any library is imported: no download, no telemetry, no prompt, no thread of a tokenizer."""

_ALONE = "." not in (__package__ or "")
"""Whether this is a box: there the package is on its own, and so is the process."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(run_dir: str) -> int:
    """Return 0 whenever result.json was written, with the error, if any, inside it."""
    try:
        request = read(RunRequest, os.path.join(run_dir, REQUEST))
    except (ProtocolError, OSError) as error:
        return _answer(
            run_dir, RunResult("", _python(), _STARTED_NS, error=RunError("protocol", str(error), "request"))
        )
    _set_environment(request)
    if _ALONE:
        tools.only_these()
    return _answer(run_dir, _run(request, run_dir))


def _run(request: RunRequest, run_dir: str) -> RunResult:
    with Progress(run_dir) as progress:
        context = Context(request, run_dir, progress)
        context.leave = lambda fill: _left(context, fill)
        context.fields["stages_ns"]["interpreter"] = _INTERPRETER_NS
        error = None
        try:
            jobs.run(context)
        except (Exception, SystemExit) as raised:  # foreign code runs in there, and may even call sys.exit
            error = failures.explain(raised, context.stage)
            context.fields.setdefault("machine", probe.machine(request.device))
        progress.show("done")
    return _result(context, error)


def _left(context: Context, fill: Callable[[], None]) -> None:
    fill()
    write(_result(context), os.path.join(context.run_dir, RESULT))
    _leave()


def _result(context: Context, error: Optional[RunError] = None) -> RunResult:
    return RunResult(context.request.job, _python(), _STARTED_NS, error=error, **context.fields)


def _answer(run_dir: str, result: RunResult) -> int:
    write(result, os.path.join(run_dir, RESULT))
    if _ALONE:
        # A library that hangs or crashes while Python shuts down must not spoil a result that is already there. First
        # in, last out: this runs before theirs.
        atexit.register(_leave)
    return 0


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    tools.remove()
    os._exit(0)


def _python() -> str:
    return platform.python_version()


def _set_environment(request: RunRequest) -> None:
    sys.dont_write_bytecode = True  # the environment is read-only or shared
    os.environ.update(SETTINGS)
    if request.threads > 0:
        os.environ.update({name: str(request.threads) for name in THREAD_VARIABLES})
    for path in request.sys_path:
        if path not in sys.path:
            sys.path.append(path)
