"""Dependencies and a workspace → EnvSpec: the same description for a venv and for a container."""

from __future__ import annotations

import os
import platform as host
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from dnnbox import catalog, process, uv
from dnnbox.environments.configured import indexes_of, refuse_missing
from dnnbox.environments.torch_build import local_wheels, wanted_build, with_torch
from dnnbox.errors import EnvFailed
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.environment import Accelerator, EnvSpec, Indexes, Workspace

_NEWEST_SUPPORTED = (3, 13)
"""Newer Pythons lack wheels of most frameworks for some months."""

_OLDEST_SUPPORTED = 7
"""Of Python 3, by the harness."""


def plan(
    dependencies: Dependencies,
    workspace: Workspace,
    *,
    box: str,
    device: Accelerator,
    python: str | None = None,
    platform: str | None = None,
) -> EnvSpec:
    """Return what to make.

    ``python`` and ``platform`` are those of the place where it will run, where that is known already (a container's
    image, the current environment); else an interpreter of this machine is chosen.

    Raises:
        EnvFailed: a requirement would leave the indexes, or no interpreter fits.
    """
    spec = catalog.runtime(dependencies.runtime)
    # Acceleration has no use, and often no wheel, where there is nothing to accelerate with.
    wanted = [r.line() for r in dependencies.requirements if r.group != "acceleration" or device != "cpu"]
    lines = tuple(sorted(set(_replaced(wanted, spec.replace.get(device, {})))))
    platform = platform or platform_of_host()
    indexes = indexes_of(workspace)
    refuse_missing(indexes)
    for line in (*lines, *indexes.constraints):
        _refuse_direct(line)
    needs_torch = spec.torch_family or any(_name(line) in ("torch", "torchvision", "torchaudio") for line in lines)
    python = python or python_for(
        dependencies, indexes=indexes, accelerator=device, platform=platform, needs_torch=needs_torch,
        is_installed=box != "pixi",
    )  # fmt: skip
    if needs_torch:
        indexes = with_torch(indexes, accelerator=device, python=python, platform=platform, requirements=lines)
    image = _base_image(workspace, spec.base_images, device) if box in ("docker", "podman") else ""
    return EnvSpec(dependencies.runtime, lines, python, platform, device, indexes, image, spec.system_packages)


def _replaced(lines: Iterable[str], names: Mapping[str, str]) -> Iterable[str]:
    """Exchange the names that have another distribution for this accelerator; the specifier stays."""
    for line in lines:
        name = _name(line)
        yield names[name] + line[len(name) :] if name in names else line


def _name(line: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", line)
    return match[0] if match else ""


_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w.,\s-]+\])?\s*((===?|~=|!=|[<>]=?)\s*[\w.*+!]+\s*(,\s*|$))*")
"""A name with versions and nothing else: told without the package `packaging`, whose import is felt on every run."""


def _refuse_direct(line: str) -> None:
    """Only names on an index: a URL, a path or an option could run code or bring anything."""
    if _PLAIN.fullmatch(line):
        return
    from packaging.requirements import InvalidRequirement, Requirement

    from dnnbox.text import redact, visible

    try:
        direct = Requirement(line).url is not None
    except InvalidRequirement:
        direct = True
    if direct:
        raise EnvFailed(
            f"the requirement `{visible(redact(line), 100)}` is not a name on an index; refused",
            hint="put the package on an index or in a find-links folder and require it by name and version",
            phase="plan",
        )


def _base_image(workspace: Workspace, known: Mapping[str, str], device: Accelerator) -> str:
    configured = workspace.settings.get("base-images")
    images = {**known, **(configured if isinstance(configured, dict) else {})}
    return str(images.get(device) or images.get("cpu", ""))


