"""The one tree of errors: each leaf is an exit code with its name, its meaning and the way out.

Code below the command line raises these; ``dnnbox.cli`` alone turns them into a line on stderr and an exit code.
The table in docs/exit-codes.md is generated from this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class DnnboxError(Exception):
    """A failure that a user can act on.

    ``what`` says what, where, found against expected, on one line; ``hint`` is the way out, best as a command.
    ``details`` holds JSON values for ``--json`` (for example the missing packages); ``phase`` is the stage's name.
    """

    code: ClassVar[int] = 70
    name: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False
    meaning: ClassVar[str] = "a bug in dnnbox"
    remedy: ClassVar[str] = "report it with the log that the message names"

    def __init__(self, what: str, *, hint: str = "", phase: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.phase = phase
        self.details: dict[str, Any] = dict(details or {})

    def line(self) -> str:
        """Return the one line for stderr, without the program's name."""
        tail = f"; {self.hint}" if self.hint else ""
        return f"error[{self.name}]: {self.what}{tail}"

    def as_json(self) -> dict[str, Any]:
        """Return the ``error`` object of ``--json`` and experiment.json."""
        return {
            "code": self.code,
            "name": self.name,
            "message": self.what,
            "hint": self.hint,
            "phase": self.phase,
            "retryable": self.retryable,
            **({"details": self.details} if self.details else {}),
        }


class TargetMissed(DnnboxError):
    code, name = 1, "TARGET_MISSED"
    meaning = "the run is good, but a required target was missed"
    remedy = "read the targets in the report; change the target or the model"


class Usage(DnnboxError):
    code, name = 2, "USAGE"
    meaning = "the arguments or the configuration are wrong"
    remedy = "see `dnnbox COMMAND --help`"


class Regression(DnnboxError):
    code, name = 3, "REGRESSION"
    meaning = "gate: slower or worse than the baseline, beyond the noise"
    remedy = "compare the two reports"


class Unstable(DnnboxError):
    code, name, retryable = 4, "UNSTABLE", True
    meaning = "gate: the machine was too noisy to judge"
    remedy = "run again on a quiet machine"


class NotReadable(DnnboxError):
    code, name = 10, "NOT_READABLE"
    meaning = "the checkpoint is missing, not permitted, not a regular file, or changed while it was read"
    remedy = "give a local file or directory that you may read"


class Corrupt(DnnboxError):
    code, name = 11, "CORRUPT"
    meaning = "the format was recognised, but the file is broken or cut short"
    remedy = "copy the file again and compare its sha256 with the source"


class Unsupported(DnnboxError):
    code, name = 12, "UNSUPPORTED"
    meaning = "the format or the architecture is not known, or nothing here can run it"
    remedy = "`dnnbox inspect` says what was seen; `--family` or `--adapter` may help"


class UnsafeCheckpoint(DnnboxError):
    code, name = 13, "UNSAFE_CHECKPOINT"
    meaning = "the checkpoint holds code or calls that are refused"
    remedy = "ask the author for safetensors, or `--allow unsafe-pickle` to run it inside the box"


class InputLimit(DnnboxError):
    code, name = 14, "INPUT_LIMIT"
    meaning = "the checkpoint is a decompression bomb or exceeds a reader's limit"
    remedy = "do not trust this file"


class ConsentNeeded(DnnboxError):
    code, name = 20, "CONSENT_NEEDED"
    meaning = "packages, code or network need a yes, and nobody could be asked"
    remedy = "read `dnnbox plan`, then run with `--yes`"


class EnvFailed(DnnboxError):
    code, name = 21, "ENV_FAILED"
    meaning = "the packages could not be resolved or installed"
    remedy = "the log names the package; loosen a constraint or add an index"


class NetworkFailed(DnnboxError):
    code, name, retryable = 22, "NETWORK", True
    meaning = "a package index or a repository could not be reached"
    remedy = "check the proxy and the CA bundle (`dnnbox doctor`), or use `--offline` with a warm cache"


class IntegrityFailed(DnnboxError):
    code, name = 23, "INTEGRITY"
    meaning = "a hash does not match its lock"
    remedy = "`dnnbox clean`, then run again; if it persists, the source was changed"


