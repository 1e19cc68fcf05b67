"""Environments for a sweep, made in parallel before anything is timed: unpacking beside a measurement is noise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dnnbox import boxes, environments
from dnnbox.errors import DnnboxError
from dnnbox.events import Silent
from dnnbox.pipeline.prepare import CONTAINERS, prepare
from dnnbox.records.options import RunOptions
from dnnbox.store import Store
from dnnbox.sweep.cells import Cell
from dnnbox.sweep.matrix import Point

_AT_ONCE = 4


def environments_of(
    cells: Sequence[Cell],
    options: Mapping[str, Any],
    workspace: Path,
    *,
    refresh: bool = False,
    told: Callable[[Point, str], None] = lambda _point, _text: None,
) -> dict[Point, str]:
    """Make the environment of every checkpoint, device and box; return the lock of each by its cells' points.

    One that cannot be made is told and left out: its cells will say the same, each for itself.
    """
    groups: dict[tuple[str, ...], list[Point]] = {}
    for cell in cells:
        groups.setdefault((cell.point.checkpoint, cell.point.device, cell.point.box), []).append(cell.point)
    locks: dict[Point, str] = {}

    def make(points: list[Point]) -> None:
        try:
            lock = _make(points[0], options, workspace, refresh=refresh)
        except DnnboxError as error:
            told(points[0], f"{error.name}: {error.what}")
            return
        locks.update(dict.fromkeys(points, lock))

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dnnbox-environment") as pool:
        for _ in pool.map(make, groups.values()):
            pass
    return locks


def _make(point: Point, options: Mapping[str, Any], workspace: Path, *, refresh: bool) -> str:
    """Resolve and make one environment; return its lock's hash, "" where the box needs none."""
    store, silent = Store.default(), Silent()
    with tempfile.TemporaryDirectory(prefix="dnnbox-refs-") as refs:
        prepared = prepare(
            run_options(point, options, workspace, refresh=refresh), silent, store=store, refs_dir=Path(refs)
        )
        lock, offline = prepared.lock, prepared.options.offline
        if lock is None:
            return ""
        if prepared.box in CONTAINERS:
            boxes.make_container_env(
                prepared.box, prepared.image, prepared.spec, lock, store, offline=offline, progress=silent
            )
        elif prepared.box == "venv":
            environments.realise(prepared.spec, lock, store, offline=offline, progress=silent)
        return f"sha256:{lock.sha256}"


def run_options(point: Point, options: Mapping[str, Any], workspace: Path, *, refresh: bool) -> RunOptions:
    """Return the options that decide the environment; what only decides the measurement is left out."""
    plain = {key.replace("-", "_"): value for key, value in options.items()}
    adapter = plain.get("adapter")
    return RunOptions(
        checkpoint=point.checkpoint,
        workspace=workspace,
        source=str(plain.get("source", "")),
        adapter=Path(str(adapter)) if adapter else None,
        family=str(plain.get("family", "")),
        task=str(plain.get("task", "")),
        inputs=tuple(_listed(plain.get("input"))),
        device=point.device,
        box=point.box,
        deps="new",
        yes=True,
        offline=bool(plain.get("offline", False)),
        refresh=refresh,
        precision=point.precision,
        allow=tuple(_listed(plain.get("allow"))),
        base_image=str(plain.get("base_image", "")),
    )


def _listed(value: Any) -> Iterator[str]:
    if value:
        yield from map(str, value if isinstance(value, list) else (value,))
