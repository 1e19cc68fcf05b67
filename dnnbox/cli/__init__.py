"""The command line: parse, call, show. The one place that turns errors into a line on stderr and an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from dnnbox.errors import SIGNAL_CODES, DnnboxError, Terminated, Usage

_LINE = 300  # characters of an error on stderr
_INSPECT_FLAGS = {"json": "json", "with_hash": "hash", "tensors": "tensors"}


def main() -> NoReturn:
    """Run the command line and exit."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`dnnbox inspect … | head`): nothing is wrong, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if _plain_inspect(sys.argv[1:]) is not None:
        sys.stderr.flush()
        os._exit(code)  # it started nothing and holds nothing: freeing memory piece by piece takes a tenth of the time
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    try:
        return _dispatch(argv)
    except DnnboxError as error:
        return fail(error, argv)
    except KeyboardInterrupt as stop:
        return _stopped(stop, argv)
    except BrokenPipeError:
        return 0
    except OSError as error:
        return _host_failed(error, argv)
    except Exception:  # the last line of defence: a bug must not show a traceback as if it were the user's mistake
        return _internal(argv)


def _dispatch(argv: list[str]) -> int:
    if (plain := _plain_inspect(argv)) is not None:
        import gc

        gc.disable()  # nothing here makes cycles, and looking for them takes a tenth of the time
        from dnnbox.cli import inspecting

        wanted = {name: f"--{flag}" in argv for name, flag in _INSPECT_FLAGS.items()}
        return inspecting.inspect(plain, **wanted, family="")
    from typer import Exit
    from typer.exceptions import TyperException

    from dnnbox.cli.app import app

    try:
        result = app(args=argv, prog_name="dnnbox", standalone_mode=False)
    except Exit as stop:
        return int(stop.exit_code)
    except TyperException as error:
        raise Usage(error.format_message().replace("\n", " ").rstrip("."), hint=_usage_hint(argv)) from error
    # The work itself is called here, outside typer, which would swallow a Ctrl-C.
    return int(result()) if callable(result) else int(result or 0)


def _plain_inspect(argv: list[str]) -> str | None:
    """Return the path of a plain ``inspect``: importing typer takes as long as reading 4 GB of weights' headers."""
    flags = {f"--{flag}" for flag in _INSPECT_FLAGS.values()}
    words = [word for word in argv[1:] if word not in flags]
    is_plain = argv[:1] == ["inspect"] and len(words) == 1 and words[0] and not words[0].startswith("-")
    return words[0] if is_plain else None


def _usage_hint(argv: list[str]) -> str:
    command = next((word for word in argv if not word.startswith("-")), "")
    return f"see `dnnbox {command} --help`" if command.isalpha() and command.islower() else "see `dnnbox --help`"


def fail(error: DnnboxError, argv: list[str]) -> int:
    """Show an error once, in one line (and as JSON where that was asked for); return its code."""
    from dnnbox.text import visible

    tail = f"; {visible(error.hint, 140)}" if error.hint else ""
    head = visible(f"error[{error.name}]: {error.what}", _LINE - len("dnnbox: …") - len(tail))
    print(f"dnnbox: {head}{tail}", file=sys.stderr)
    if "--json" in argv:
        show_json({"experiment": None, "status": "failed", "exit_code": error.code, "error": error.as_json()})
    return error.code


def show_json(document: object) -> None:
    """Print one JSON document on stdout."""
    from dnnbox.codec import to_json

    json.dump(to_json(document), sys.stdout, indent=2, ensure_ascii=True, allow_nan=False)
    sys.stdout.write("\n")


def _stopped(stop: KeyboardInterrupt, argv: list[str]) -> int:
    """Say that the user stopped it, and where the partial experiment lies, if there is one."""
    code = stop.code if isinstance(stop, Terminated) else SIGNAL_CODES["SIGINT"]
    name = {value: key for key, value in SIGNAL_CODES.items()}.get(code, "SIGNAL")
    experiment = getattr(stop, "experiment", None)
    left = f"; what was done is in {experiment}" if experiment else ""
    print(f"dnnbox: stopped by {name}{left}", file=sys.stderr)
    if "--json" in argv:
        error = {"code": code, "name": name, "message": "stopped by the user", "phase": "", "retryable": True}
        status = getattr(stop, "status", "failed")
        show_json({"experiment": experiment, "status": status, "exit_code": code, "error": error})
    return code


def _host_failed(error: OSError, argv: list[str]) -> int:
    """Say what the operating system refused; what is no matter of the host is a bug."""
    from dnnbox.files import host_error

    told = host_error(error)
    return _internal(argv) if told is None else fail(told, argv)


def _internal(argv: list[str]) -> int:
    import tempfile
    import traceback

    from dnnbox.errors import Internal

    with tempfile.NamedTemporaryFile("w", prefix="dnnbox-", suffix=".log", delete=False, encoding="utf-8") as log:
        traceback.print_exc(file=log)
    last = traceback.format_exc().strip().splitlines()[-1]
    return fail(Internal(f"a bug in dnnbox: {last[:160]}", hint=f"please report it with {log.name}"), argv)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(number)
