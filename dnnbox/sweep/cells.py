"""A cell, its key, and what is kept of it: ``cells/<key>/cell.json`` when it is done, its experiments beside."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dnnbox import checkpoints
from dnnbox.codec import CodecError, dumps, loads
from dnnbox.errors import DnnboxError
from dnnbox.files import write_atomic
from dnnbox.sweep.matrix import Matrix, Point

RESULT = "cell.json"
RETRIED = (22, 30, 44, 47, 50, 51, 129, 130, 143)
"""Exit codes that say nothing of the model: the network, an engine, a full disk, a signal. Such a cell runs again."""


@dataclass(frozen=True)
class Cell:
    """One run; ``argv`` are options of ``run``.

    ``key`` is two hashes with a dash between: of what is run, and of the class of machines that runs it. The lock is in
    neither: it is known only when the environment has been resolved, and is kept with the result.
    """

    key: str
    point: Point
    argv: tuple[str, ...]

    @property
    def question(self) -> str:
        """The first half of the key, which is the same on every machine."""
        return self.key.partition("-")[0]

    @property
    def name(self) -> str:
        """What a reader calls it."""
        parts = (
            self.point.device,
            self.point.precision,
            f"batch {self.point.batch}",
            self.point.variant,
            self.point.box,
        )
        return " · ".join(part for part in (Path(self.point.checkpoint).name, *parts) if part not in ("", "auto"))


@dataclass(frozen=True)
class Figures:
    """What the leaderboard shows of a run; None where it was not measured."""

    latency_p50_ms: float | None = None
    ci95_ms: tuple[float, float] | None = None
    latency_p95_ms: float | None = None
    cold_total_ms: float | None = None
    throughput_items_s: float | None = None
    memory_mib: float | None = None
    vram_mib: float | None = None
    noise: str | None = None
    decision: str = "unknown"
    targets: Mapping[str, str] = field(default_factory=dict)  # expression -> met | missed | unknown
    quality: Mapping[str, float] = field(default_factory=dict)  # metric of the user's -> value
    runtime: str = ""
    device_class: str = ""


@dataclass(frozen=True)
class Result:
    """``cell.json``. ``experiment`` is a folder beside it; ``seconds`` is the run's own time."""

    key: str
    checkpoint: str
    device: str
    precision: str
    batch: str
    variant: str
    box: str
    status: Literal["success", "partial", "failed"]
    exit_code: int
    experiment: str
    seconds: float
    started_utc: str
    lock: str = ""
    error: Mapping[str, Any] | None = None
    figures: Figures = field(default_factory=Figures)
    where: str = ""
    resumed: bool = False  # it goes on with a run that was cut off; then ``seconds`` is of the last part
    schema: str = "dnnbox.cell/1"

    @classmethod
    def of(cls, key: str, point: Point, **ended: Any) -> Result:
        """Return the result of a cell; ``ended`` are the fields that say how it ended."""
        asked = asdict(point) | {"checkpoint": Path(point.checkpoint).name}
        return cls(key=key, **asked, **ended)


def cells(matrix: Matrix, device_class: str) -> Iterator[Cell]:
    """Yield the cells of a matrix. Each checkpoint is hashed once; one that cannot be read is a cell that will fail."""
    digests: dict[str, str] = {}
    options = tuple(_options(matrix.options))
    where = _hash(device_class)[:6]
    for point in matrix.points():
        if point.checkpoint not in digests:
            digests[point.checkpoint] = _digest(Path(point.checkpoint))
        argv = (*_arguments(point), *options)
        # A path says nothing of what is computed: the options that name files do so by what the user wrote.
        question = (digests[point.checkpoint], Path(point.checkpoint).name, argv)
        yield Cell(f"{_hash(question)[:14]}-{where}", point, argv)


def _hash(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        return str(checkpoints.inspect(path, with_hash=True).sha256)
    except DnnboxError as error:
        return f"{error.name} {path}"


def _arguments(point: Point) -> Iterator[str]:
    for name in ("device", "precision", "batch", "variant", "box"):
        if value := getattr(point, name):
            yield from (f"--{name}", value)


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table as options: true is a flag, false its ``--no-`` form, a list repeats it."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            yield option
        elif value is False:
            yield f"--no-{option[2:]}"
        else:
            for each in value if isinstance(value, list) else (value,):
                yield from (option, str(each))


def place(folder: Path, key: str) -> Path:
    """Return where a cell's things lie. Two letters first: a folder with ten thousand entries is slow to list."""
    return folder / "cells" / key[:2] / key


def result(folder: Path, key: str) -> Result | None:
    """Return how a cell ended, None where it has not."""
    try:
        return loads(Result, (place(folder, key) / RESULT).read_text("utf-8"))
    except (OSError, CodecError):
        return None


def is_done(found: Result | None, *, retry_failed: bool = False) -> bool:
    """Return whether a cell need not run: it succeeded, or failed for a reason that will be there again."""
    if found is None:
        return False
    return found.exit_code in (0, 1) or not (retry_failed or found.exit_code in RETRIED)


def save(folder: Path, found: Result) -> None:
    """Keep how a cell ended."""
    target = place(folder, found.key)
    target.mkdir(parents=True, exist_ok=True)
    write_atomic(target / RESULT, dumps(found))


def attempts(target: Path) -> list[Path]:
    """Return the experiments of a cell, the oldest first."""
    with os.scandir(target) as found:
        names = [entry.name for entry in found if re.fullmatch(r"run-\d+", entry.name)]
    return [target / name for name in sorted(names, key=lambda name: int(name[4:]))]


def results(folder: Path, wanted: Sequence[Cell]) -> dict[str, Result]:
    """Return how the cells ended that have, by key."""
    found = ((cell.key, result(folder, cell.key)) for cell in wanted)
    return {key: each for key, each in found if each is not None}
