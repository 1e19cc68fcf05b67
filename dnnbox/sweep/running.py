"""A sweep from its matrix to its leaderboard. Killed at any moment and started again, it does nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from dnnbox.errors import Busy, DnnboxError, Usage
from dnnbox.experiment import utc_now
from dnnbox.files import host_errors, write_atomic
from dnnbox.sweep import cells as made
from dnnbox.sweep import leaderboard, preparing
from dnnbox.sweep.cells import Cell, Result, is_done
from dnnbox.sweep.executors import EXECUTORS, Executor
from dnnbox.sweep.matrix import Matrix, Point
from dnnbox.sweep.worker import run_cell
from dnnbox.text import visible

_PAGE_EVERY_S, _PAGE_SHARE = 10.0, 50.0
"""The page is written at most so often, and takes at most a 50th of the time: cells are being measured meanwhile."""


@dataclass(frozen=True)
class Planned:
    """A sweep before it runs. ``results`` are of the cells that ended, done ones and others."""

    matrix: Matrix
    folder: Path
    cells: tuple[Cell, ...]
    results: dict[str, Result]
    pending: tuple[Cell, ...]


@dataclass(frozen=True)
class Swept:
    """How it ended: what `dnnbox sweep --json` prints."""

    name: str
    folder: str
    cells: int
    success: int
    missed: int
    failed: int
    skipped: int
    seconds: float
    leaderboard: str
    schema: str = "dnnbox.sweep/1"


class Watcher(Protocol):
    """Is told what happens; the command line shows it."""

    def prepare(self, count: int) -> None:
        """Environments are being made."""

    def note(self, text: str) -> None:
        """A sentence for the user."""

    def start(self, planned: Planned) -> None:
        """Cells are submitted."""

    def ended(self, cell: Cell, result: Result) -> None:
        """A cell has ended."""


def default_folder(workspace: Path, matrix: Matrix) -> Path:
    """Return the folder of a sweep: no time in its name, because the next start goes on in it."""
    return workspace / "tmp" / f"sweep-{matrix.name}"


def plan(
    matrix: Matrix,
    folder: Path,
    executor: Executor,
    *,
    only: Sequence[str] = (),
    retry_failed: bool = False,
) -> Planned:
    """Return the cells and which of them are still to be done; runs nothing.

    Raises:
        Usage: ``only`` names a cell that is not in the matrix; it takes keys, and their first halves.
    """
    cells = tuple(made.cells(matrix, executor.device_class))
    if only:
        cells = _chosen(cells, frozenset(only))
    results = made.results(folder, cells)
    pending = tuple(cell for cell in cells if not is_done(results.get(cell.key), retry_failed=retry_failed))
    return Planned(matrix, folder, cells, results, pending)


def _chosen(cells: Sequence[Cell], only: frozenset[str]) -> tuple[Cell, ...]:
    if missing := sorted(only - {name for cell in cells for name in (cell.key, cell.question)}):
        raise Usage(
            f"--only {visible(missing[0], 40)} is no cell of this matrix on this machine",
            hint="`--plan --json` lists the keys; they follow the checkpoints' contents",
            phase="sweep",
        )
    return tuple(cell for cell in cells if cell.key in only or cell.question in only)


def open_executor(name: str, matrix: Matrix, folder: Path) -> Executor:
    """Return the executor of this name, with its table of the matrix."""
    return EXECUTORS.get(name)(matrix.settings.get(name, {}), folder)


def run(
    planned: Planned,
    executor: Executor,
    workspace: Path,
    watcher: Watcher,
    *,
    refresh: bool = False,
    retry_failed: bool = False,
) -> Swept:
    """Run what is pending and write the leaderboard, while it runs and at its end.

    Raises:
        Busy: another dnnbox runs this sweep.
        EngineUnavailable: the executor does not take the cells.
    """
    began = time.monotonic()
    with _alone(planned.folder):
        planned = _prepared(planned, workspace, watcher, refresh=refresh)
        watcher.start(planned)
        pending = {cell.key for cell in planned.pending}
        results = {key: each for key, each in planned.results.items() if key not in pending}
        page = _Page(planned, results)
        with executor:
            futures = _submitted(planned, executor, retry_failed=retry_failed)
            for future in as_completed(futures):
                cell = futures[future]
                results[cell.key] = _ended(planned.folder, cell, future)
                watcher.ended(cell, results[cell.key])
                page.refresh()
        place = page.write()
    return _swept(planned, results, place, time.monotonic() - began)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with host_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / ".gitignore", "*\n", durable=False)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Busy(f"another dnnbox runs the sweep in {folder.name}", hint="wait for it") from error
    finally:
        os.close(handle)


def _prepared(planned: Planned, workspace: Path, watcher: Watcher, *, refresh: bool) -> Planned:
    """Make the environments; with ``refresh`` a done cell whose lock is no longer the newest runs again."""
    wanted = planned.cells if refresh else planned.pending
    if not wanted:
        return planned
    watcher.prepare(len({(cell.point.checkpoint, cell.point.device, cell.point.box) for cell in wanted}))

    def told(point: Point, text: str) -> None:
        watcher.note(f"{visible(Path(point.checkpoint).name, 60)}: {text}")

    locks = preparing.environments_of(wanted, planned.matrix.options, workspace, refresh=refresh, told=told)
    _remember(planned, locks)
    if not refresh:
        return planned
    points = {cell.key: cell.point for cell in planned.cells}
    newest = {key: locks.get(points[key], each.lock) for key, each in planned.results.items()}
    stale = {key for key, each in planned.results.items() if each.lock and newest[key] != each.lock}
    for key in stale:
        (made.place(planned.folder, key) / made.RESULT).unlink(missing_ok=True)
    pending = {cell.key for cell in planned.pending} | stale
    return replace(planned, pending=tuple(cell for cell in planned.cells if cell.key in pending))


def _remember(planned: Planned, locks: dict[Point, str]) -> None:
    """Write ``sweep.json``: what the sweep is made of."""
    document = {
        "schema": "dnnbox.sweep-plan/1",
        "name": planned.matrix.name,
        "updated_utc": utc_now(),
        "axes": {key: list(values) for key, values in planned.matrix.axes.items()},
        "checkpoints": [Path(each).name for each in planned.matrix.checkpoints],
        "cells": len(planned.cells),
        "locks": sorted(set(locks.values())),
    }
    write_atomic(planned.folder / "sweep.json", json.dumps(document, indent=2) + "\n", durable=False)


def _submitted(planned: Planned, executor: Executor, *, retry_failed: bool) -> dict[Future[str], Cell]:
    futures: dict[Future[str], Cell] = {}
    folder = str(planned.folder.absolute())
    for cell in planned.pending:
        point = json.dumps(asdict(cell.point))
        resources = {"device": cell.point.device, "checkpoint": cell.point.checkpoint, "key": cell.key}
        arguments = (folder, cell.key, point, json.dumps(cell.argv), "retry" if retry_failed else "")
        futures[executor.submit(run_cell, *arguments, resources=resources)] = cell
    executor.flush()
    return futures


def _ended(folder: Path, cell: Cell, future: Future[str]) -> Result:
    """Return a cell's result; an executor that lost it makes a row too, which the next start tries again."""
    problem = future.exception()
    found = made.result(folder, cell.key)
    if found is not None and problem is None:
        return found
    error = (
        problem.as_json()
        if isinstance(problem, DnnboxError)
        else {"name": "LOST", "message": visible(str(problem or "it left no answer"), 300)}
    )
    return Result.of(
        cell.key,
        cell.point,
        status="failed",
        exit_code=int(error.get("code", 47)),
        experiment="",
        seconds=0.0,
        started_utc=utc_now(),
        error=error,
    )


class _Page:
    """The leaderboard while the sweep runs, written at most every few seconds."""

    def __init__(self, planned: Planned, results: dict[str, Result]) -> None:
        self._planned, self._results = planned, results
        self._next = 0.0

    def refresh(self) -> None:
        """Write it if that was long enough ago."""
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> Path:
        """Write it now and return where it lies."""
        began = time.monotonic()
        place = leaderboard.write(self._planned.folder, self._planned.matrix, self._planned.cells, self._results)
        ended = time.monotonic()
        self._next = ended + max(_PAGE_EVERY_S, _PAGE_SHARE * (ended - began))
        return place


def _swept(planned: Planned, results: dict[str, Result], place: Path, seconds: float) -> Swept:
    codes = [each.exit_code for each in results.values()]
    return Swept(
        name=planned.matrix.name,
        folder=str(planned.folder),
        cells=len(planned.cells),
        success=sum(code == 0 for code in codes),
        missed=sum(code == 1 for code in codes),
        failed=sum(code not in (0, 1) for code in codes),
        skipped=len(planned.cells) - len(planned.pending),
        seconds=round(seconds, 2),
        leaderboard=str(place),
    )
