"""EnvSpec → Lock: every package with version and hash, resolved once and remembered by the question."""

from __future__ import annotations

import hashlib
import json
import os
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dnnbox import catalog, codec, process, uv
from dnnbox.environments.torch_build import CONFIGURED
from dnnbox.errors import DnnboxError, EnvFailed, NetworkFailed
from dnnbox.events import Progress
from dnnbox.files import host_errors, write_atomic
from dnnbox.records.environment import EnvSpec, Lock, LockedPackage
from dnnbox.scratch import scratch
from dnnbox.store import ELSEWHERE, Store

MAX_AGE_S = 7 * 86400
"""Older locks are resolved anew where the network is there, so that "latest" stays true."""

_KEY_VERSION = 2  # raised when the same question would be answered differently
_TIMEOUT_S = 600.0


def resolve(
    spec: EnvSpec,
    store: Store,
    *,
    offline: bool,
    refresh: bool = False,
    progress: Progress,
    log: Path | None = None,
) -> Lock:
    """Return the lock of ``spec``, from the store where it was resolved less than a week ago.

    ``offline`` never touches the network and takes a lock of any age. ``refresh`` resolves anew. ``log`` gets the
    resolver's transcript.

    Raises:
        NetworkFailed: an index was not reached and there is no lock from before.
        EnvFailed: there is no solution, or not with wheels only.
    """
    file = store.lock_dir / f"{question_key(spec)}.json"
    known = _read(file, store)
    if known is not None and not refresh and (offline or _age_s(file) < MAX_AGE_S):
        return known
    try:
        lock = _resolved(spec, store, offline=offline, refresh=refresh, patient=known is None, log=log)
    except NetworkFailed as error:
        if known is None:
            raise
        progress.note(
            f"the index was not reached; using the versions resolved on {known.resolved_utc[:10]} ({error.what})"
        )
        return known
    write_atomic(file, codec.dumps(replace(lock, packages=tuple(replace(p, cached=False) for p in lock.packages))))
    return replace(lock, packages=_with_cached(lock.packages, store))


def question_key(spec: EnvSpec) -> str:
    """Return the key of everything that the answer depends on, but for what lies on the indexes."""
    indexes = spec.indexes
    question = {
        "version": _KEY_VERSION,
        "requirements": spec.requirements,
        "python": spec.python,
        "platform": spec.platform,
        "indexes": (indexes.default, indexes.extra, dict(sorted(indexes.pinned.items())), indexes.constraints),
        "find_links": indexes.find_links,
        "wheels": [_listing(folder) for folder in uv.local_folders(indexes)],
        "variables": {n: v for n, v in sorted(os.environ.items()) if n in ("UV_EXCLUDE_NEWER", "UV_PRERELEASE")},
    }
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:40]


def _listing(folder: Path) -> list[tuple[str, int]]:
    with os.scandir(folder) as found:
        return sorted((entry.name, entry.stat().st_size) for entry in found if entry.name.endswith(".whl"))


def _age_s(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return float("inf")


def _read(file: Path, store: Store) -> Lock | None:
    try:
        lock = codec.loads(Lock, file.read_text("utf-8"))
    except (OSError, codec.CodecError):
        return None  # not there, or of another version of dnnbox: resolved anew
    return replace(lock, packages=_with_cached(lock.packages, store), from_cache=True)


def _with_cached(packages: tuple[LockedPackage, ...], store: Store) -> tuple[LockedPackage, ...]:
    return tuple(replace(p, cached=any(map(store.was_fetched, p.sha256))) for p in packages)


def _resolved(spec: EnvSpec, store: Store, *, offline: bool, refresh: bool, patient: bool, log: Path | None) -> Lock:
    with _project(store) as project:
        output = project / "pylock.toml"
        write_project(spec, project)
        argv = uv.compile_argv(project, output, python=spec.python, platform=spec.platform, upgrade=refresh)
        environ = uv.environ(spec.indexes, offline=offline, cache_dir=store.uv_cache)
        if not patient:  # there is an older lock to go on with
            environ.setdefault("UV_HTTP_RETRIES", "0")
        ended = process.run(argv, timeout_s=_TIMEOUT_S, env=environ, cwd=project)
        uv.log_transcript(log, argv, ended)
        if ended.timed_out:
            raise NetworkFailed(f"the resolver gave no answer within {_TIMEOUT_S:g} s", phase="resolve")
        if ended.returncode != 0:
            raise _explained(uv.failure(ended.stderr, _what(spec), offline=offline), spec, offline=offline)
        return _checked(lock_of(spec, tomllib.loads(output.read_text("utf-8"))), spec)


@contextmanager
def _project(store: Store) -> Iterator[Path]:
    """Yield an empty folder beside the locks: uv looks for configuration above a project, and the store holds none."""
    with host_errors(store.lock_dir, ELSEWHERE):
        store.lock_dir.mkdir(parents=True, exist_ok=True)
        with scratch(store.lock_dir) as folder:
            yield folder


def _what(spec: EnvSpec) -> str:
    return f"cannot resolve {', '.join(spec.requirements)} for Python {spec.python}"


def _explained(error: DnnboxError, spec: EnvSpec, *, offline: bool) -> DnnboxError:
    """Say more where the network failed for a machine that needs torch's own index."""
    error.phase = "resolve"
    advice = catalog.runtime(spec.runtime).no_wheel
    if isinstance(error, EnvFailed) and advice and "usable wheels" in error.what:
        error.hint = advice
    pinned = next((url for url in spec.indexes.pinned.values() if url.startswith("https://download.pytorch.org/")), "")
    if isinstance(error, NetworkFailed) and pinned and not offline:
        build = pinned.rstrip("/").rpartition("/")[2]
        error.hint = (
            f"torch's {build} build is never left to chance: name a mirror of that index in `indexes`, "
            "or a folder with the wheel in `find-links`"
        )
    return error


def write_project(spec: EnvSpec, folder: Path) -> None:
    """Write the project that uv resolves: requirements, constraints and the index of each pinned package."""
    urls = tuple(dict.fromkeys(spec.indexes.pinned.values()))
    lines = [
        "[project]",
        'name = "dnnbox-environment"',
        'version = "0"',
        f'requires-python = "=={spec.python}.*"',
        f"dependencies = {json.dumps(list(spec.requirements))}",
    ]
    for number, url in enumerate(urls):
        lines += ["[[tool.uv.index]]", f'name = "pinned-{number}"', f"url = {json.dumps(url)}", "explicit = true"]
    if urls:
        lines.append("[tool.uv.sources]")
        pinned = spec.indexes.pinned.items()
        lines += [f'{json.dumps(name)} = {{ index = "pinned-{urls.index(url)}" }}' for name, url in pinned]
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in spec.indexes.constraints), "utf-8")


