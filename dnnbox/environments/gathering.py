"""What the exports need beyond spec and lock: uv's own lock with the place of every wheel, and the conda packages."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dnnbox import process, uv
from dnnbox.environments import conda, pixi
from dnnbox.environments.exports import uv_project
from dnnbox.environments.exports.base import WHEELS, Material, Package, Wheel, without_credentials
from dnnbox.environments.planning import interpreter
from dnnbox.errors import EnvFailed, IntegrityFailed, NetworkFailed
from dnnbox.records.environment import EnvSpec, Lock
from dnnbox.scratch import scratch
from dnnbox.store import Store

_TIMEOUT_S = 600.0


def gather(
    spec: EnvSpec,
    lock: Lock,
    store: Store,
    *,
    title: str,
    imports: Sequence[str],
    base_image: str,
    offline: bool,
    python: Path | None = None,
) -> Material:
    """Return the material of all formats that need no conda channel; ``python`` is one of this version, if not found.

    uv locks a project that holds every version of ``lock``; what it answers must be the same wheels.

    Raises:
        NetworkFailed: the index was not reached.
        IntegrityFailed: the index no longer has the wheels that were locked.
        EnvFailed: uv found no solution, or a file would name a place of this machine.
    """
    provided = tuple(provided_wheels(spec, lock))
    draft = drafted(spec, lock, provided, title=title, imports=imports, base_image=base_image)
    with scratch() as project:
        (project / WHEELS).mkdir()
        for path, _ in provided:
            (project / WHEELS / path.name).symlink_to(path)
        (project / "pyproject.toml").write_text(uv_project.project(draft), "utf-8")
        locked = _locked(spec, project, store, python or interpreter(spec.python), offline=offline)
    text = "".join(_kept_lines(locked, lock, {path.name: digest for path, digest in provided}))
    return replace(draft, packages=_packages(tomllib.loads(text), lock), uv_lock=_public(text))


def with_conda(
    material: Material, channels: Sequence[str], store: Store, *, only_pixi: bool, offline: bool
) -> Material:
    """Return the material with Python from the conda channels: by pixi where that is enough, else by py-rattler.

    Raises:
        NetworkFailed, EnvFailed, Unsupported: as :func:`conda.solve`.
    """
    program = pixi.binary()
    if only_pixi and program is not None:
        wheels = [path for path, _ in provided_wheels(material.spec, material.lock)]
        return replace(material, conda=conda.locked_by_pixi(program, material, channels, wheels))
    solution = conda.solve(material.spec, channels, store, offline=offline)
    return replace(material, conda=solution)


def provided_wheels(spec: EnvSpec, lock: Lock) -> Iterator[tuple[Path, str]]:
    """Yield the wheels of the lock that lie in a find-links folder, with their sha256."""
    known = {digest for package in lock.packages for digest in package.sha256}
    names = {f"{package.name.replace('-', '_')}-{package.version}-" for package in lock.packages}
    seen: set[str] = set()
    for folder in uv.local_folders(spec.indexes):
        for path in sorted(folder.glob("*.whl")):
            name = path.name
            if name not in seen and any(name.lower().startswith(start) for start in names):
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest in known:
                    seen.add(name)
                    yield path.resolve(), digest


def drafted(
    spec: EnvSpec,
    lock: Lock,
    provided: Sequence[tuple[Path, str]],
    *,
    title: str,
    imports: Sequence[str],
    base_image: str,
) -> Material:
    """Return material that knows of packages only their names: enough for a project, a Dockerfile and requirements.

    Nobody is asked, so that the same lock gives the same material everywhere.
    """
    packages = tuple(Package(path.name, "", (Wheel(path.name, "", digest),)) for path, digest in provided)
    return Material(title, spec, lock, packages, tuple(imports), base_image=base_image)


def _locked(spec: EnvSpec, project: Path, store: Store, python: Path | None, *, offline: bool) -> str:
    if python is None:
        raise EnvFailed(
            f"uv needs a Python {spec.python} on this machine to lock for it",
            hint=f"`uv python install {spec.python}`, or another with `--python`",
            phase="export",
        )
    environ = uv.environ(replace(spec.indexes, find_links=()), offline=offline, cache_dir=store.uv_cache)
    # The versions are decided, and what the user configured is in the project: no other file has a say.
    for name in ("UV_EXCLUDE_NEWER", "UV_CONFIG_FILE", "UV_NO_CONFIG"):
        environ.pop(name, None)
    environ["XDG_CONFIG_HOME"] = str(project)
    argv = uv.lock_argv(project, python)
    ended = process.run(argv, timeout_s=_TIMEOUT_S, env=environ, cwd=project)
    if ended.timed_out:
        raise NetworkFailed(f"uv gave no answer within {_TIMEOUT_S:g} s", phase="export")
    if ended.returncode != 0:
        error = uv.failure(ended.stderr, "cannot lock the exported project", offline=offline)
        error.phase = "export"
        raise error
    return (project / "uv.lock").read_text("utf-8")


_WHEEL = re.compile(r"^ {4}\{ (?:url|path) = \"([^\"]+)\"(.*)\},?$")


def _kept_lines(text: str, lock: Lock, provided: Mapping[str, str]) -> Iterator[str]:
    """Yield uv.lock without source archives and without wheels that are not in the lock; local wheels get a hash."""
    known = {digest for package in lock.packages for digest in package.sha256}
    for line in text.splitlines(keepends=True):
        if line.startswith("sdist = "):
            continue
        found = _WHEEL.match(line.rstrip("\n"))
        if found is None:
            yield line
        elif (digest := provided.get(found[1])) is not None:
            yield f'    {{ path = "{found[1]}", hash = "sha256:{digest}" }},\n'
        elif (hashed := re.search(r'hash = "sha256:([0-9a-f]{64})"', found[2])) and hashed[1] in known:
            yield line


def _public(text: str) -> str:
    """Refuse a lock that would name a folder of this machine, such as an index that is one."""
    if "file://" in text or re.search(r'= "/', text):
        raise EnvFailed(
            "uv.lock would name a folder of this machine",
            hint="use a find-links folder instead of an index that is a folder",
            phase="export",
        )
    return text


def _packages(document: Mapping[str, Any], lock: Lock) -> tuple[Package, ...]:
    """Return the packages of the lock with the places of their wheels; every one must be there."""
    entries = {(str(e["name"]), str(e.get("version", ""))): e for e in document.get("package", ())}
    found = []
    for locked in lock.packages:
        entry = entries.get((locked.name, locked.version), {})
        wheels = sorted(map(_wheel, entry.get("wheels", ())), key=_preference)
        if not wheels:
            raise IntegrityFailed(
                f"{locked.name} {locked.version} of the lock is not on the index any more",
                hint="`--refresh` resolves anew",
                phase="export",
            )
        requires = sorted({str(each["name"]) for each in entry.get("dependencies", ())})
        found.append(Package(locked.name, locked.version, tuple(wheels), tuple(requires)))
    return tuple(found)


def _preference(wheel: Wheel) -> tuple[bool, str]:
    """Order wheels as installers do: one for the platform before one for all."""
    return wheel.file.endswith("-any.whl"), wheel.file


def _wheel(entry: Mapping[str, Any]) -> Wheel:
    digest = str(entry["hash"]).removeprefix("sha256:")
    size = entry.get("size")
    size_bytes = size if isinstance(size, int) else None
    if "path" in entry:
        return Wheel(str(entry["path"]), "", digest, size_bytes)
    url = without_credentials(str(entry["url"]))
    return Wheel(unquote(urlsplit(url).path).rpartition("/")[2], url, digest, size_bytes)
