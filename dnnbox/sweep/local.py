"""Cells on this machine: a lane for each device and one cell in a lane, so that no two of them are timed at once."""

from __future__ import annotations

import os
import platform
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dnnbox import devices, machine


class LocalExecutor:
    """A thread per device that blocks in the wait for its cell's process."""

    def __init__(self) -> None:
        self.device_class = _machine()
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._running: set[int] = set()
        self._guard = threading.Lock()

    def submit(self, function: Callable[..., str], /, *args: str, resources: Mapping[str, str]) -> Future[str]:
        """Queue a call behind the others of its device."""
        device = _lane(resources.get("device", "auto"))
        lane = self._lanes.setdefault(device, ThreadPoolExecutor(1, thread_name_prefix=f"dnnbox-{device}"))
        return lane.submit(self._call, function, args)

    def _call(self, function: Callable[..., str], args: tuple[str, ...]) -> str:
        mine: list[int] = []

        def started(pid: int) -> None:
            mine.append(pid)
            with self._guard:
                self._running.add(pid)

        try:
            return function(*args, on_start=started)
        finally:
            with self._guard:
                self._running.difference_update(mine)

    def flush(self) -> None:
        """Calls run as they come."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)
        if value is not None:
            with self._guard:
                running = tuple(self._running)
            for pid in running:  # each run leads a group of its own and leaves a readable experiment
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGTERM)
        for lane in self._lanes.values():
            lane.shutdown(wait=True)


def _lane(device: str) -> str:
    """Return the lane of a device: cuda and cuda:0 are one."""
    try:
        name = devices.resolve(device).name if device == "auto" else device
    except Exception:  # noqa: BLE001 - the run itself says what is wrong with the device
        name = device
    return f"{name}:0" if name in ("cuda", "rocm") else name


def _machine() -> str:
    """Return processor, cores, GPUs and the CUDA version of the driver: what figures of this machine depend on."""
    driver, gpus = machine.nvidia()
    cuda = f", CUDA {driver[0]}" if driver else ""
    processor, cards = machine.processor() or platform.machine(), "".join(f", {gpu.name}" for gpu in gpus)
    return f"{processor}, {os.cpu_count() or 1} cores{cards}{cuda}"


def open_local(settings: Mapping[str, Any], folder: Path) -> LocalExecutor:
    """Return the executor of this machine; it has no settings."""
    del settings, folder
    return LocalExecutor()