class SourceNotFound(DnnboxError):
    code, name = 24, "SOURCE_NOT_FOUND"
    meaning = "the checkpoint needs source code that was not found"
    remedy = "give it with `--source PATH|URL[@REF]`"


class SourceUnreachable(SourceNotFound):
    """The same code for whoever calls: the source is not here. Trying again may help."""

    retryable = True


class EngineUnavailable(DnnboxError):
    code, name, retryable = 30, "ENGINE_UNAVAILABLE", True
    meaning = "no container engine answers, or you may not use it"
    remedy = "start it, or choose `--box venv`"


class EngineLimit(DnnboxError):
    code, name = 31, "ENGINE_LIMIT"
    meaning = "the engine cannot enforce what was asked"
    remedy = "use an engine that can, or another box"


class GpuUnavailable(DnnboxError):
    code, name = 32, "GPU_UNAVAILABLE"
    meaning = "a GPU was asked for and is not there, or is not the device that ran"
    remedy = "`dnnbox doctor` shows what is missing; `--device cpu` runs without it"


class RunFailed(DnnboxError):
    code, name = 40, "RUN_FAILED"
    meaning = "the model raised an error while it was imported, loaded or run"
    remedy = "the log holds the traceback"


class RunSignal(DnnboxError):
    code, name = 41, "RUN_SIGNAL"
    meaning = "the process in the box died of a signal"
    remedy = "the log holds its last words; native libraries are the usual cause"


class OutOfMemory(DnnboxError):
    code, name = 42, "OOM"
    meaning = "the box ran out of main memory"
    remedy = "raise `--memory`, or use a smaller batch"


class VramOutOfMemory(DnnboxError):
    code, name = 43, "VRAM_OOM"
    meaning = "the GPU ran out of memory"
    remedy = "use a smaller batch or a lower precision"


class TimedOut(DnnboxError):
    code, name, retryable = 44, "TIMEOUT", True
    meaning = "the run took longer than `--timeout`"
    remedy = "raise `--timeout`"


class OutputLimit(DnnboxError):
    code, name = 45, "OUTPUT_LIMIT"
    meaning = "the box wrote more than it may"
    remedy = "raise the limit only if you know why it writes so much"


class BadOutput(DnnboxError):
    code, name = 46, "BAD_OUTPUT"
    meaning = "the result is missing, malformed, not finite or not repeatable"
    remedy = "look at the checks in the report before you trust a number"


class EngineLost(DnnboxError):
    code, name, retryable = 47, "ENGINE_LOST", True
    meaning = "the container engine went away during the run"
    remedy = "start it again and repeat the run"


class HostFull(DnnboxError):
    code, name = 50, "HOST_FULL"
    meaning = "no space is left on the disk"
    remedy = "free space (`dnnbox clean`) and run again; finished results are kept"


class Busy(DnnboxError):
    code, name, retryable = 51, "BUSY", True
    meaning = "another dnnbox works on this experiment"
    remedy = "wait for it, or choose another `--out`"


class HostPermission(DnnboxError):
    code, name = 52, "HOST_PERM"
    meaning = "the workspace cannot be written"
    remedy = "choose a place that you may write with `--out`"


class AdapterNeeded(DnnboxError):
    code, name = 60, "ADAPTER_NEEDED"
    meaning = "dnnbox cannot decide how to build or feed the model; a skeleton was written"
    remedy = "fill the holes in scripts/adapter.py and continue with `--adapter`"


class ReplayDiffers(DnnboxError):
    code, name = 61, "REPLAY_DIFFERS"
    meaning = "the replay ran, but its outputs or its packages differ"
    remedy = "the report explains what differs"


class Internal(DnnboxError):
    code, name = 70, "INTERNAL"


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived: unwind like Ctrl-C, end with the signal's own code (128 + its number)."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


SIGNAL_CODES: Mapping[str, int] = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}


def leaves() -> Iterator[type[DnnboxError]]:
    """Yield every error class by exit code."""
    yield from sorted(DnnboxError.__subclasses__(), key=lambda leaf: leaf.code)


def by_name(name: str) -> type[DnnboxError] | None:
    """Return the class with this ``name`` or exit code, else None."""
    wanted = name.strip().upper()
    return next((leaf for leaf in leaves() if wanted in (leaf.name, str(leaf.code))), None)
