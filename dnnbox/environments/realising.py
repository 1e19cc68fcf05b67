"""EnvSpec and Lock → a venv in the store, made once. Warm, this is a few stats and no other program is started."""

from __future__ import annotations

import os
from pathlib import Path

from dnnbox import integrity, process, uv
from dnnbox.bytecode import Bytecode
from dnnbox.environments.planning import interpreter
from dnnbox.errors import DnnboxError, EnvFailed, NetworkFailed
from dnnbox.events import Progress
from dnnbox.records.environment import EnvSpec, Indexes, Lock
from dnnbox.store import Store

LOCK_FILE = "dnnbox.lock.txt"
"""The lock that an environment was made from, kept in it."""

_TIMEOUT_S = 3600.0


def realise(
    spec: EnvSpec, lock: Lock, store: Store, *, offline: bool, progress: Progress, log: Path | None = None
) -> Path:
    """Return the interpreter of the environment that holds exactly ``lock``; it is made unless it is in the store.

    Raises:
        NetworkFailed: a package is not cached and the network is off or down.
        IntegrityFailed: a package is not the one that was locked.
        EnvFailed: anything else that keeps uv from installing.
    """
    target = store.venv_dir(lock.sha256)
    python = target / "bin" / "python"
    if store.verified(target) and os.access(python, os.X_OK):
        store.used(target)
        return python
    if store.verified(target):  # the Python that it was made from is gone
        store.remove(target)
    maker = Maker(spec, lock, store, offline, progress, log)
    if store.create_once(target, maker.build, waiting=maker.wait):
        store.mark_fetched(digest for package in lock.packages for digest in package.sha256)
    return python


class Maker:
    """Makes one environment in a folder of the store."""

    def __init__(
        self, spec: EnvSpec, lock: Lock, store: Store, offline: bool, progress: Progress, log: Path | None
    ) -> None:
        self.spec, self.lock, self.store = spec, lock, store
        self.offline, self.progress = offline, progress
        self.log = log or store.log_dir / f"environment-{lock.sha256[:12]}.log"

    def wait(self) -> None:
        self.progress.note("another dnnbox makes the same environment; waiting for it")

    def build(self, folder: Path) -> None:
        base = interpreter(self.spec.python)
        if base is None:
            raise EnvFailed(
                f"Python {self.spec.python} is not installed on this machine",
                hint=f"`uv python install {self.spec.python}`, or use a container",
                phase="environment",
            )
        self._run(uv.venv_argv(folder, base), Indexes(), offline=True)
        (folder / LOCK_FILE).write_text(self.lock.text, "utf-8")
        self.install(uv.sync_argv(folder / LOCK_FILE, folder / "bin" / "python", compile_bytecode=False))
        integrity.vouch(folder, self.compiled(folder, base))

    def compiled(self, folder: Path, base: Path) -> dict[str, str]:
        """Compile or link, and return the sums of the compiled files."""
        site = folder / "lib" / f"python{self.spec.python}" / "site-packages"
        code = Bytecode(site, self.lock, self.store, self.spec.python)
        if missing := code.link():
            self.progress.advance("environment", 0, None, f"compiling {len(missing)} Python files, once")
        code.compile_here(base)
        place = site.relative_to(folder).as_posix()
        return {f"{place}/{name}": digest for name, digest in code.sums.items()}

    def install(self, command: list[str]) -> None:
        """Install from the cache alone first: that is faster, and right whenever everything is there."""
        missing = sum(not package.cached for package in self.lock.packages)
        count = len(self.lock.packages)
        if self.offline or not missing:
            self.progress.advance("environment", 0, None, f"installing {count} packages from the cache")
            try:
                return self._run(command, self.spec.indexes, offline=True)
            except NetworkFailed:
                if self.offline:
                    raise
        self.progress.advance("environment", 0, None, f"installing {count} packages, {missing} of them to be fetched")
        return self._run(command, self.spec.indexes, offline=False)

    def _run(self, argv: list[str], indexes: Indexes, *, offline: bool) -> None:
        environ = uv.environ(indexes, offline=offline, cache_dir=self.store.uv_cache, locked=True)
        # uv looks for configuration in the working directory: the store holds none.
        ended = process.run(argv, timeout_s=_TIMEOUT_S, env=environ, cwd=self.store.root)
        uv.log_transcript(self.log, argv, ended)
        if ended.timed_out:
            raise NetworkFailed(f"installing took longer than {_TIMEOUT_S / 60:g} minutes", phase="environment")
        if ended.returncode != 0:
            what = f"cannot make the environment of {len(self.lock.packages)} packages"
            error: DnnboxError = uv.failure(ended.stderr, what, offline=self.offline)
            error.details["log"] = str(self.log)
            raise error