def lock_of(spec: EnvSpec, pylock: Mapping[str, Any]) -> Lock:
    """Return the lock of a resolved PEP 751 file: names, versions and hashes; no URL and no path goes in.

    Raises:
        EnvFailed: a package comes from elsewhere than a wheel of an index or find-links folder.
    """
    entries = sorted(pylock.get("packages", ()), key=lambda entry: str(entry["name"]))
    packages = tuple(_package(entry) for entry in entries)
    text = "".join((*_origins(spec, packages), *_lines(packages)))
    digest = hashlib.sha256(f"{text}\n{spec.python}\n{spec.platform}\n".encode()).hexdigest()
    return Lock(text, digest, packages, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _origins(spec: EnvSpec, packages: tuple[LockedPackage, ...]) -> Iterator[str]:
    """Yield as comments which index the packages are from that were not left to the general ones: torch's build."""
    from dnnbox.environments.exports.base import without_credentials

    names = {package.name for package in packages}
    for name, url in sorted(spec.indexes.pinned.items()):
        if name in names:
            yield f"# {name} from {without_credentials(url)}\n"


def _lines(packages: tuple[LockedPackage, ...]) -> Iterator[str]:
    for package in packages:
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in package.sha256)
        yield f"{package.name}=={package.version}{hashes}\n"


def _package(entry: Mapping[str, Any]) -> LockedPackage:
    name, wheels = str(entry["name"]), entry.get("wheels", ())
    hashes = tuple(str(wheel.get("hashes", {}).get("sha256", "")) for wheel in wheels)
    if not wheels or not all(hashes):
        raise EnvFailed(f"{name} has no wheel with a sha256", hint="only hashed wheels are installed", phase="resolve")
    # More than one wheel fits (a universal one beside the platform's): the first is the preferred one.
    return LockedPackage(name, str(entry["version"]), _size_bytes(wheels[0]), tuple(sorted(hashes)))


def _size_bytes(wheel: Mapping[str, Any]) -> int | None:
    """Return the size of a wheel to fetch: 0 for one on this machine, None where the index does not tell."""
    size, parts = wheel.get("size"), urlsplit(str(wheel.get("url", "")))
    if "path" in wheel or (parts.scheme == "file" and Path(unquote(parts.path)).is_file()):
        return 0
    return size if isinstance(size, int) else None


def _checked(lock: Lock, spec: EnvSpec) -> Lock:
    """Refuse a CUDA build of torch for a CPU, whatever the resolver made of the configuration."""
    if spec.accelerator != "cpu" or "linux" not in spec.platform:
        return lock
    torch = next((p for p in lock.packages if p.name == "torch"), None)
    cuda = [p.name for p in lock.packages if p.name.startswith(("nvidia-cu", "nvidia-cublas", "cuda-toolkit"))]
    if torch is None or not cuda or any(reason.startswith(CONFIGURED) for reason in spec.indexes.reasons):
        return lock
    raise EnvFailed(
        f"torch {torch.version} would bring CUDA ({cuda[0]} …) to a machine whose device is the CPU",
        hint="constrain torch to a +cpu build, or name its index in `indexes`",
        phase="resolve",
    )
