"""One cell, as an executor runs it: ``dnnbox run`` in a process of its own, whose answer becomes ``cell.json``.

Safe to call twice, at the same time too: whoever holds the cell's lock works, the other finds the answer. Arguments
are plain text, so that any executor can carry them.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from dnnbox import process
from dnnbox.experiment import INDEX, utc_now
from dnnbox.reports.outputs import Outputs, load
from dnnbox.sweep.cells import RETRIED, Figures, Result, attempts, is_done, place, result, save
from dnnbox.sweep.matrix import Point
from dnnbox.text import visible

_LONGEST_S = 7 * 86400.0
_CANNOT_GO_ON = (2, 11, 23)
"""Exit codes of ``--resume`` where what was begun is not what is asked for now, or cannot be read."""

OnStart = Callable[[int], None] | None


def run_cell(folder: str, key: str, point: str, argv: str, retry: str = "", *, on_start: OnStart = None) -> str:
    """Run a cell unless it is done; return its exit code as text. ``point`` and ``argv`` are JSON."""
    where, what = Point(**json.loads(point)), json.loads(argv)
    return str(work(Path(folder), key, where, what, retry_failed=bool(retry), on_start=on_start).exit_code)


def work(
    folder: Path,
    key: str,
    point: Point,
    argv: list[str],
    *,
    retry_failed: bool = False,
    on_start: OnStart = None,
) -> Result:
    """Return how the cell ended; it runs where it has not."""
    target = place(folder, key)
    target.mkdir(parents=True, exist_ok=True)
    with _alone(target) as lock:
        known = result(folder, key)
        if known is not None and is_done(known, retry_failed=retry_failed):
            return known
        found = _run(_Started(target, point, tuple(argv), lock, on_start), key, known)
        save(folder, found)
        return found


@contextmanager
def _alone(target: Path) -> Iterator[int]:
    """Hold a cell's lock. The run inherits it: one whose sweep was killed goes on alone, and its end is waited for."""
    handle = os.open(target / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Started:
    """A cell that this process works on."""

    target: Path
    point: Point
    argv: tuple[str, ...]
    lock: int
    on_start: OnStart


@dataclass(frozen=True)
class _Ended:
    """How a call of ``dnnbox run`` ended: its answer where it gave one."""

    experiment: Path
    exit_code: int
    answer: Mapping[str, Any]
    last_words: str
    started_utc: str
    seconds: float
    resumed: bool


def _run(cell: _Started, key: str, known: Result | None) -> Result:
    """Go on with what was cut off, else run anew."""
    before, ended = attempts(cell.target), None
    if before and _is_cut_off(before[-1], known):
        ended = _call(cell, before[-1], resumed=True)
    if ended is None or ended.exit_code in _CANNOT_GO_ON:
        ended = _call(cell, cell.target / f"run-{len(before) + 1}", resumed=False)
    return _result(key, cell.point, ended)


def _is_cut_off(experiment: Path, known: Result | None) -> bool:
    return (experiment / INDEX).is_file() and (known is None or known.exit_code in RETRIED)


def _call(cell: _Started, experiment: Path, *, resumed: bool) -> _Ended:
    command = [sys.executable, "-m", "dnnbox", "run", cell.point.checkpoint, *cell.argv]
    options = ["--yes", "--json", "--progress", "none", "--resume" if resumed else "--out", str(experiment)]
    started, began = utc_now(), time.monotonic()
    ended = process.run(
        [*command, *options],
        timeout_s=_LONGEST_S,
        stderr=experiment.with_name(f"{experiment.name}{'-resumed' if resumed else ''}.log"),
        pass_fds=(cell.lock,),
        on_start=cell.on_start,
    )
    answer = _answer(ended.stdout)
    code = int(answer.get("exit_code") or 0) if answer else ended.returncode
    if ended.returncode < 0:
        code = 128 - ended.returncode
    seconds = round(time.monotonic() - began, 3)
    return _Ended(experiment, code, answer, visible(ended.stderr[-300:], 300), started, seconds, resumed)


def _result(key: str, point: Point, ended: _Ended) -> Result:
    there = (ended.experiment / INDEX).is_file()
    outputs = load(ended.experiment) if there else Outputs()
    error = ended.answer.get("error") if ended.answer else {"name": "RUN_SIGNAL", "message": ended.last_words}
    return Result.of(
        key,
        point,
        status=_status(str(ended.answer.get("status", "failed"))),
        exit_code=ended.exit_code,
        experiment=ended.experiment.name if there else "",
        seconds=ended.seconds,
        started_utc=ended.started_utc,
        lock=str(outputs.index.identities.get("lock") or ""),
        error=error if ended.exit_code else None,
        figures=figures(outputs),
        where=socket.gethostname(),
        resumed=ended.resumed,
    )


def _status(word: str) -> Literal["success", "partial", "failed"]:
    return cast("Any", word) if word in ("success", "partial") else "failed"


def _answer(stdout: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(stdout)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def figures(outputs: Outputs) -> Figures:
    """Return what is shown of an experiment."""
    stats = outputs.stats
    point = next((each for each in stats.throughput if each.batch == stats.batch), None)
    metrics = getattr(outputs.verdict, "metrics", ())
    quality = {
        str(each.get("name")): float(each["value"])
        for each in metrics
        if isinstance(each, Mapping) and isinstance(each.get("value"), int | float)
    }
    return Figures(
        latency_p50_ms=stats.warm.latency_ms.p50,
        ci95_ms=stats.warm.latency_ms.ci95,
        latency_p95_ms=stats.warm.latency_ms.p95,
        cold_total_ms=stats.cold.total_ms.p50,
        throughput_items_s=point.items_per_s if point else None,
        memory_mib=stats.memory.host_peak_mib,
        vram_mib=stats.memory.vram_peak_mib,
        noise=stats.quality,
        decision=outputs.verdict.decision,
        targets={target.expression: target.status for target in outputs.verdict.targets if target.required},
        quality=quality,
        runtime=str(outputs.params.get("runtime", "")),
        device_class=str(outputs.index.identities.get("device_class") or ""),
    )
