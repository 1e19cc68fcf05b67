"""Environments for containers: made by hardened runs of the base image, kept in the store, used read-only by every job.

Nothing is built with ``docker build``: that takes no limits, and a run over one mount that holds the cache and the
environments links files instead of copying them. A first run, with network, only fetches; the second, without network,
installs. What installs is uv, from wheels whose hashes are locked, so no code of a package runs in either. Compiled
files are linked from the store; what is missing there a third run compiles, without network and without the packages'
start-up files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dnnbox import integrity, uv
from dnnbox.boxes import owner
from dnnbox.boxes.base import ENVIRONMENT, STORE
from dnnbox.boxes.engine import Ended, Session
from dnnbox.boxes.hardened import Wanted
from dnnbox.boxes.images import ImageFacts, image_facts, image_id, image_variables
from dnnbox.boxes.limits import default_memory_bytes
from dnnbox.bytecode import Bytecode, compile_argv
from dnnbox.errors import DnnboxError, EngineUnavailable, NetworkFailed
from dnnbox.events import Progress
from dnnbox.files import host_errors
from dnnbox.process import Completed
from dnnbox.records.environment import EnvSpec, Indexes, Limits, Lock, Mount
from dnnbox.scratch import scratch
from dnnbox.store import ELSEWHERE, Store

_UV = "/dnnbox/uv"
_LOCK = "/dnnbox/dnnbox.lock.txt"
_TIMEOUT_S = 3600.0
_CONNECT_S = 3

# The image may have no shell, but it has a Python: it starts the commands one after the other.
_DRIVER = """
import json, subprocess, sys
for command in json.loads(sys.argv[1]):
    code = subprocess.call(command, stdin=subprocess.DEVNULL)
    if code:
        sys.exit(code if code > 0 else 1)
"""
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"


def make_container_env(
    engine: str,
    image: str,
    spec: EnvSpec,
    lock: Lock,
    store: Store,
    *,
    offline: bool,
    progress: Progress,
    log: Path | None = None,
    allow_weaker: bool = False,
) -> str:
    """Return the path, inside containers, of an interpreter that has exactly the packages of ``lock``.

    The environment is made unless it is in the store.

    Raises:
        EngineUnavailable, EngineLimit, EngineLost: the engine cannot do it.
        NetworkFailed, IntegrityFailed, EnvFailed: the packages cannot be had or installed.
    """
    facts = image_facts(engine, image, store=store)
    target = _target(store, lock, facts.id)
    if not store.verified(target):
        # Made before the mount is, else the engine would make it, as root.
        with host_errors(store.container_root, ELSEWHERE):
            store.uv_cache.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
        with Session(engine) as session, _lock_file(lock) as lock_file:
            maker = _Maker(session, facts, spec, lock, lock_file, store, offline, progress, log, allow_weaker)
            store.create_once(target, maker.build, waiting=maker.wait)
    store.used(target)
    return f"{STORE}/envs/{target.name}/bin/python"


def container_env_exists(spec: EnvSpec, lock: Lock, store: Store, image: str, engine: str) -> bool:
    """Return whether :func:`make_container_env` would have nothing to do; ``spec`` is in the lock already."""
    del spec
    try:
        return store.verified(_target(store, lock, image_id(engine, image)))
    except DnnboxError:
        return False


def _target(store: Store, lock: Lock, identity: str) -> Path:
    """Return where the environment is: its Python and its C library are the image's, so the image is in the name."""
    return store.container_root / "envs" / f"{lock.sha256}-{identity.removeprefix('sha256:')[:12]}"


@contextmanager
def _lock_file(lock: Lock) -> Iterator[Path]:
    with scratch() as folder:
        path = folder / "lock.txt"
        path.write_text(lock.text, "utf-8")
        path.chmod(0o644)
        yield path


