"""What every export is made from. A format is a pure function: Material → {relative path: text}.

The same material gives the same bytes: nothing here depends on the time, the machine or the order of a dictionary.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from dnnbox.errors import Unsupported
from dnnbox.records.environment import CondaSolution, EnvSpec, Lock

MADE_BY = "Made by `dnnbox env`"
"""Stands in the first line of every file, so that only our own files are ever replaced."""

PROJECT = "dnnbox-environment"
WHEELS = "wheels"
"""Folder beside the exported files for wheels that are on no index and must be provided."""

_SYSTEMS = {"linux": ("linux", "linux"), "manylinux": ("linux", "linux"), "apple": ("darwin", "osx")}
_CONDA_MACHINES = {"x86_64": "64", "aarch64": "aarch64"}


@dataclass(frozen=True)
class Wheel:
    """One wheel file of the lock. ``url`` is "" for one that is on no index; ``size_bytes`` None where not told."""

    file: str
    url: str
    sha256: str
    size_bytes: int | None = None

    @property
    def place(self) -> str:
        """Where an installer finds it: its URL, else a path relative to the exported folder."""
        return self.url or f"{WHEELS}/{self.file}"


@dataclass(frozen=True)
class Package:
    """A locked package with the wheels that fit; ``requires`` are names of packages of the same lock."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Material:
    """Everything that the formats are made from. ``imports`` are the modules of the smoke test."""

    title: str
    spec: EnvSpec
    lock: Lock
    packages: tuple[Package, ...]
    imports: tuple[str, ...] = ()
    uv_lock: str = ""
    base_image: str = ""
    conda: CondaSolution | None = field(default=None)

    @property
    def provided(self) -> tuple[Wheel, ...]:
        """Wheels that no index has: whoever realises the export puts them into ``wheels/``."""
        return tuple(wheel for package in self.packages for wheel in package.wheels if not wheel.url)

    @property
    def smoke(self) -> str:
        """The shortest program that shows that the environment is whole."""
        return f"import {', '.join(self.imports or ('sys',))}"


class Export(Protocol):
    """One format."""

    def __call__(self, material: Material) -> Mapping[str, str]:
        """Return the files of the format by relative path."""


def head(material: Material, *lines: str) -> str:
    """Return the comment that begins a file: what made it, from which lock, and how to use it."""
    spec = material.spec
    first = (
        f"{MADE_BY} from lock {material.lock.sha256[:12]}: Python {spec.python}, {spec.platform}, {spec.accelerator}."
    )
    return "".join(f"# {line}\n" for line in (first, *lines))


def quoted(text: str) -> str:
    """Return a string as TOML and YAML both read it."""
    return json.dumps(text)


def quoted_list(texts: Iterable[str]) -> str:
    """Return a list of strings over several lines, as TOML reads it."""
    inner = "".join(f"    {quoted(text)},\n" for text in texts)
    return f"[\n{inner}]" if inner else "[]"


def without_credentials(url: str) -> str:
    """Return a URL without user, password, query and fragment: an export is given to others."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def index_urls(material: Material) -> tuple[str, tuple[str, ...]]:
    """Return (default index or "", further ones): those on the network only, without credentials."""
    indexes = material.spec.indexes
    further = dict.fromkeys(without_credentials(url) for url in (*indexes.pinned.values(), *indexes.extra))
    default = without_credentials(indexes.default) if indexes.default else ""
    return (default if _remote(default) else ""), tuple(url for url in further if _remote(url))


def _remote(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def marker(platform: str) -> str:
    """Return the environment marker of uv's platform name: "sys_platform == 'linux' and …"."""
    machine, system, _ = _parts(platform)
    if system == "win32":
        machine = {"x86_64": "AMD64", "aarch64": "ARM64"}.get(machine, machine)
    if system == "darwin":
        machine = {"aarch64": "arm64"}.get(machine, machine)
    return f"sys_platform == '{system}' and platform_machine == '{machine}'"


def conda_platform(platform: str) -> str:
    """Return conda's name of a platform, such as linux-64.

    Raises:
        Unsupported: conda has none.
    """
    machine, _, system = _parts(platform)
    if "musl" in platform or machine not in _CONDA_MACHINES:
        raise Unsupported(f"conda has no packages for {platform}", phase="export")
    return f"{system}-arm64" if (system, machine) == ("osx", "aarch64") else f"{system}-{_CONDA_MACHINES[machine]}"


def _parts(platform: str) -> tuple[str, str, str]:
    """Return (machine, sys_platform, conda's system)."""
    machine, _, rest = platform.partition("-")
    if "windows" in rest:
        return machine, "win32", "win"
    system, conda = next((names for key, names in _SYSTEMS.items() if rest.startswith(key)), ("linux", "linux"))
    return machine, system, conda
