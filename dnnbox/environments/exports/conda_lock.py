"""conda-lock.yml and environment.yml, the unified lock of conda-lock.

Source of the layout: conda-lock 4.0, conda_lock/lockfile/v1/models.py, which reads our file in the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dnnbox.environments.exports.base import Material, conda_platform, head, quoted
from dnnbox.environments.exports.pixi import solved
from dnnbox.records.environment import CondaSolution


def files(material: Material) -> dict[str, str]:
    """Return conda-lock.yml and the environment.yml that it is the lock of."""
    solution = solved(material)
    source = environment(material, solution)
    lock = "\n".join(_lock(material, solution, source)) + "\n"
    return {"environment.yml": source, "conda-lock.yml": head(material, "conda-lock install -n NAME") + lock}


def environment(material: Material, solution: CondaSolution) -> str:
    """Return environment.yml: Python and pip from the channels, every locked version from the index."""
    pins = (f"    - {package.name}=={package.version}" for package in material.lock.packages)
    channels = (f"  - {name}" for name in solution.channels)
    python = f"  - python {material.spec.python}.*"
    return head(material) + "\n".join(
        [
            "name: dnnbox-environment",
            *("channels:", *channels),
            f"platforms:\n  - {conda_platform(material.spec.platform)}",
            *("dependencies:", python, "  - pip", "  - pip:", *pins),
            "",
        ]
    )


def _lock(material: Material, solution: CondaSolution, source: str) -> Iterator[str]:
    platform = conda_platform(material.spec.platform)
    yield "version: 1"
    yield f"metadata:\n  content_hash:\n    {platform}: {hashlib.sha256(source.encode()).hexdigest()}"
    yield "  channels:"
    yield from (f"  - url: {name}\n    used_env_vars: []" for name in solution.channels)
    yield f"  platforms:\n  - {platform}\n  sources:\n  - environment.yml"
    yield "package:"
    for package in solution.packages:
        needed = dict(_dependency(each) for each in package.depends)
        yield from _entry("conda", package.name, package.version, platform, needed)
        yield from _origin(package.url, package.sha256, package.md5)
    for locked in material.packages:
        wheel = locked.wheels[0]
        yield from _entry("pip", locked.name, locked.version, platform, dict.fromkeys(locked.requires, "*"))
        yield from _origin(wheel.place, wheel.sha256, "")


def _dependency(match_spec: str) -> tuple[str, str]:
    name, _, rest = match_spec.partition(" ")
    return name, rest


def _entry(manager: str, name: str, version: str, platform: str, needed: dict[str, str]) -> Iterator[str]:
    yield f"- name: {name}\n  version: {quoted(version)}\n  manager: {manager}\n  platform: {platform}"
    yield "  dependencies:" if needed else "  dependencies: {}"
    yield from (f"    {key}: {quoted(value)}" for key, value in sorted(needed.items()))


def _origin(url: str, sha256: str, md5: str) -> Iterator[str]:
    yield f"  url: {url}\n  hash:"
    if md5:
        yield f"    md5: {quoted(md5)}"
    yield f"    sha256: {quoted(sha256)}\n  category: main\n  optional: false"
