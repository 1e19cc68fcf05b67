"""pyproject.toml and uv.lock: `uv sync --frozen` makes the environment."""

from __future__ import annotations

from collections.abc import Iterator

from dnnbox.environments.exports.base import (
    PROJECT,
    WHEELS,
    Material,
    head,
    index_urls,
    marker,
    quoted,
    quoted_list,
    without_credentials,
)
from dnnbox.errors import Internal


def files(material: Material) -> dict[str, str]:
    """Return pyproject.toml and uv's own lock of it."""
    if not material.uv_lock:
        raise Internal("uv.lock was not made", phase="export")
    return {"pyproject.toml": project(material), "uv.lock": head(material) + material.uv_lock}


def project(material: Material) -> str:
    """Return the project that uv locks: what is required, with every locked version as a constraint."""
    return "\n".join(_lines(material)) + "\n"


def _lines(material: Material) -> Iterator[str]:
    spec = material.spec
    pins = [f"{package.name}=={package.version}" for package in material.lock.packages]
    here = quoted(marker(spec.platform))
    yield head(material, "uv sync --frozen").rstrip()
    yield "[project]"
    yield f"name = {quoted(PROJECT)}"
    yield f"description = {quoted(f'The environment of {material.title}')}"
    yield 'version = "0"'
    yield f"requires-python = {quoted(f'=={spec.python}.*')}"
    yield f"dependencies = {quoted_list(spec.requirements)}"
    yield "\n[tool.uv]"
    yield "package = false"
    yield "no-build = true"
    yield f"environments = [{here}]"
    yield f"required-environments = [{here}]"
    yield f"constraint-dependencies = {quoted_list(pins)}"
    if places := _find_links(material):
        yield f"find-links = {quoted_list(places)}"
    yield from _indexes(material)


def _find_links(material: Material) -> list[str]:
    remote = [place for place in material.spec.indexes.find_links if place.startswith(("https://", "http://"))]
    return [*([WHEELS] if material.provided else []), *map(without_credentials, remote)]


def _indexes(material: Material) -> Iterator[str]:
    """Yield the indexes; one that only some packages come from is explicit, so that it serves nothing else."""
    default, further = index_urls(material)
    pinned = {name: without_credentials(url) for name, url in sorted(material.spec.indexes.pinned.items())}
    for number, url in enumerate(further):
        explicit = "\nexplicit = true" if url in pinned.values() else ""
        yield f'\n[[tool.uv.index]]\nname = "index-{number}"\nurl = {quoted(url)}{explicit}'
    if default:
        yield f'\n[[tool.uv.index]]\nname = "default"\nurl = {quoted(default)}\ndefault = true'
    locked = {package.name for package in material.lock.packages}
    sources = {name: further.index(url) for name, url in pinned.items() if url in further and name in locked}
    if sources:
        yield "\n[tool.uv.sources]"
        yield from (f'{quoted(name)} = {{ index = "index-{number}" }}' for name, number in sources.items())
