"""pixi.toml and pixi.lock: Python from a conda channel, everything else from the same wheels as every other format.

Source of the lock's layout: https://pixi.sh/latest/workspace/lockfile/ (version 6; read with py-rattler 0.28 in tests).
"""

from __future__ import annotations

from collections.abc import Iterator

from dnnbox.environments.exports.base import (
    PROJECT,
    WHEELS,
    Material,
    Package,
    conda_platform,
    head,
    index_urls,
    quoted,
    quoted_list,
)
from dnnbox.errors import Internal
from dnnbox.records.environment import CondaPackage, CondaSolution

_PYPI = "https://pypi.org/simple"


def files(material: Material) -> dict[str, str]:
    """Return pixi.toml and pixi.lock."""
    solution = solved(material)
    text = solution.pixi_lock or lock(material, solution)
    return {"pixi.toml": manifest(material, solution.channels), "pixi.lock": head(material) + text}


def solved(material: Material) -> CondaSolution:
    """Return the conda part, which the caller must have solved."""
    if material.conda is None:
        raise Internal("the conda channels were not solved", phase="export")
    return material.conda


def manifest(material: Material, channels: tuple[str, ...]) -> str:
    """Return pixi.toml."""
    spec = material.spec
    default, further = index_urls(material)
    lines = [
        head(material, "pixi install --frozen").rstrip(),
        "[workspace]",
        f"name = {quoted(PROJECT)}",
        'version = "0"',
        f"channels = {quoted_list(channels)}",
        f"platforms = [{quoted(conda_platform(spec.platform))}]",
        "\n[dependencies]",
        f"python = {quoted(f'{spec.python}.*')}",
        'pip = "*"',
        "\n[pypi-options]",
        "no-build = true",
        *([f"index-url = {quoted(default)}"] if default else []),
        *([f"extra-index-urls = {quoted_list(further)}"] if further else []),
        *([f"find-links = [{{ path = {quoted('./' + WHEELS)} }}]"] if material.provided else []),
        "\n[pypi-dependencies]",
        *(f"{quoted(p.name)} = {quoted('==' + p.version)}" for p in material.lock.packages),
    ]
    return "\n".join(lines) + "\n"


def lock(material: Material, solution: CondaSolution) -> str:
    """Return pixi.lock without its head."""
    return "\n".join(_lock(material, solution)) + "\n"


def _lock(material: Material, solution: CondaSolution) -> Iterator[str]:
    default, further = index_urls(material)
    yield "version: 6"
    yield "environments:\n  default:\n    channels:"
    yield from (f"    - url: {_channel(name)}" for name in solution.channels)
    yield "    indexes:"
    yield from (f"    - {url}" for url in (default or _PYPI, *further))
    if material.provided:
        yield f"    find-links:\n    - path: ./{WHEELS}"
    yield f"    packages:\n      {conda_platform(material.spec.platform)}:"
    yield from (f"      - conda: {package.url}" for package in solution.packages)
    yield from (f"      - pypi: {_place(package)}" for package in material.packages)
    yield "packages:"
    for package in solution.packages:
        yield from _conda(package)
    for locked in material.packages:
        yield from _pypi(material, locked)


def _channel(name: str) -> str:
    known = name.startswith(("https://", "http://", "./"))
    return name if known else f"https://conda.anaconda.org/{name}/"


def _place(package: Package) -> str:
    wheel = package.wheels[0]
    return wheel.url or f"./{wheel.place}"


def _conda(package: CondaPackage) -> Iterator[str]:
    yield f"- conda: {package.url}"
    if not package.url.startswith(("https://", "http://")):  # what the file's name tells is not read from a path
        yield f"  name: {package.name}\n  version: {quoted(package.version)}\n  build: {quoted(package.build)}"
        yield f"  subdir: {package.subdir}"
    yield f"  sha256: {quoted(package.sha256)}\n  md5: {quoted(package.md5)}"
    if package.depends:
        yield "  depends:"
        yield from (f"  - {quoted(each)}" for each in package.depends)
    if package.size_bytes is not None:
        yield f"  size: {package.size_bytes}"


def _pypi(material: Material, package: Package) -> Iterator[str]:
    yield f"- pypi: {_place(package)}"
    yield f"  name: {package.name}\n  version: {quoted(package.version)}\n  sha256: {quoted(package.wheels[0].sha256)}"
    if package.requires:
        yield "  requires_dist:"
        yield from (f"  - {name}" for name in package.requires)
    yield f"  requires_python: {quoted(f'=={material.spec.python}.*')}"