@dataclass(frozen=True)
class _Maker:
    """Makes one environment in a folder of the store that is renamed afterwards."""

    session: Session
    facts: ImageFacts
    spec: EnvSpec
    lock: Lock
    lock_file: Path
    store: Store
    offline: bool
    progress: Progress
    log: Path | None
    allow_weaker: bool = False

    def wait(self) -> None:
        self.progress.note("another dnnbox makes the same environment; waiting for it")

    def build(self, folder: Path) -> None:
        """From the cache alone first: faster, without network, and right whenever everything is there."""
        missing = sum(not package.cached for package in self.lock.packages)
        count = len(self.lock.packages)
        if self.offline or not missing:
            self.progress.advance("environment", 0, None, f"installing {count} packages from the cache")
            try:
                return self._install(folder)
            except NetworkFailed:
                if self.offline:
                    raise
        self.progress.advance("environment", 0, None, f"fetching {count} packages")
        self._fetch(folder.parent)
        self.progress.advance("environment", 0, None, f"installing {count} packages without network")
        return self._install(folder)

    def _fetch(self, envs: Path) -> None:
        """Fill the cache with network, by installing into a folder that is thrown away."""
        with scratch(envs) as thrown_away:
            thrown_away.chmod(0o755)
            self._run(thrown_away, self._network(), offline=False)

    def _install(self, folder: Path) -> None:
        folder.chmod(0o755)  # the jobs run as somebody else
        self._run(folder, "none", offline=True)
        integrity.vouch(folder, self._compiled(folder))

    def _compiled(self, folder: Path) -> dict[str, str]:
        """Link what was compiled before; the image's Python compiles the rest, without network. Return the sums."""
        site = folder / "lib" / f"python{self.facts.version}" / "site-packages"
        maker = f"-{self.facts.id.removeprefix('sha256:')[:12]}"
        code = Bytecode(site, self.lock, self.store, self.facts.version, maker)
        if missing := code.link():
            self.progress.advance("environment", 0, None, f"compiling {len(missing)} Python files, once")
            inside = f"{STORE}/envs/{folder.name}"
            names = folder / ".compile.txt"
            place = f"{inside}/lib/python{self.facts.version}/site-packages"
            names.write_text("".join(f"{place}/{name}\n" for name in missing), "utf-8")
            command = compile_argv(self.facts.python, f"{inside}/{names.name}")
            mounts = [Mount(str(self.store.container_root.absolute()), STORE, writable=True)]
            path = {"PATH": ENVIRONMENT["PATH"]}
            self._start([_DRIVER, json.dumps([command])], "none", path, mounts, _TIMEOUT_S)
            names.unlink()
        code.keep()
        return {f"{site.relative_to(folder).as_posix()}/{name}": digest for name, digest in code.sums.items()}

    def _run(self, folder: Path, network: str, *, offline: bool) -> None:
        inside = f"{STORE}/envs/{folder.name}"
        sync = uv.sync_argv(_LOCK, f"{inside}/bin/python", compile_bytecode=False, uv=_UV)
        commands = [uv.venv_argv(inside, self.facts.python, uv=_UV), sync]
        passed = uv.for_container(self.spec.indexes, offline=offline, cache_dir=f"{STORE}/uv")
        mounts = [
            Mount(str(self.store.container_root.absolute()), STORE, writable=True),
            Mount(os.path.realpath(uv.binary()), _UV),
            Mount(str(self.lock_file), _LOCK),
            *passed.mounts,
        ]
        ended = self._start([_DRIVER, json.dumps(commands)], network, dict(passed.environ), mounts, _TIMEOUT_S)
        done = Completed(ended.exit_code, ended.stdout, ended.stderr, ended.wall_s, ended.timed_out, ended.spawned_ns)
        uv.log_transcript(self.log or self.store.log_dir / f"environment-{folder.name[:12]}.log", sync, done)
        if ended.timed_out:
            raise NetworkFailed(f"installing took longer than {_TIMEOUT_S / 60:g} minutes", phase="environment")
        if ended.exit_code != 0:
            what = f"cannot make the container's environment of {len(self.lock.packages)} packages"
            raise uv.failure(ended.stderr, what, offline=self.offline)

    def _network(self) -> str:
        """Return the engine's own network where it leads to the index or its proxy, else the host's.

        A proxy on this machine, a VPN, or an engine without forwarding is only reached from the host's network.
        Nothing but uv runs in it.
        """
        host, port = _first_hop(self.spec.indexes)
        if host in ("localhost", "127.0.0.1", "::1"):
            return "host"
        path = {"PATH": ENVIRONMENT["PATH"]}  # Podman would set one of its own
        try:
            ended = self._start([_CONNECT, host, str(port), str(_CONNECT_S)], "bridge", path, [], 10 * _CONNECT_S)
        except EngineUnavailable:  # a rootless engine that may not open /dev/net/tun has no network of its own
            return "host"
        return "bridge" if ended.exit_code == 0 else "host"

    def _start(
        self,
        arguments: Sequence[str],
        network: str,
        environment: dict[str, str],
        mounts: Sequence[Mount],
        timeout_s: float,
    ) -> Ended:
        facts = self.store.container_root.stat()
        wanted = Wanted(
            image=self.facts.id,
            command=(self.facts.python, "-I", "-c", *arguments),
            # Whoever owns the store writes to it; where that is root, it is a root without any capability.
            user="0:0" if self.session.engine.rootless else f"{facts.st_uid}:{facts.st_gid}",
            environment=environment,
            mounts=tuple(mounts),
            limits=Limits(default_memory_bytes(), file_bytes=64 << 30, allow_weaker=self.allow_weaker),
            labels=owner.labels(),
            network=network,
            working_dir="/tmp",  # noqa: S108 — the container's own
            dropped=image_variables(self.session, self.facts.id),
        )
        return self.session.run(wanted, timeout_s=timeout_s)


def _first_hop(indexes: Indexes) -> tuple[str, int]:
    """Return host and port that a fetch connects to first: the proxy, else the index."""
    passed = uv.for_container(indexes, offline=False, cache_dir="").environ
    proxy = passed.get("HTTPS_PROXY") or passed.get("ALL_PROXY") or ""
    parts = urlsplit(proxy or passed.get("UV_DEFAULT_INDEX") or "https://pypi.org")
    return parts.hostname or "pypi.org", parts.port or (443 if parts.scheme == "https" else 80)
