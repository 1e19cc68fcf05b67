"""Explicit registries: a literal of lazy ``module:attribute`` places, open to third parties by entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from dnnbox.errors import Usage

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """Names to lazily imported objects. Built-ins win over entry points of the group ``dnnbox.<kind>``."""

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._builtin = dict(builtin)

    @cached_property
    def _places(self) -> dict[str, Any]:
        from importlib.metadata import entry_points  # 20 ms, and most runs need built-ins only

        found: dict[str, Any] = {point.name: point for point in entry_points(group=f"dnnbox.{self.kind}")}
        return {**found, **self._builtin}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._places

    def get(self, name: str) -> Item:
        """Import and return the item; raises Usage with the nearest names when there is none."""
        place = self._builtin.get(name) or self._places.get(name)
        if place is None:
            import difflib

            near = difflib.get_close_matches(name, self._places, n=1)
            guess = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(self._places))}"
            raise Usage(f"unknown {self.kind} `{name}`", hint=guess)
        if not isinstance(place, str):
            return cast("Item", place.load())
        module, _, attribute = place.partition(":")
        return cast("Item", getattr(import_module(module), attribute))
