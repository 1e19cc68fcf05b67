"""pylock.toml, the lock file of PEP 751. Source: https://peps.python.org/pep-0751/ (final, 2025-03)."""

from __future__ import annotations

from dnnbox.environments.exports.base import Material, Package, Wheel, head, marker, quoted


def files(material: Material) -> dict[str, str]:
    """Return pylock.toml."""
    lines = [
        head(material, "uv pip sync pylock.toml").rstrip(),
        'lock-version = "1.0"',
        'created-by = "dnnbox"',
        f"requires-python = {quoted(f'=={material.spec.python}.*')}",
        f"environments = [{quoted(marker(material.spec.platform))}]",
        *(_package(package) for package in material.packages),
    ]
    return {"pylock.toml": "\n".join(lines) + "\n"}


def _package(package: Package) -> str:
    wheels = "".join(f"    {_wheel(wheel)},\n" for wheel in package.wheels)
    return f"\n[[packages]]\nname = {quoted(package.name)}\nversion = {quoted(package.version)}\nwheels = [\n{wheels}]"


def _wheel(wheel: Wheel) -> str:
    place = f"url = {quoted(wheel.url)}" if wheel.url else f"path = {quoted(wheel.place)}"
    size = "" if wheel.size_bytes is None else f"size = {wheel.size_bytes}, "
    return f"{{ name = {quoted(wheel.file)}, {place}, {size}hashes = {{ sha256 = {quoted(wheel.sha256)} }} }}"
