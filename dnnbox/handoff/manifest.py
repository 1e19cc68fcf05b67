"""What a bundle says of itself: every member with its sha256, the environment, and the outputs that are expected."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dnnbox import codec
from dnnbox.errors import Corrupt
from dnnbox.records.environment import Lock, LockedPackage

ROOT = "dnnbox-bundle"
"""The one folder in a bundle."""

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
REQUIREMENTS = "environment/requirements.txt"
SCHEMA = "dnnbox.bundle/1"

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)"
    r"(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Member:
    """One file of a bundle."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Expected:
    """One output tensor: ``path`` is the array's file in the bundle, "" where it was not kept.

    A value may be ``atol + rtol * abs(value)`` away; 0 for whole numbers.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    path: str = ""
    rtol: float = 0.0
    atol: float = 0.0


@dataclass(frozen=True)
class Environment:
    """What must be rebuilt. ``packages`` is what the box said it had."""

    runtime: str
    python: str  # 3.11
    platform: str  # uv's name
    accelerator: str
    requirements: tuple[str, ...]
    lock_sha256: str
    packages: Mapping[str, str] = field(default_factory=dict)
    box: str = "venv"
    base_image: str = ""


@dataclass(frozen=True)
class Manifest:
    """``manifest.json``. ``weights`` is where the checkpoint lies in the bundle, "" where only its hash is known."""

    experiment: str
    checkpoint: str
    checkpoint_kind: str
    checkpoint_sha256: str
    environment: Environment
    outputs: tuple[Expected, ...]
    members: Mapping[str, Member]
    weights: str = ""
    dnnbox_version: str = ""
    created_utc: str = ""
    command: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    schema: str = SCHEMA


def digest_of(text: str) -> str:
    """Return the hash that a bundle is known by: that of its manifest, which has the hash of everything else."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(text: str) -> Manifest:
    """Return the manifest of a bundle.

    Raises:
        Corrupt: it is none, or one of another version.
    """
    try:
        manifest = codec.loads(Manifest, text)
    except (codec.CodecError, ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"the bundle's {MANIFEST} is not readable: {error}", phase="replay") from error
    if manifest.schema != SCHEMA:
        raise Corrupt(f"the bundle is of schema {manifest.schema}, known is {SCHEMA}", phase="replay")
    return manifest


def lock_of(text: str, python: str, platform: str) -> Lock:
    """Return the lock in a requirements file: pins with hashes and nothing else; comments and options are not its.

    Raises:
        Corrupt: a line that is no pin.
    """
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(("#", "--")))
    packages = tuple(_packages(body))
    lines = "".join(
        f"{p.name}=={p.version}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in p.sha256) + "\n"
        for p in packages
    )
    if lines != body or not packages:
        raise Corrupt("a line of the bundle's lock is no pinned package with hashes", phase="replay")
    return Lock(body, lock_digest(body, python, platform), packages, "")


def _packages(body: str) -> Iterator[LockedPackage]:
    for match in _PIN.finditer(body):
        hashes = re.findall(r"sha256:([0-9a-f]{64})", match["hashes"])
        yield LockedPackage(match["name"], match["version"], None, tuple(hashes))


def lock_digest(text: str, python: str, platform: str) -> str:
    """Return the hash that environments are keyed by."""
    return hashlib.sha256(f"{text}\n{python}\n{platform}\n".encode()).hexdigest()


_TOLERANCES: dict[str, tuple[float, float]] = {
    "fp32": (1e-4, 1e-5),
    "fp16": (1e-2, 1e-3),
    "bf16": (2e-2, 1e-2),
}


def tolerance(precision: str, array: Mapping[str, Any]) -> tuple[float, float]:
    """Return (rtol, atol) for an output: by the precision that was effective, and by the size of its values.

    Kernels for another processor sum in another order; whole numbers leave no room for that.
    """
    if not str(array.get("dtype", "")).startswith(("float", "complex", "bfloat")):
        return 0.0, 0.0
    relative, absolute = _TOLERANCES.get(precision, _TOLERANCES["fp32"])
    ends = [abs(value) for key in ("minimum", "maximum") if isinstance(value := array.get(key), int | float)]
    return relative, absolute * (max(ends, default=1.0) or 1.0)
