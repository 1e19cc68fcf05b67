"""What every box is: the Box protocol, the fixed layout inside, and how a job is started.

A box runs one job at a time: the request goes into a staging directory, the only place that the job can write to;
what it left there is collected as hostile data. Boxes know nothing of checkpoints, environments or measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

import dnnbox.harness
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.environment import Mount
from dnnbox.records.run import RunOutcome

ROOT = "/dnnbox"
LIB = f"{ROOT}/lib"
PACKAGE = "dnnbox_harness"
RUN = f"{ROOT}/run"
CHECKPOINT = f"{ROOT}/checkpoint"
SOURCE = f"{ROOT}/source"
ADAPTER = f"{ROOT}/adapter"
INPUTS = f"{ROOT}/inputs"
STORE = f"{ROOT}/store"
ENV = f"{ROOT}/env"
HOME = "/home/dnnbox"

HARNESS_DIR = Path(dnnbox.harness.__file__).parent

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": HOME,
    "USER": "dnnbox",
    "LOGNAME": "dnnbox",
    "TMPDIR": "/tmp",  # noqa: S108 — inside the box, where /tmp is private
    "LANG": "C.UTF-8",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}
"""The whole environment of a job. Nothing is inherited, so that no secret and no setting of the caller gets in."""


class Box(Protocol):
    """A place where jobs run. ``sandbox`` is "bubblewrap", "container" or "none: why"; ``kind`` is a BoxKind."""

    kind: str
    sandbox: str
    environment: Path | None  # where the environment's files lie on the host, None for one of the image's own

    def path(self, host: Path) -> str:
        """Return where the box sees a host path; raises ValueError for one that is not mounted."""

    def run(self, request: RunRequest, job_dir: Path, *, timeout_s: float) -> RunOutcome:
        """Run one job to its end and collect what it left into ``job_dir``; a failed job is an outcome."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def start_argv(interpreter: str, lib: str, run: str, *, first: str = "") -> list[str]:
    """Return the command that runs the harness, found in ``lib``, on the job in ``run`` (paths inside the box).

    -I drops PYTHON* and the user's site, -B keeps read-only places quiet; the harness is appended to ``sys.path`` so
    that nothing of ours shadows the model's own packages. ``first`` is code that runs before anything else.
    """
    code = f"{first}import sys; sys.path.append({lib!r}); from {PACKAGE}.main import main; sys.exit(main({run!r}))"
    return [interpreter, "-I", "-B", "-c", code]


def inside(mounts: Sequence[Mount], host: Path) -> str:
    """Return the path inside the box for a host path that lies at or under a mount; the deepest mount wins.

    Raises:
        ValueError: no mount shows it.
    """
    for mount in sorted(mounts, key=lambda mount: len(mount.host), reverse=True):
        if host.is_relative_to(mount.host):
            return str(PurePosixPath(mount.inside) / host.relative_to(mount.host))
    raise ValueError(f"{host.name} is not visible in the box")


def with_blobs(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    """Add what a snapshot of the Hugging Face cache links to: ``models--x/snapshots/REV/f → ../../blobs/HASH``.

    The links are relative, so the blobs go where the same steps lead from the mounted snapshot.
    """
    extra = []
    for mount in mounts:
        snapshot = Path(mount.host)
        blobs = snapshot.parent.parent / "blobs"
        if snapshot.parent.name == "snapshots" and snapshot.is_dir() and blobs.is_dir():
            extra.append(Mount(str(blobs), str(PurePosixPath(mount.inside).parent.parent / "blobs")))
    return (*mounts, *extra)
