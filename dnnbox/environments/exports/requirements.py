"""requirements.txt with hashes, for pip and `uv pip`."""

from __future__ import annotations

from collections.abc import Iterator

from dnnbox.environments.exports.base import WHEELS, Material, head, index_urls


def files(material: Material) -> dict[str, str]:
    """Return requirements.txt."""
    return {"requirements.txt": text(material)}


def text(material: Material) -> str:
    """Return every package with version and hashes; options that only say where wheels may come from."""
    usage = "pip install --require-hashes --no-deps -r requirements.txt"
    return head(material, usage) + "".join(f"{line}\n" for line in _options(material)) + material.lock.text


def _options(material: Material) -> Iterator[str]:
    default, further = index_urls(material)
    yield "--only-binary :all:"
    if default:
        yield f"--index-url {default}"
    yield from (f"--extra-index-url {url}" for url in further)
    for wheel in material.provided:
        yield f"# on no index: put {wheel.file} (sha256 {wheel.sha256}) into {WHEELS}/"
    if material.provided:
        yield f"--find-links {WHEELS}"
