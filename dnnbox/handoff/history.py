"""The experiments of a workspace in one index: SQLite, made from the folders and never the only place of anything.

Each call looks at what changed since the last one. A folder that is gone leaves the index; a damaged one is made anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dnnbox import results
from dnnbox.errors import HostPermission, Usage
from dnnbox.experiment import INDEX
from dnnbox.files import host_errors, write_atomic
from dnnbox.reports.outputs import Outputs, load
from dnnbox.text import visible

FILE = "history.sqlite"
_VERSION = 1
_DEPTH = 6
_SKIPPED = frozenset({"refs", "scripts", "inputs", "outputs", "logs", "reports", "jobs", "bundle", ".venv", ".git"})
_SCHEMA = (
    """
    CREATE TABLE experiment (
        folder TEXT PRIMARY KEY, stamp TEXT NOT NULL, id TEXT, created_utc TEXT, checkpoint TEXT, sha256 TEXT,
        status TEXT, exit_code INTEGER, device TEXT, device_class TEXT, box TEXT, precision TEXT, batch INTEGER,
        quality TEXT, decision TEXT
    )
    """,
    """
    CREATE TABLE figure (
        folder TEXT NOT NULL REFERENCES experiment(folder) ON DELETE CASCADE, metric TEXT NOT NULL, value REAL,
        low REAL, high REAL, PRIMARY KEY (folder, metric)
    )
    """,
    "CREATE INDEX experiment_when ON experiment(created_utc)",
)


@dataclass(frozen=True)
class Entry:
    """One experiment with one figure. ``folder`` is relative to the workspace."""

    folder: str
    id: str
    created_utc: str
    checkpoint: str
    sha256: str
    status: str
    device: str
    device_class: str
    box: str
    precision: str
    batch: int
    quality: str | None
    decision: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Trend:
    """One figure over time for one checkpoint, device class, precision and batch."""

    checkpoint: str
    device_class: str
    precision: str
    batch: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class History:
    """What `dnnbox history --json` prints. ``unread`` are folders whose experiment.json cannot be understood."""

    metric: str
    experiments: int
    trends: tuple[Trend, ...]
    unread: tuple[str, ...] = ()
    schema: str = "dnnbox.history/1"


def history(workspace: Path, *, metric: str = "latency_p50_ms", checkpoint: str = "", rebuild: bool = False) -> History:
    """Return the trend of a figure over the experiments below ``tmp/``.

    Raises:
        Usage: there is no such figure.
        HostPermission: the index cannot be written.
    """
    if metric not in results.METRICS:
        raise Usage(f"unknown figure `{visible(metric, 60)}`", hint=f"known: {', '.join(results.METRICS)}")
    root = workspace / "tmp"
    if not root.is_dir():
        return History(metric, 0, ())
    try:
        try:
            count, unread, entries = _read(root, metric, checkpoint, rebuild=rebuild)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged, or no database at all: made anew from the folders
            count, unread, entries = _read(root, metric, checkpoint, rebuild=True)
    except sqlite3.OperationalError as error:
        raise HostPermission(f"cannot use tmp/{FILE}: {error}", phase="history") from error
    return History(metric, count, tuple(_trends(entries)), unread)


def _trends(entries: Sequence[Entry]) -> Iterator[Trend]:
    groups: dict[tuple[str, str, str, int], list[Entry]] = {}
    for entry in entries:
        key = (entry.sha256 or entry.checkpoint, entry.device_class or entry.device, entry.precision, entry.batch)
        groups.setdefault(key, []).append(entry)
    for group in groups.values():
        newest = group[-1]
        yield Trend(newest.checkpoint, newest.device_class, newest.precision, newest.batch, tuple(group))


def _read(root: Path, metric: str, checkpoint: str, *, rebuild: bool) -> tuple[int, tuple[str, ...], tuple[Entry, ...]]:
    """Bring the index up to date; return (experiments, folders that cannot be read, entries)."""
    with closing(_open(root, rebuild=rebuild)) as index:
        unread = _refresh(index, root)
        entries = tuple(_entries(index, metric, checkpoint))
        return int(index.execute("SELECT count(*) FROM experiment").fetchone()[0]), unread, entries


def _open(root: Path, *, rebuild: bool) -> sqlite3.Connection:
    """Open the index, or make it.

    Raises:
        sqlite3.DatabaseError: it is damaged, or of another version.
    """
    place = root / FILE
    with host_errors(place):
        if rebuild:
            for path in (place, root / f"{FILE}-journal"):
                path.unlink(missing_ok=True)
        if not (root / ".gitignore").exists() and not place.exists():
            # Only our own files are named: what else lies in tmp/ is the user's.
            write_atomic(root / ".gitignore", f"/{FILE}*\n/.gitignore\n", durable=False)
    index = sqlite3.connect(place, timeout=30)
    try:
        index.execute("PRAGMA foreign_keys = ON")
        with index:
            index.execute("BEGIN IMMEDIATE")  # of two that make it at the same time, one waits
            version = index.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"version {version}")
            if version == 0:
                for statement in _SCHEMA:
                    index.execute(statement)
                index.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        index.close()
        raise
    return index


def _refresh(index: sqlite3.Connection, root: Path) -> tuple[str, ...]:
    """Bring the index up to what lies in the folders; return the folders that cannot be read."""
    found = {str(path.relative_to(root.parent)): path for path in experiments_below(root)}
    unread = []
    with index:
        index.execute("BEGIN IMMEDIATE")
        known = dict(index.execute("SELECT folder, stamp FROM experiment").fetchall())
        for gone in known.keys() - found.keys():
            index.execute("DELETE FROM experiment WHERE folder = ?", (gone,))
        for folder, path in found.items():
            stamp = _stamp(path)
            if known.get(folder) == stamp:
                continue
            index.execute("DELETE FROM experiment WHERE folder = ?", (folder,))
            outputs = load(path)
            if INDEX in outputs.unread:
                unread.append(folder)
            else:
                _insert(index, folder, stamp, outputs)
    return tuple(unread)


def experiments_below(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yield the experiments under a folder, those of sweeps too; links are not followed."""
    try:
        with os.scandir(root) as found:
            entries = [entry for entry in found if entry.is_dir(follow_symlinks=False) and entry.name not in _SKIPPED]
    except OSError:
        return
    for entry in sorted(entries, key=lambda each: each.name):
        path = Path(entry.path)
        if (path / INDEX).is_file():
            yield path
        elif depth > 0:
            yield from experiments_below(path, depth - 1)