def python_for(
    dependencies: Dependencies,
    *,
    indexes: Indexes | None = None,
    accelerator: Accelerator = "cpu",
    platform: str = "",
    needs_torch: bool = True,
    is_installed: bool = True,
) -> str:
    """Return the Python to use on this machine, as "3.11"; not ``is_installed``: a conda channel will bring it.

    The Python that runs dnnbox is taken if it fits. Where torch's wheel of the right build lies in a find-links folder
    for other Pythons only, one of those that is installed is preferred.

    Raises:
        EnvFailed: no interpreter on this machine is in the range.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    newest, oldest = _NEWEST_SUPPORTED[1], _OLDEST_SUPPORTED
    candidates = dict.fromkeys((running, *(f"3.{minor}" for minor in range(newest, oldest - 1, -1))))
    fitting = [version for version in candidates if _in_range(version, dependencies.python)]
    if needs_torch and indexes is not None:
        build, _ = wanted_build(accelerator)
        with_wheel = {w.python for w in local_wheels(indexes, platform or platform_of_host()) if w.build == build}
        fitting.sort(key=lambda version: version not in with_wheel)
    for version in fitting:
        if not is_installed or interpreter(version) is not None:
            return version
    raise EnvFailed(
        f"no Python {dependencies.python} is installed on this machine",
        hint="install one (`uv python install 3.11`) or use a container",
        phase="plan",
    )


def older_pythons(version: str, *, is_installed: bool = True) -> Iterator[str]:
    """Yield the older versions that the harness runs on, the newest first: of this machine's interpreters, or all."""
    for minor in range(int(version.partition(".")[2]) - 1, _OLDEST_SUPPORTED - 1, -1):
        if not is_installed or interpreter(f"3.{minor}") is not None:
            yield f"3.{minor}"


def _in_range(version: str, specifier: str) -> bool:
    if least := re.fullmatch(r">=\s*3\.(\d+)", specifier):
        return int(version.partition(".")[2]) >= int(least[1])
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(f"{version}.99")


@lru_cache(maxsize=32)
def interpreter(version: str) -> Path | None:
    """Return an interpreter of this machine for "3.11", else None. The one below dnnbox's own venv comes first."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        if base.exists():
            return base
    ended = process.run(uv.find_argv(version), timeout_s=60, env=uv.environ(Indexes(), offline=True))
    path = Path(ended.stdout.strip().splitlines()[-1]) if ended.returncode == 0 and ended.stdout.strip() else None
    return path if path is not None and path.exists() else _of_pyenv(version)


def _of_pyenv(version: str) -> Path | None:
    """Return pyenv's newest interpreter of a version: uv does not look for those that no shim is set to."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [path for path in root.glob(f"{version}.*/bin/python{version}") if os.access(path, os.X_OK)]
    return max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.parent.name)], default=None)


def python_version(python: Path) -> str:
    """Return an interpreter's version as "3.11", from its environment's files where they tell it."""
    for file, pattern in (
        (python.parent.parent / "pyvenv.cfg", r"^version(?:_info)?\s*=\s*(\d+\.\d+)"),
        (python.parent.parent / "conda-meta" / "history", r"::python-(\d+\.\d+)\."),
    ):
        try:
            found = re.findall(pattern, file.read_text("utf-8", "replace"), re.MULTILINE)
        except OSError:
            continue
        if found:
            return str(found[-1])
    return _asked_version(python)


def _asked_version(python: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    ended = process.run([str(python), "-I", "-c", code], timeout_s=30)
    if ended.returncode != 0:
        raise EnvFailed(f"the interpreter {python.name} of the environment does not run", phase="plan")
    return ended.stdout.strip()


def platform_of_host() -> str:
    """Return uv's name of this machine's platform.

    On Linux the least common glibc that current wheels are built for, so that a venv here and a container get the same
    lock; the real one only where this machine is older.
    """
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(host.machine().lower(), host.machine().lower())
    if sys.platform == "darwin":
        return f"{machine}-apple-darwin"
    if sys.platform == "win32":
        return f"{machine}-pc-windows-msvc"
    glibc = _glibc_minor()
    if glibc is None:
        return f"{machine}-unknown-linux-musl"
    return f"{machine}-manylinux_2_28" if glibc >= 28 else f"{machine}-manylinux_2_17"


def _glibc_minor() -> int | None:
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return None
    match = re.fullmatch(r"glibc 2\.(\d+)", name)
    return int(match[1]) if match else None
