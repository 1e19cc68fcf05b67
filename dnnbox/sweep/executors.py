"""Where cells run. An executor has the shape of :class:`concurrent.futures.Executor` with one more keyword.

``dnnbox.executor`` entry points add more: a function ``open(settings, folder)`` that returns an Executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from dnnbox.registry import Registry


class Executor(Protocol):
    """Runs functions of plain text elsewhere or later. Leaving it waits for what runs; an exception cancels first."""

    device_class: str
    """What its machines are called in the keys of cells: results of another class are other results."""

    def submit(self, function: Callable[..., str], /, *args: str, resources: Mapping[str, str]) -> Future[str]:
        """Take one call. ``resources``: device, checkpoint, key; the executor turns them into whatever it needs."""

    def flush(self) -> None:
        """Nothing more is submitted for now: what was collected (for a job array) may go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


Open = Callable[[Mapping[str, Any], Path], Executor]

EXECUTORS: Registry[Open] = Registry(
    "executor",
    {
        "local": "dnnbox.sweep.local:open_local",
        "slurm": "dnnbox.sweep.slurm:open_slurm",
    },
)
