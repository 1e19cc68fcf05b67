"""Arrows 5 and 6, plan and realise: what a box is made of, and the box that was made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BoxKind = Literal["current", "venv", "pixi", "docker", "podman"]
Accelerator = Literal["cpu", "cuda", "rocm", "mps"]
Packages = Literal["new", "current", "feature"]
"""Where packages go: an environment of dnnbox's own, the user's, or one more in the user's pixi manifest."""


@dataclass(frozen=True)
class Indexes:
    """Where packages may come from, as configured by the user or by the workspace.

    Resolver variables and configuration files of the user are in here already; ``default`` "" means PyPI.
    ``pinned`` maps a package to the one index URL it must come from (for torch's builds).
    URLs may hold credentials: never print or store one except through text.redact().
    """

    default: str = ""
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()  # requirement lines
    reasons: tuple[str, ...] = ()  # why torch's build is the one it is, one sentence each
    ca_bundle: str = ""  # host path of a file of trusted certificates, "" = as the environment says


@dataclass(frozen=True)
class EnvSpec:
    """What to make: the same for every box. ``requirements`` are sorted lines; ``python`` is "3.11".

    ``platform`` is uv's name (x86_64-manylinux_2_28); ``base_image`` is for container boxes only.
    ``system_packages`` are the distribution's packages that wheels need and do not carry.
    """

    runtime: str
    requirements: tuple[str, ...]
    python: str
    platform: str
    accelerator: Accelerator = "cpu"
    indexes: Indexes = field(default_factory=Indexes)
    base_image: str = ""
    system_packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockedPackage:
    """One package of a lock. ``size_bytes`` is the download, None where the index does not tell."""

    name: str
    version: str
    size_bytes: int | None = None
    sha256: tuple[str, ...] = ()
    cached: bool = False


@dataclass(frozen=True)
class Lock:
    """A resolved EnvSpec. ``text`` is a requirements file with hashes; ``sha256`` is over text, Python and platform.

    ``resolved_utc`` tells how old a lock from the cache is.
    """

    text: str
    sha256: str
    packages: tuple[LockedPackage, ...]
    resolved_utc: str
    from_cache: bool = False

    @property
    def download_bytes(self) -> int:
        """Bytes still to be fetched, where known."""
        return sum(p.size_bytes or 0 for p in self.packages if not p.cached)


@dataclass(frozen=True)
class CondaPackage:
    """One package of a conda channel. ``url`` is relative ("./channel/…") for a channel on this machine."""

    name: str
    version: str
    build: str
    subdir: str
    url: str
    sha256: str
    md5: str
    size_bytes: int | None = None
    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class CondaSolution:
    """Python and what it needs from conda channels. ``pixi_lock`` is pixi's own file where pixi made it, else ""."""

    channels: tuple[str, ...]
    packages: tuple[CondaPackage, ...]
    pixi_lock: str = ""

    @property
    def sha256(self) -> str:
        """Over the packages' own hashes: equal for the same packages, wherever they come from."""
        return hashlib.sha256("".join(sorted(p.sha256 for p in self.packages)).encode()).hexdigest()


@dataclass(frozen=True)
class Workspace:
    """The user's project around the working directory, and how its environment is managed.

    ``managers`` in order of preference: pixi, venv, conda; two of them = the user must say which is current.
    ``current_python`` is the interpreter of that environment, or "".
    """

    root: str
    managers: tuple[str, ...] = ()
    current_python: str = ""
    manifest: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # [tool.dnnbox] / dnnbox.toml
    pythons: Mapping[str, str] = field(default_factory=dict)  # manager -> its interpreter, "" where not installed yet


@dataclass(frozen=True)
class Limits:
    """What a box may use. Bytes; ``cpus`` is a cpuset list ("0,1") or "" for all.

    ``allow_weaker``: the user accepts that an engine cannot enforce some of these.
    """

    memory_bytes: int
    pids: int = 4096
    shm_bytes: int = 1 << 30
    file_bytes: int = 4 << 30
    output_bytes: int = 4 << 30
    output_files: int = 2000
    log_bytes: int = 32 << 20
    cpus: str = ""
    allow_weaker: bool = False


@dataclass(frozen=True)
class Mount:
    """A host path and where the box sees it. Everything is read-only but the run directory."""

    host: str
    inside: str
    writable: bool = False


@dataclass(frozen=True)
class Attempt:
    """One try to make the environment."""

    what: str  # latest | pins | …
    ok: bool
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class EnvironmentRecord:
    """What the box was: saved as ``outputs/environment.json``. No host path, no URL with credentials."""

    schema: str = "dnnbox.environment/1"
    box: str = ""
    reason: str = ""  # why this box
    sandbox: str = ""  # bubblewrap | container | none, with the reason for none
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    conda_packages: Mapping[str, str] = field(default_factory=dict)  # name -> version, of a new pixi environment
    lock_sha256: str = ""
    lock_resolved_utc: str = ""
    base_image: str = ""
    base_image_digest: str = ""
    engine: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # limits and isolation as the engine reports them
    indexes: tuple[str, ...] = ()  # redacted
    attempts: tuple[Attempt, ...] = ()
