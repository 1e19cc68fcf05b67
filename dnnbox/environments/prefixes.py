"""A new pixi environment: Python from conda channels by py-rattler, pixi's engine, the locked wheels by uv on top.

It lies in the store like every other environment, with the pixi.toml and pixi.lock that it was made from, so that pixi
itself makes the same one elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from dnnbox import catalog, codec, integrity, uv
from dnnbox.environments import conda, gathering
from dnnbox.environments.exports import pixi as pixi_export
from dnnbox.environments.exports.base import PROJECT, Material
from dnnbox.environments.locking import MAX_AGE_S
from dnnbox.environments.realising import LOCK_FILE, Maker
from dnnbox.errors import NetworkFailed
from dnnbox.events import Progress
from dnnbox.files import host_errors, write_atomic
from dnnbox.records.environment import CondaSolution, EnvSpec, Lock, Workspace
from dnnbox.store import ELSEWHERE, Store

MANIFEST = ".dnnbox-pixi"
"""The folder in the environment that holds its pixi.toml and pixi.lock."""


def conda_part(spec: EnvSpec, workspace: Workspace, store: Store, *, offline: bool, refresh: bool) -> CondaSolution:
    """Return Python as the workspace's channels provide it, remembered for a week like every lock.

    Raises:
        NetworkFailed: no channel was reached, and there is no answer from before.
        EnvFailed: there is no solver, or no solution.
    """
    channels = conda.channels_of(workspace)
    file = store.conda / "solved" / f"{_question_key(spec, channels)}.json"
    known = _read(file)
    if known is not None and not refresh and (offline or _age_s(file) < MAX_AGE_S):
        return known
    try:
        solution = conda.solve(spec, channels, store, offline=offline, phase="resolve")
    except NetworkFailed:
        if known is None:
            raise
        return known
    with host_errors(file, ELSEWHERE):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, codec.dumps(solution))
    return solution


def _question_key(spec: EnvSpec, channels: tuple[str, ...]) -> str:
    listings = [_listing(name) for name in channels]
    question = json.dumps([channels, spec.python, spec.platform, listings])
    return hashlib.sha256(question.encode()).hexdigest()[:40]


def _listing(channel: str) -> list[tuple[str, int, int]]:
    """Return what a channel on this machine looks like now: nobody waits a week for a change in a folder of his."""
    folder = conda.folder_of(channel)
    found = sorted(folder.glob("*/repodata.json")) if folder is not None else []
    return [(path.parent.name, path.stat().st_size, path.stat().st_mtime_ns) for path in found]


def _read(file: Path) -> CondaSolution | None:
    try:
        return codec.loads(CondaSolution, file.read_text("utf-8"))
    except (OSError, codec.CodecError):
        return None


def _age_s(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return float("inf")


def prefix_dir(lock: Lock, solution: CondaSolution, store: Store) -> Path:
    """Return where the environment is, or will be."""
    return store.venv_dir(f"{lock.sha256}-pixi-{solution.sha256[:12]}")


def realise_prefix(
    spec: EnvSpec,
    lock: Lock,
    solution: CondaSolution,
    workspace: Workspace,
    store: Store,
    *,
    offline: bool,
    progress: Progress,
    log: Path | None = None,
) -> Path:
    """Return the interpreter of the pixi environment that holds exactly both; it is made unless it is in the store.

    Raises:
        NetworkFailed, IntegrityFailed, EnvFailed: as :func:`dnnbox.environments.realise`.
    """
    target = prefix_dir(lock, solution, store)
    python = target / "bin" / "python"
    if store.verified(target) and os.access(python, os.X_OK):
        store.used(target)
        return python
    maker = _PrefixMaker(spec, lock, store, offline, progress, log)
    maker.solution, maker.channels = solution, conda.channels_of(workspace)
    if store.create_once(target, maker.build, waiting=maker.wait, in_place=True):
        store.mark_fetched(digest for package in lock.packages for digest in package.sha256)
    return python


class _PrefixMaker(Maker):
    """Makes one in the place where it stays: conda's packages name their prefix."""

    solution: CondaSolution
    channels: tuple[str, ...]

    def build(self, folder: Path) -> None:
        self.progress.advance("environment", 0, None, f"installing {len(self.solution.packages)} conda packages")
        bare = Material(PROJECT, self.spec, self.lock, (), conda=self.solution)
        conda.install(self.solution, bare, self.channels, folder, self.store, offline=self.offline)
        python = folder / "bin" / "python"
        (folder / LOCK_FILE).write_text(self.lock.text, "utf-8")
        self.install(uv.add_locked_argv(folder / LOCK_FILE, python))
        self._describe(folder, python)
        integrity.vouch(folder, self.compiled(folder, python), every=True)

    def _describe(self, folder: Path, python: Path) -> None:
        """Write the manifest and its lock, from which pixi makes the same environment."""
        material = gathering.gather(
            self.spec,
            self.lock,
            self.store,
            title=PROJECT,
            imports=catalog.runtime(self.spec.runtime).imports,
            base_image="",
            offline=self.offline,
            python=python,
        )
        (folder / MANIFEST).mkdir()
        whole = Material(PROJECT, self.spec, self.lock, material.packages, material.imports, conda=self.solution)
        for name, text in pixi_export.files(whole).items():
            (folder / MANIFEST / name).write_text(text, "utf-8")
