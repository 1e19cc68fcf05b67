"""A user's pixi project: packages go into its manifest, comments and order kept, then by pixi itself; never past it."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnbox import process, uv
from dnnbox.environments.configured import read_toml
from dnnbox.environments.exports.base import without_credentials
from dnnbox.errors import DnnboxError, EnvFailed, NetworkFailed
from dnnbox.files import write_atomic
from dnnbox.records.dependencies import Requirement
from dnnbox.records.environment import EnvSpec, Workspace
from dnnbox.text import redact, visible

_TIMEOUT_S = 3600.0


def binary() -> Path | None:
    """Return pixi's executable, else None."""
    found = shutil.which("pixi") or shutil.which("pixi", path=str(Path.home() / ".pixi" / "bin"))
    return Path(found) if found else None


def channels(workspace: Workspace) -> tuple[str, ...]:
    """Return the channels of the workspace's pixi manifest, () where there is none."""
    if not workspace.manifest:
        return ()
    table = read_toml(Path(workspace.manifest))
    if Path(workspace.manifest).name != "pixi.toml":
        table = table.get("tool", {}).get("pixi", {})
    named = table.get("workspace", table.get("project", {})).get("channels", ())
    found = (entry.get("channel", "") if isinstance(entry, dict) else entry for entry in named)
    return tuple(str(name) for name in found if name)


def python_of(workspace: Workspace, environment: str = "default") -> Path:
    """Return where the interpreter of one of the project's environments is, or will be."""
    return Path(workspace.manifest).parent / ".pixi" / "envs" / environment / "bin" / "python"


def feature_name(title: str) -> str:
    """Return the name of the feature and the environment for a model, as pixi allows it."""
    return f"dnnbox-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')[:40] or 'model'}"


def add_to_manifest(
    workspace: Workspace,
    requirements: Sequence[Requirement],
    record_dir: Path,
    *,
    offline: bool = False,
    log: Path | None = None,
) -> None:
    """Add PyPI requirements to the project's own dependencies and let pixi install.

    Raises:
        EnvFailed: pixi is not there (the error says what to run), or could not install; nothing is changed then.
    """
    quoted = " ".join(f'"{requirement.line()}"' for requirement in requirements)
    program = _program(f"install pixi and run `pixi add --pypi {quoted}`, or use `--box venv`")
    manifest = Path(workspace.manifest)
    text = with_requirements(manifest.read_text("utf-8"), manifest.name, requirements)
    argv = [str(program), "install", "--manifest-path", str(manifest)]
    _change(manifest, text, argv, record_dir, ", ".join(r.line() for r in requirements), offline, log)


def add_feature(
    workspace: Workspace, name: str, spec: EnvSpec, record_dir: Path, *, offline: bool = False, log: Path | None = None
) -> Path:  # fmt: skip
    """Add a feature and an environment of that name to the project's manifest, install it, return its interpreter.

    The project's own environments stay as they are: the new one has none of their features.

    Raises:
        EnvFailed: pixi is not there, or could not install; nothing is changed then.
    """
    program = _program("install pixi, or `--box pixi --deps new` for an environment outside the project")
    manifest = Path(workspace.manifest)
    text = with_feature(manifest.read_text("utf-8"), manifest.name, name, spec)
    argv = [str(program), "install", "--manifest-path", str(manifest), "--environment", name]
    _change(manifest, text, argv, record_dir, ", ".join(spec.requirements), offline, log)
    return python_of(workspace, name)


def has_feature(workspace: Workspace, name: str, spec: EnvSpec) -> bool:
    """Tell whether :func:`add_feature` would have nothing to do."""
    manifest = Path(workspace.manifest)
    if not os.access(python_of(workspace, name), os.X_OK):
        return False
    before = manifest.read_text("utf-8")
    return tomllib.loads(before) == tomllib.loads(with_feature(before, manifest.name, name, spec))


def _program(hint: str) -> Path:
    program = binary()
    if program is None:
        raise EnvFailed("this project is managed by pixi, and pixi is not on PATH", hint=hint, phase="environment")
    return program


