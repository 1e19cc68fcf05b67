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
from pathlib import Path
from typing import Any, Literal, cast

from dnnbox import process
from dnnbox.experiment import INDEX, utc_now
from dnnbox.reports.outputs import Outputs, load
from dnnbox.sweep.cells import Figures, Result, attempts, is_done, place, result, save
from dnnbox.sweep.matrix import Point
from dnnbox.text import visible

_LONGEST_S = 7 * 86400.0


def run_cell(
    folder: str, key: str, point: str, argv: str, retry: str = "", *, on_start: Callable[[int], None] | None = None
) -> str:
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
    on_start: Callable[[int], None] | None = None,
) -> Result:
    """Return how the cell ended; it runs where it has not."""
    target = place(folder, key)
    target.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        known = result(folder, key)
        if known is not None and is_done(known, retry_failed=retry_failed):
            return known
        found = _run(target, key, point, argv, on_start)
        save(folder, found)
        return found


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    handle = os.open(target / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _run(target: Path, key: str, point: Point, argv: list[str], on_start: Callable[[int], None] | None) -> Result:
    number = len(attempts(target)) + 1
    experiment = target / f"run-{number}"
    command = [sys.executable, "-m", "dnnbox", "run", point.checkpoint, *argv, "--yes", "--json", "--progress", "none"]
    started, began = utc_now(), time.monotonic()
    ended = process.run(
        [*command, "--out", str(experiment)],
        timeout_s=_LONGEST_S,
        stderr=target / f"run-{number}.log",
        on_start=on_start,
    )
    answer = _answer(ended.stdout)
    code = int(answer.get("exit_code") or 0) if answer else ended.returncode
    if ended.returncode < 0:
        code = 128 - ended.returncode
    outputs = load(experiment) if (experiment / INDEX).is_file() else Outputs()
    error = answer.get("error") if answer else {"name": "RUN_SIGNAL", "message": visible(ended.stderr[-300:], 300)}
    return Result.of(
        key,
        point,
        status=_status(str(answer.get("status", "failed"))),
        exit_code=code,
        experiment=experiment.name if (experiment / INDEX).is_file() else "",
        seconds=round(time.monotonic() - began, 3),
        started_utc=started,
        lock=str(outputs.index.identities.get("lock") or ""),
        error=error if code else None,
        figures=figures(outputs),
        where=socket.gethostname(),
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
