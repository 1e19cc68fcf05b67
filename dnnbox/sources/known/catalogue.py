"""The data file of known families, read once: ``families.toml`` says what each field means."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from dnnbox.errors import Internal

DATA = Path(__file__).with_name("families.toml")


@dataclass(frozen=True)
class Known:
    """One family, as the data file has it. ``checked`` is the ISO day on which it was read in the repository."""

    name: str
    title: str
    url: str
    commit: str
    licence: str
    checked: str
    keys: tuple[str, ...]
    cls: str
    file: str
    entry: str
    inputs: tuple[Mapping[str, Any], ...]
    tag: str = ""
    when: tuple[str, ...] = ()
    root: str = ""
    package: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    build: str = ""
    plain: tuple[str, ...] = ()  # arguments that stand in `build` as names, not as texts
    bare: tuple[str, ...] = ()
    call: str = ""
    requires: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()  # modules that `build` stands in for
    bounds: tuple[str, ...] = ()
    needs: str = ""  # what no package and no repository brings
    assumes: tuple[str, ...] = ()
    device: str = ""  # the only device that upstream's own forward runs on
    repeatable: bool = True
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    postprocess: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def families() -> tuple[Known, ...]:
    """Return all families, in the order in which they are tried.

    Raises:
        Internal: the data file is not as it should be.
    """
    try:
        return tuple(_known(entry) for entry in tomllib.loads(DATA.read_text("utf-8"))["family"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Internal(f"the catalogue of known families: {error}") from error


def _known(entry: Mapping[str, Any]) -> Known:
    values = {("cls" if key == "class" else key): value for key, value in entry.items()}
    values["checked"] = entry["checked"].isoformat()
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Known(**{**values, **lists})