def _change(
    manifest: Path, text: str, argv: list[str], record_dir: Path, names: str, offline: bool, log: Path | None
) -> None:  # fmt: skip
    """Write the manifest and run pixi; manifest and lock are put back if that fails, and pixi told so."""
    lock = manifest.parent / "pixi.lock"
    saved = {path: path.read_bytes() if path.exists() else None for path in (manifest, lock)}
    _keep(record_dir, saved, "before")
    environ = uv.unreachable() if offline else None
    try:
        write_atomic(manifest, text)
        ended = process.run(argv, timeout_s=_TIMEOUT_S, env=environ)
        uv.log_transcript(log, argv, ended)
        if ended.returncode != 0:
            raise _failed(ended, names, offline)
    except BaseException:
        _restore(saved)
        _reinstall(argv, saved[lock], environ, log)
        raise
    _keep(record_dir, {path: path.read_bytes() if path.exists() else None for path in saved}, "after")


def _failed(ended: process.Completed, names: str, offline: bool) -> DnnboxError:
    """Return the error for pixi's words; the last line that is none of its drawings or hints says why."""
    if ended.timed_out:
        return NetworkFailed(f"pixi took longer than {_TIMEOUT_S / 60:g} minutes for {names}", phase="environment")
    lines = [line.strip(" \t×│├╰─▶·") for line in ended.stderr.splitlines()]
    last = next((line for line in reversed(lines) if line and not line.startswith("help:")), "no reason given")
    what = f"pixi could not install {names}: {visible(redact(last), 200)}"
    if not uv.is_network(ended.stderr):
        return EnvFailed(what, hint="the log holds all that it said", phase="environment")
    hint = "run once without `--offline`" if offline else "check network, proxy, channels and indexes"
    return NetworkFailed(what, hint=hint, phase="environment")


def _reinstall(argv: list[str], lock: bytes | None, environ: Mapping[str, str] | None, log: Path | None) -> None:
    """Have pixi make the project's environment what its old lock says again; where there was no lock, none was made."""
    if lock is not None and "--environment" not in argv:
        frozen = [*argv, "--frozen"]
        uv.log_transcript(log, frozen, process.run(frozen, timeout_s=_TIMEOUT_S, env=environ))


def with_requirements(manifest: str, name: str, requirements: Sequence[Requirement]) -> str:
    """Return the manifest's text with the requirements in its pypi-dependencies; everything else stays as it is."""
    import tomlkit

    document = tomlkit.parse(manifest)
    table: Any = document
    for key in _root(name):
        table = table[key]
    if "pypi-dependencies" not in table:
        table["pypi-dependencies"] = tomlkit.table()
    for line in (requirement.line() for requirement in requirements):
        name, value = _entry(line, {})
        table["pypi-dependencies"][name] = value
    return tomlkit.dumps(document)


def with_feature(manifest: str, name: str, feature: str, spec: EnvSpec) -> str:
    """Return the manifest's text with a feature and an environment that has nothing else; the rest stays as it is."""
    import tomlkit

    document = tomlkit.parse(manifest)
    table: Any = document
    for key in _root(name):
        table = table[key]
    own = tomlkit.table()
    own["dependencies"] = {"python": f"{spec.python}.*"}
    own["pypi-dependencies"] = dict(_entry(line, spec.indexes.pinned) for line in spec.requirements)
    for key in ("feature", "environments"):
        if key not in table:
            table[key] = tomlkit.table(is_super_table=key == "feature")
    table["feature"][feature] = own
    environment = tomlkit.inline_table()
    environment.update({"features": [feature], "no-default-feature": True})
    table["environments"][feature] = environment
    return tomlkit.dumps(document)


def _entry(line: str, pinned: Mapping[str, str]) -> tuple[str, Any]:
    """Return a requirement as pixi writes it: a version, or a table where extras or an index belong to it."""
    import tomlkit
    from packaging.requirements import Requirement as Parsed

    parsed = Parsed(line)
    version = str(parsed.specifier) or "*"
    more: dict[str, Any] = {"extras": sorted(parsed.extras)} if parsed.extras else {}
    if url := pinned.get(parsed.name):
        more["index"] = without_credentials(url)
    if not more:
        return parsed.name, version
    entry = tomlkit.inline_table()
    entry.update({"version": version, **more})
    return parsed.name, entry


def _root(name: str) -> tuple[str, ...]:
    """Return the keys that lead to pixi's part of a manifest."""
    return () if name == "pixi.toml" else ("tool", "pixi")


def _keep(record_dir: Path, contents: dict[Path, bytes | None], when: str) -> None:
    for path, data in contents.items():
        if data is not None:
            write_atomic(record_dir / f"{path.stem}-{when}{path.suffix}", data)


def _restore(contents: dict[Path, bytes | None]) -> None:
    for path, data in contents.items():
        if data is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)
