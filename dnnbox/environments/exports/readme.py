"""The README.md of an exported folder: what it is, what must be provided, one command per format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnnbox.environments.exports.base import MADE_BY, WHEELS, Material
from dnnbox.text import markdown

_INSTALLED = "python -m venv .venv && .venv/bin/python -m pip install --require-hashes --no-deps -r requirements.txt"
_HOW = {
    "uv": ("pyproject.toml, uv.lock", "uv sync --frozen", ".venv/bin/python"),
    "requirements": ("requirements.txt", _INSTALLED, ".venv/bin/python"),
    "pylock": (
        "pylock.toml",
        "uv venv --python {python} && uv pip sync --require-hashes pylock.toml",
        ".venv/bin/python",
    ),
    "dockerfile": (
        "Dockerfile, requirements.txt",
        "docker build -t NAME .",
        "docker run --rm --network none NAME python",
    ),
    "pixi": ("pixi.toml, pixi.lock", "pixi install --frozen", "pixi run --frozen python"),
    "conda-lock": ("conda-lock.yml, environment.yml", "conda-lock install -n NAME", "conda run -n NAME python"),
}


def text(material: Material, formats: Iterable[str]) -> str:
    """Return README.md."""
    return "\n".join(_lines(material, tuple(formats))) + "\n"


def _lines(material: Material, formats: tuple[str, ...]) -> Iterator[str]:
    spec, lock = material.spec, material.lock
    yield f"<!-- {MADE_BY}: it may be replaced. -->"
    yield f"# The environment of {markdown(material.title)}\n"
    place = f"Python {spec.python} on {spec.platform} ({spec.accelerator})"
    yield f"{len(lock.packages)} packages for {place}, each with its sha256."
    yield f"Every format below installs the same wheels. Lock: `{lock.sha256}`.\n"
    yield from _provided(material)
    yield "Each of these makes the environment; the second line shows that it is whole.\n"
    for name in formats:
        if name in _HOW:
            what, command, python = _HOW[name]
            yield f"## {what}\n"
            yield f"```sh\n{command.format(python=spec.python)}\n{python} -c '{material.smoke}'\n```\n"
    if "dockerfile" in formats:
        yield from _docker(material)
    yield "## Requirements\n"
    yield from (f"* `{line}`" for line in spec.requirements)


def _provided(material: Material) -> Iterator[str]:
    """Yield what the receiver must bring along."""
    if material.provided:
        yield f"First: these wheels are on no package index. Put them into `{WHEELS}/` beside this file:\n"
        yield from (f"* `{wheel.file}`, sha256 `{wheel.sha256}`" for wheel in material.provided)
        yield ""
    for name in material.conda.channels if material.conda else ():
        if name.startswith("./"):
            yield f"The conda channel `{name}` was a folder: put a copy of it beside this file.\n"


def _docker(material: Material) -> Iterator[str]:
    yield "The build needs the package index, and nothing from this folder but what its `.dockerignore` lets through."
    yield "Another base image with the same Python: `--build-arg BASE_IMAGE=NAME`. Behind a TLS proxy: put"
    yield "its certificates beside the Dockerfile as `ca-bundle.pem`; `--network host` where only the host gets out."
    if material.spec.accelerator == "cuda":
        yield "\nRun it with `--gpus all`; the driver is the host's."
    yield ""
