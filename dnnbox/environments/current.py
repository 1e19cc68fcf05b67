"""The user's own environment: what it lacks, and adding that to it, after consent, undone when it fails."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dnnbox import catalog, process, uv
from dnnbox.bytecode import compile_all_argv
from dnnbox.environments.locking import write_project
from dnnbox.errors import EnvFailed, NetworkFailed
from dnnbox.files import write_atomic
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import EnvSpec, Workspace
from dnnbox.scratch import scratch

_TIMEOUT_S = 3600.0


def installed(python: Path) -> dict[str, str]:
    """Return the distributions of an environment, normalised name to version, read from its files.

    The interpreter is run (isolated) only where its packages do not lie in the usual folder.
    """
    found: dict[str, str] = {}
    for folder in _site_packages(python):
        try:
            names = [path.name for path in folder.iterdir()]
        except OSError:
            continue
        for name in names:
            if match := re.fullmatch(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info", name):
                found.setdefault(_normal(match[1]), match[2])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _site_packages(python: Path) -> tuple[Path, ...]:
    prefix = python.parent.parent
    usual = tuple(sorted(prefix.glob("lib*/python3*/site-packages")))
    config = prefix / "pyvenv.cfg"
    alone = config.is_file() and "include-system-site-packages = true" not in config.read_text("utf-8", "replace")
    if usual and (alone or (prefix / "conda-meta").is_dir()):
        return usual
    code = "import json, sys; print(json.dumps([p for p in sys.path if p]))"
    ended = process.run([str(python), "-I", "-c", code], timeout_s=30)
    if ended.returncode != 0:
        raise EnvFailed("the interpreter of the current environment does not run", phase="plan")
    return tuple(Path(place) for place in json.loads(ended.stdout))


def missing(dependencies: Dependencies, python: Path) -> tuple[Requirement, ...]:
    """Return the requirements that the environment of ``python`` lacks or has in a version that does not fit."""
    there = installed(python)
    return tuple(requirement for requirement in dependencies.requirements if not _is_met(requirement, there))


def _is_met(requirement: Requirement, there: Mapping[str, str]) -> bool:
    name = _normal(requirement.name.partition("[")[0])
    version = next((there[n] for n in (name, *catalog.alternatives(name)) if n in there), None)
    if version is None or not requirement.specifier:
        return version is not None
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(requirement.specifier).contains(version, prereleases=True)


def install_current(
    workspace: Workspace,
    dependencies: Dependencies,
    spec: EnvSpec,
    record_dir: Path,
    *,
    offline: bool,
    cache_dir: Path | None = None,
    log: Path | None = None,
) -> None:
    """Add what is missing to the workspace's own environment; only after consent.

    What was there before and after is written to ``record_dir`` (environment-before.txt, environment-after.txt).
    If anything fails, Ctrl-C included, the environment is put back to what it was.

    Raises:
        EnvFailed, NetworkFailed, IntegrityFailed: it could not be done; the environment is as before.
    """
    python = Path(workspace.current_python)
    if workspace.managers[:1] == ("pixi",):
        from dnnbox.environments.pixi import add_to_manifest

        lacking = missing(dependencies, python) if workspace.current_python else dependencies.requirements
        return add_to_manifest(workspace, lacking, record_dir, offline=offline, log=log)
    return _install_with_uv(python, dependencies, spec, record_dir, offline, cache_dir, log)


def _install_with_uv(
    python: Path,
    dependencies: Dependencies,
    spec: EnvSpec,
    record_dir: Path,
    offline: bool,
    cache_dir: Path | None,
    log: Path | None,
) -> None:
    before = installed(python)
    _write_freeze(record_dir / "environment-before.txt", before)
    lines = tuple(sorted(requirement.line() for requirement in missing(dependencies, python)))
    environ = uv.environ(spec.indexes, offline=offline, cache_dir=cache_dir)
    # Across file systems a hardlink cannot be had; the user's environment may lie anywhere.
    environ.pop("UV_LINK_MODE", None)
    try:
        with scratch() as folder:
            _run_install(python, spec, lines, folder, environ, offline, log)
    except BaseException:
        _put_back(python, before, environ, log)
        raise
    finally:
        _write_freeze(record_dir / "environment-after.txt", installed(python))


def _run_install(
    python: Path,
    spec: EnvSpec,
    lines: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    offline: bool,
    log: Path | None,
) -> None:
    write_project(replace(spec, requirements=tuple(lines)), folder)
    argv = uv.install_argv(folder, python)
    ended = process.run(argv, timeout_s=_TIMEOUT_S, env=environ, cwd=folder)
    uv.log_transcript(log, argv, ended)
    if ended.timed_out:
        raise NetworkFailed(f"installing took longer than {_TIMEOUT_S / 60:g} minutes", phase="environment")
    if ended.returncode != 0:
        raise uv.failure(ended.stderr, f"cannot install {', '.join(lines)}", offline=offline)
    # The box sees the environment read-only and would compile it at every start. What does not compile does no harm.
    for site in _site_packages(python)[:1]:
        process.run(compile_all_argv(python, site), timeout_s=_TIMEOUT_S)


def _write_freeze(path: Path, packages: Mapping[str, str]) -> None:
    write_atomic(path, "".join(f"{name}=={version}\n" for name, version in sorted(packages.items())))


def _put_back(python: Path, before: Mapping[str, str], environ: Mapping[str, str], log: Path | None) -> None:
    """Remove what was added, and bring back the versions that were there; a failure is said in the log only.

    The first error is the one that the user must see.
    """
    now = installed(python)
    added = sorted(now.keys() - before.keys())
    changed = sorted(f"{name}=={version}" for name, version in before.items() if now.get(name) != version)
    for argv in uv.put_back_argvs(added, changed, python):
        uv.log_transcript(log, argv, process.run(argv, timeout_s=_TIMEOUT_S, env=dict(environ)))
