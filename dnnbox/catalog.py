"""The catalogue: what each runtime needs, read from ``envs/*.toml``; it decides nothing about a particular checkpoint.

The files lie at the repository's root and are shipped in the wheel as ``dnnbox/_data``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from dnnbox.errors import Internal, Usage
from dnnbox.records.dependencies import Group, Requirement
from dnnbox.records.evidence import Evidence

IMPORT_NAMES = "import_names"
_TABLES = (IMPORT_NAMES, "version_bounds")


@dataclass(frozen=True)
class Fact:
    """Something that the catalogue relies on; ``checked`` is the ISO day on which it was true."""

    text: str
    source: str
    checked: str


@dataclass(frozen=True)
class RuntimeSpec:
    """One runtime. ``requirements`` are for a CPU; ``replace`` exchanges names by accelerator.

    ``torch_family``: torch's build must be chosen. ``imports`` are the modules of a smoke test. ``base_images`` by
    accelerator; ``system_packages`` are the distribution's packages that the wheels need and do not carry.
    ``devices`` are the accelerators that the runtime can use. ``no_wheel`` says what to do where the index has only a
    source archive.
    """

    name: str
    title: str
    python: str
    requirements: tuple[Requirement, ...]
    torch_family: bool = False
    imports: tuple[str, ...] = ()
    replace: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # requirement -> only for these formats
    base_images: Mapping[str, str] = field(default_factory=dict)
    system_packages: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu", "cuda", "rocm", "mps")
    no_wheel: str = ""
    facts: tuple[Fact, ...] = ()

    def required_for(self, checkpoint_format: str) -> tuple[Requirement, ...]:
        """Return what a checkpoint of this format needs of the runtime."""
        return tuple(
            r for r in self.requirements if checkpoint_format in self.formats.get(r.name, (checkpoint_format,))
        )


def data_dir(kind: Literal["envs", "dockerfiles"]) -> Path:
    """Return the folder of shipped data: in the wheel, else in the repository.

    Raises:
        Internal: this installation lacks it.
    """
    package = Path(__file__).parent
    for place in (package / "_data" / kind, package.parent / kind):
        if place.is_dir():
            return place
    raise Internal(f"this installation of dnnbox lacks its data folder `{kind}`", hint="install it again")


@lru_cache(maxsize=1)
def runtimes() -> tuple[str, ...]:
    """Return the names of all runtimes, sorted."""
    return tuple(sorted(path.stem for path in data_dir("envs").glob("*.toml") if path.stem not in _TABLES))


@lru_cache(maxsize=64)
def runtime(name: str) -> RuntimeSpec:
    """Return what the catalogue says of a runtime.

    Raises:
        Usage: there is no runtime of this name.
        Internal: its file is not as it should be.
    """
    if name not in runtimes():
        raise Usage(f"unknown runtime `{name}`", hint=f"known: {', '.join(runtimes())}")
    path = data_dir("envs") / f"{name}.toml"
    try:
        return _spec(name, tomllib.loads(path.read_text("utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise Internal(f"envs/{path.name}: {error}") from error


def _spec(name: str, table: Mapping[str, Any]) -> RuntimeSpec:
    wanted = table["requirements"]
    return RuntimeSpec(
        name=name,
        title=table["title"],
        python=table["python"],
        requirements=tuple(_requirement(name, entry) for entry in wanted),
        torch_family=table["torch_family"],
        imports=tuple(table["imports"]),
        replace={kind: entry.get("replace", {}) for kind, entry in table.get("accelerators", {}).items()},
        formats={entry["name"]: tuple(entry["formats"]) for entry in wanted if "formats" in entry},
        base_images=table.get("base_images", {}),
        system_packages=tuple(table.get("system_packages", ())),
        devices=tuple(table.get("devices", RuntimeSpec.devices)),
        no_wheel=table.get("no_wheel", ""),
        facts=tuple(Fact(f["text"], f["source"], f["checked"].isoformat()) for f in table.get("facts", ())),
    )


def _requirement(runtime_name: str, entry: Mapping[str, Any]) -> Requirement:
    evidence = Evidence(f"{entry['name']} is needed", f"envs/{runtime_name}.toml", entry["reason"])
    return Requirement(entry["name"], entry.get("specifier", ""), cast("Group", entry["group"]), (evidence,))


@lru_cache(maxsize=1)
def _names() -> Mapping[str, Any]:
    return tomllib.loads((data_dir("envs") / f"{IMPORT_NAMES}.toml").read_text("utf-8"))


def alternatives(distribution: str) -> tuple[str, ...]:
    """Return the distributions that bring the same module as ``distribution`` and exclude it."""
    return tuple(_names()["alternatives"].get(distribution, ()))


@lru_cache(maxsize=1)
def _import_names() -> Mapping[str, str]:
    table = _names()
    same = {name: name.replace("_", "-") for name in table["same"]["names"]}
    return {**same, **_flat(table["renamed"], "")}


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Return dotted names; TOML reads ``google.protobuf = …`` as a table in a table."""
    names: dict[str, str] = {}
    for key, value in table.items():
        names.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return names


def import_to_distribution(name: str) -> str | None:
    """Return the distribution that provides the module ``name`` (the longest dotted part wins), else None."""
    known = _import_names()
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        if found := known.get(".".join(parts[:end])):
            return found
    return None
