"""The raw samples of the processes that measured: read from their arrays, and thinned for the figures."""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from dnnbox.errors import BadOutput
from dnnbox.harness.arrays import read_npy
from dnnbox.harness.protocol import Samples
from dnnbox.records.run import RunOutcome

MAX_POINTS = 2000  # of all processes together, in samples.json
MIN_BINS, MAX_BINS = 10, 48  # of the histogram
_MAX_SAMPLES = 50_000_000
COMPRESSED = ".gz"


@dataclass(frozen=True)
class ProcessSamples:
    """One process. ``columns`` maps a name ("total" first, then stages) to its times in milliseconds, in order."""

    facts: Samples
    columns: dict[str, list[float]]

    @property
    def total_ms(self) -> list[float]:
        """End-to-end latency of each iteration."""
        return self.columns[self.facts.columns[0]]


def read(outcome: RunOutcome) -> ProcessSamples | None:
    """Return the samples of one outcome, None where it has none.

    Raises:
        BadOutput: the array is missing, or not int64 of the shape that the result promised.
    """
    facts = outcome.result.samples if outcome.result else None
    if facts is None or facts.n == 0:
        return None
    place = outcome.files.get(facts.path)
    if place is None:
        raise BadOutput("the raw samples were not collected", phase="measure")
    try:
        dtype, shape, data = _read(place)
    except (OSError, EOFError, ValueError, SyntaxError, MemoryError, RecursionError, zlib.error) as error:  # foreign
        raise BadOutput(f"the raw samples cannot be read: {type(error).__name__}", phase="measure") from error
    if not facts.columns or dtype != "int64" or tuple(shape) != (facts.n, len(facts.columns)):
        raise BadOutput(f"the raw samples are {dtype} {tuple(shape)}, not what the result says", phase="measure")
    return ProcessSamples(facts, _columns(data, facts))


def _read(place: str) -> tuple[str, Sequence[int], memoryview]:
    """Return an array from its file, or from what :func:`compressed` made of that."""
    if not place.endswith(COMPRESSED):
        return read_npy(place)
    with tempfile.NamedTemporaryFile(suffix=".npy") as plain, gzip.open(place) as packed:
        shutil.copyfileobj(packed, plain)
        plain.flush()
        return read_npy(plain.name)


def compressed(outcome: RunOutcome) -> RunOutcome:
    """Return the outcome with its raw samples packed (.npy.gz): they are kept for ever, and a run has millions."""
    facts = outcome.result.samples if outcome.result else None
    place = outcome.files.get(facts.path) if facts is not None else None
    if facts is None or place is None or place.endswith(COMPRESSED):
        return outcome
    target = f"{place}{COMPRESSED}"
    with (
        Path(place).open("rb") as plain,
        Path(target).open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,  # no name and no time in it
    ):
        shutil.copyfileobj(plain, packed)
    Path(place).unlink()
    return replace(outcome, files={**outcome.files, facts.path: target})


def _columns(data: memoryview, facts: Samples) -> dict[str, list[float]]:
    if facts.n * len(facts.columns) > _MAX_SAMPLES:
        raise BadOutput("more raw samples than can be true", phase="measure")
    flat = data.cast("B").cast("q")
    width = len(facts.columns)
    return {name: [ns / 1e6 for ns in flat[i::width].tolist()] for i, name in enumerate(facts.columns)}


def read_all(outcomes: Sequence[RunOutcome]) -> tuple[ProcessSamples, ...]:
    """Return the samples of every outcome that has some, in order."""
    return tuple(found for outcome in outcomes if (found := read(outcome)) is not None)


def timeline(memory: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the memory pass saw over time: ``points`` of [milliseconds, MiB], ``phases`` of [name, its end]."""
    found = memory.get("timeline")
    series = found if isinstance(found, Mapping) else {}
    pairs = [pair for pair in series.get("points") or () if isinstance(pair, list) and len(pair) == 2]
    points = [[us / 1e3, round(size / 2**20, 3)] for us, size in pairs if isinstance(us, int) and isinstance(size, int)]
    ends = [pair for pair in series.get("phases") or () if isinstance(pair, list) and len(pair) == 2]
    phases = [[str(name)[:20], us / 1e3] for name, us in ends[:10] if isinstance(us, int)]
    return {"points": points[:MAX_POINTS], "phases": phases} if len(points) > 1 else None


def document(processes: Sequence[ProcessSamples], memory: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``outputs/samples.json``: latency over time in bins of min, median and max, a histogram, the memory."""
    points = MAX_POINTS // max(1, len(processes))
    return {
        "schema": "dnnbox.samples/1",
        "processes": [_thinned(process, points) for process in processes],
        "histogram": histogram([ms for process in processes for ms in process.total_ms]),
        "memory": timeline(memory),
    }


def _thinned(process: ProcessSamples, points: int) -> dict[str, Any]:
    total = process.total_ms
    size = max(1, math.ceil(len(total) / points))
    bins = (total[i : i + size] for i in range(0, len(total), size))
    return {
        "columns": list(process.facts.columns),
        "n": len(total),
        "per_bin": size,
        "warmup_n": process.facts.warmup_n,
        "warmup_ms": round(process.facts.warmup_ns / 1e6, 3),
        "timer_ns": process.facts.timer_ns,
        "stable": process.facts.stable,
        "reason": process.facts.reason,
        "latency_ms": [[round(min(b), 6), round(median(b), 6), round(max(b), 6)] for b in bins],
    }


def histogram(samples: Sequence[float]) -> dict[str, Any] | None:
    """Return counts over equal steps around the body; samples outside of it are counted as ``beyond``."""
    if len(samples) < 2:
        return None
    ordered = sorted(samples)
    bins = min(MAX_BINS, max(MIN_BINS, math.isqrt(len(ordered))))
    low, high = _body(ordered)
    step = (high - low) / bins or max(low, 1e-6) / bins
    counts = [0] * bins
    for value in ordered:
        if low <= value <= high:
            counts[min(int((value - low) / step), bins - 1)] += 1
    beyond = len(ordered) - sum(counts)
    return {"low_ms": round(low, 6), "step_ms": round(step, 9), "counts": counts, "beyond": beyond}


def _body(ordered: Sequence[float]) -> tuple[float, float]:
    """Return where the axis begins and ends: a few slow samples must not press the others into one line."""
    p5, p50, p95 = (ordered[int(share * (len(ordered) - 1))] for share in (0.05, 0.5, 0.95))
    low, high = max(ordered[0], p50 - 5 * (p50 - p5)), min(ordered[-1], p95 + 5 * (p95 - p50))
    return (low, high) if high > low else (ordered[0], ordered[-1])
