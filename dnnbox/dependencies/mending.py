"""A failed first run → the same dependencies, mended: a package that was missing, or a bound where a library broke.

Only names of the maintained table, or that the source declares itself, are ever added: nothing is guessed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dnnbox import catalog
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.evidence import Evidence

TABLE = "version_bounds"


@dataclass(frozen=True)
class Mended:
    """What is different now, as a sentence, and the dependencies that it gives."""

    what: str
    dependencies: Dependencies


def mended(dependencies: Dependencies, failure: str, missing: str, source_root: str) -> Mended | None:
    """Return the dependencies for another try, None where nothing is known to help.

    ``failure`` is what the model's code said when it failed, ``missing`` the module that was not there, "" for none.
    """
    if missing and (found := _with_missing(dependencies, missing, source_root)) is not None:
        return found
    return _with_bound(dependencies, failure)


def _with_missing(dependencies: Dependencies, module: str, source_root: str) -> Mended | None:
    name, place = catalog.import_to_distribution(module), f"envs/{catalog.IMPORT_NAMES}.toml"
    if name is None and source_root:
        from dnnbox.dependencies.declared import declared

        wanted = module.partition(".")[0].replace("_", "-").lower()
        own = next((item for item in declared(Path(source_root))[0] if item.name == wanted), None)
        name, place = (own.name, own.evidence[0].source) if own else (None, "")
    if name is None or any(_normal(item.name) == _normal(name) for item in dependencies.requirements):
        return None
    why = Evidence(f"{name} is needed", "the run", f"No module named {module[:80]!r}; {place} has it")
    added = Requirement(name, _bound_of_module(module), "model", (why,))
    return Mended(f"added {added.line()}", replace(dependencies, requirements=(*dependencies.requirements, added)))


def _with_bound(dependencies: Dependencies, failure: str) -> Mended | None:
    required = {_normal(item.name): item for item in dependencies.requirements}
    for bound in bounds():
        if not re.search(bound["pattern"], failure):
            continue
        lines = {bound["name"]: bound["specifier"], **_lines(bound.get("with", ()))}
        if any(lines[name] in item.specifier for name, item in required.items() if name in lines):
            continue  # it is there already and did not help
        reason = Evidence(f"{bound['name']}{bound['specifier']}", f"envs/{TABLE}.toml", bound["reason"])
        kept = tuple(_bounded(item, lines, reason) for item in dependencies.requirements)
        more = tuple(Requirement(name, lines[name], "model", (reason,)) for name in lines if name not in required)
        said = ", ".join(f"{name}{specifier}" for name, specifier in lines.items())
        return Mended(f"with {said}: {bound['reason']}", replace(dependencies, requirements=(*kept, *more)))
    return None


def _bounded(item: Requirement, lines: Mapping[str, str], reason: Evidence) -> Requirement:
    specifier = lines.get(_normal(item.name))
    if specifier is None:
        return item
    joined = ",".join(part for part in (item.specifier, specifier) if part)
    return replace(item, specifier=joined, evidence=(*item.evidence, reason))


def _lines(lines: Sequence[str]) -> dict[str, str]:
    return {re.split(r"[<>=!~]", line)[0]: line[len(re.split(r"[<>=!~]", line)[0]) :] for line in lines}


def _bound_of_module(module: str) -> str:
    """Return the bound that a module needs by itself: it is gone from newer versions."""
    return next((bound["specifier"] for bound in bounds() if bound.get("module") == module.partition(".")[0]), "")


def module_bounds() -> Mapping[str, str]:
    """Return the specifiers that importing a module asks for at once: module → specifier."""
    return {bound["module"]: bound["specifier"] for bound in bounds() if "module" in bound}


@lru_cache(maxsize=1)
def bounds() -> tuple[Mapping[str, Any], ...]:
    """Return the dated table of version bounds."""
    text = (catalog.data_dir("envs") / f"{TABLE}.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["bound"])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
