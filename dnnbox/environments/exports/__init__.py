"""Lock → files that others realise without dnnbox: one module per format, each a pure function."""

from __future__ import annotations

from collections.abc import Iterable

from dnnbox.environments.exports import readme
from dnnbox.environments.exports.base import Export, Material
from dnnbox.registry import Registry

FORMATS: Registry[Export] = Registry(
    "export",
    {
        "uv": "dnnbox.environments.exports.uv_project:files",
        "requirements": "dnnbox.environments.exports.requirements:files",
        "pylock": "dnnbox.environments.exports.pylock:files",
        "dockerfile": "dnnbox.environments.exports.dockerfile:files",
        "pixi": "dnnbox.environments.exports.pixi:files",
        "conda-lock": "dnnbox.environments.exports.conda_lock:files",
    },
)

DEFAULT = ("uv", "requirements", "pylock", "dockerfile")
"""Written when nobody says which: all that need nothing but the package index."""

WITH_CONDA = ("pixi", "conda-lock")
"""Formats whose Python comes from a conda channel, which must be reachable."""


def render(material: Material, formats: Iterable[str]) -> dict[str, str]:
    """Return all files of the formats and the README.md that says how each is realised."""
    wanted = tuple(dict.fromkeys(formats))
    files: dict[str, str] = {}
    for name in wanted:
        files.update(FORMATS.get(name)(material))
    files["README.md"] = readme.text(material, wanted)
    return dict(sorted(files.items()))