def _stamp(path: Path) -> str:
    """Return what changes when the experiment does: its index is written last."""
    facts = (path / INDEX).stat()
    return f"{facts.st_mtime_ns} {facts.st_size}"


def _insert(index: sqlite3.Connection, folder: str, stamp: str, outputs: Outputs) -> None:
    found, stats = outputs.index, outputs.stats
    row = (
        folder, stamp, found.id, found.created_utc, found.checkpoint, found.identities.get("checkpoint") or "",
        found.status, found.exit_code, found.device, found.identities.get("device_class") or "", found.box,
        stats.precision, stats.batch, stats.quality, outputs.verdict.decision,
    )  # fmt: skip
    index.execute(f"INSERT INTO experiment VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - question marks only
    for name, metric in results.METRICS.items():
        value, interval = metric.read(stats)
        if value is not None:
            low, high = interval or (None, None)
            index.execute("INSERT INTO figure VALUES (?, ?, ?, ?, ?)", (folder, name, value, low, high))


_QUERY = """
SELECT e.folder, e.id, e.created_utc, e.checkpoint, e.sha256, e.status, e.device, e.device_class, e.box, e.precision,
       e.batch, e.quality, e.decision, f.value, f.low, f.high
FROM experiment e LEFT JOIN figure f ON f.folder = e.folder AND f.metric = ?
WHERE ? = '' OR instr(lower(e.checkpoint), lower(?)) > 0
ORDER BY e.created_utc, e.folder
"""


def _entries(index: sqlite3.Connection, metric: str, checkpoint: str) -> Iterator[Entry]:
    for row in index.execute(_QUERY, (metric, checkpoint, checkpoint)):
        yield Entry(*row)


def changes(entries: Sequence[Entry]) -> float | None:
    """Return how the last figure differs from the one before, as a share; None where there are not two."""
    values = [entry.value for entry in entries if entry.value]
    return values[-1] / values[-2] - 1 if len(values) > 1 else None
